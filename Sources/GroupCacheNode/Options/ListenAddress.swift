// SPDX-License-Identifier: Apache-2.0

internal import GroupCacheHTTP

/// `HOST:PORT` as `--listen` and `--admin` take it; an IPv6 address stands in brackets.
struct ListenAddress: Sendable, Hashable {
    var host: String
    /// 0: any free one.
    var port: Int

    /// - Parameter option: the option that said so.
    init(_ text: String, option: String = "--listen", example: String = "127.0.0.1:8001") throws(CommandError) {
        guard let address = HTTPPool.Configuration.Address(text) else {
            throw .usage("\(option) wants HOST:PORT, as in \(example) or [::1]:8001, not \"\(text)\"")
        }
        self.host = address.host
        self.port = address.port
    }

    /// Whether only this machine can reach the address. A host name is not looked up: it counts as outside, but for `localhost`.
    var isLoopback: Bool { HTTPPool.Configuration.Address(host: self.host, port: self.port).isLoopback }
}
