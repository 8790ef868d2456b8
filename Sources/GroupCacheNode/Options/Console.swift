// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Standard output and standard error.
enum Console {
    /// One line on standard output, at once even when it is a pipe.
    static func print(_ line: String) {
        self.write(Data((line + "\n").utf8), to: .standardOutput)
    }

    /// One line on standard error.
    static func error(_ line: String) {
        self.write(Data((line + "\n").utf8), to: .standardError)
    }

    /// Bytes as they are on standard output.
    static func print(raw bytes: [UInt8]) {
        self.write(Data(bytes), to: .standardOutput)
    }

    private static func write(_ data: Data, to file: FileHandle) {
        // A reader that went away (`groupcache get k | head -c1`) is not our failure.
        try? file.write(contentsOf: data)
    }
}
