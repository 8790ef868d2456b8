// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import SystemPackage

/// A token that is made up for the life of a cluster, in a file that only this user can read.
struct ClusterToken: Sendable {
    let text: String
    let path: String

    init() throws(CommandError) {
        var generator = SystemRandomNumberGenerator()
        self.text = (0..<2).map { _ in
            let part = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - part.count) + part
        }.joined()
        self.path = FileManager.default.temporaryDirectory.appending(path: "groupcache-\(self.text.prefix(8)).token").path
        do {
            // Readable by nobody else from its first moment, and not through a link that somebody has put there.
            let options: FileDescriptor.OpenOptions = [.create, .exclusiveCreate, .noFollow]
            let file = try FileDescriptor.open(FilePath(self.path), .writeOnly, options: options, permissions: .ownerReadWrite)
            try file.closeAfter { _ = try file.writeAll((self.text + "\n").utf8) }
        } catch {
            throw CommandError("cannot write the file \(self.path); name one with --admin-token-file, or --admin-base-port 0")
        }
    }

    func remove() { try? FileManager.default.removeItem(atPath: self.path) }
}
