// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Which change of each key was acknowledged last, in a file that all processes share: 8 bytes for each key, written whole by one of them and read by all.
struct Acknowledged: Sendable {
    /// How many keys change.
    static let keys = 16

    /// Open for as long as the process lives.
    private let file: Int32

    init(path: String) throws {
        self.file = open(path, O_RDWR)
        guard self.file >= 0 else { throw POSIXError(.ENOENT) }
    }

    /// Zero if nothing can be read, which has nobody's get count as stale.
    func version(_ key: Int) -> Int {
        var version = Int64(0)
        let count = pread(self.file, &version, 8, off_t(key * 8))
        return count == 8 ? Int(version) : 0
    }

    /// Throws if that cannot be written: what follows would then say nothing.
    func acknowledge(_ version: Int, of key: Int) throws {
        var version = Int64(version)
        guard pwrite(self.file, &version, 8, off_t(key * 8)) == 8 else { throw POSIXError(.EIO) }
    }
}
