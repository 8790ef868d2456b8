// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where things lie: the built programs beside the test runner, and the files of the package.
enum Programs {
    /// The path of an executable target of this package.
    static func path(_ name: String) throws -> String {
        var folder = URL(fileURLWithPath: try self.runner).deletingLastPathComponent()
        // On Darwin the runner lies inside a bundle.
        for _ in 0..<4 {
            let path = folder.appendingPathComponent(name).path
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue { return path }
            folder.deleteLastPathComponent()
        }
        throw TestFailure("\(name) is not beside the test runner; build it first")
    }

    /// The top folder of the package.
    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static var runner: String {
        get throws {
            #if os(Linux)
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            #else
                Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundlePath ?? CommandLine.arguments[0]
            #endif
        }
    }
}
