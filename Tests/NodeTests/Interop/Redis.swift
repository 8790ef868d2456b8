// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess

/// A real Redis (Debian's `redis-server`) on a port of its own, which keeps nothing on disk.
struct Redis: Sendable {
    let folder: URL
    let port: Int

    init(folder: URL, port: Int) throws {
        self.folder = folder
        self.port = port
    }

    /// Runs Redis while `body` does, and returns when it has ended.
    func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let program = try Neighbour.redis.require()
        let arguments = ["--port", "\(self.port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder.path]
        let end = try await Child.run(program, arguments) { child in
            _ = try await child.output.line { $0.contains("Ready to accept connections") }
            try await body()
            child.signal(.terminate)
            await child.wait()
        }
        guard end.status == .exited(0) else { throw TestFailure("redis-server ended with \(end.status): \(end.error)") }
    }

    private struct Statistics: Decodable { var getterCalls: Int }

    /// How often the example has asked for a value.
    func gets(_ url: String) async throws -> Int { try await fetch("\(url)/stats").json(Statistics.self).getterCalls }
}
