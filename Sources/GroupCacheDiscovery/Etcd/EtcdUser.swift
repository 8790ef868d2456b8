// SPDX-License-Identifier: Apache-2.0

/// Who a node is to an etcd that asks, by name and password.
///
/// It needs a role that may read and write below `/PREFIX/members/`. Over `http://` the password goes in clear.
public struct EtcdUser: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// The file with its password and nothing else but a line's end; read whenever etcd is told it, so that it may be replaced.
    public var passwordFile: String

    /// A user of etcd.
    public init(name: String, passwordFile: String) {
        self.name = name
        self.passwordFile = passwordFile
    }

    /// The password of now. Blocks.
    func password() throws(DiscoveryError) -> String {
        let bytes: [UInt8]
        do throws(DiscoveryError) { bytes = try FileSource.contents(self.passwordFile).get() } catch {
            throw DiscoveryError(.invalidConfiguration, error.message)
        }
        let line = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
        let password = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        guard !password.isEmpty, password.count <= 4_096, !password.contains(UInt8(ascii: "\n")),
            let text = String(validating: password, as: UTF8.self)
        else {
            throw DiscoveryError(.invalidConfiguration, "\(self.passwordFile) does not hold a password")
        }
        return text
    }
}
