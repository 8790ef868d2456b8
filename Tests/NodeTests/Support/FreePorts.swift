// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// Ports that nobody listens on.
enum FreePorts {
    /// `count` different ports. Another process may take one before the test does; tests that start programs on them say so and fail.
    static func any(_ count: Int) async throws -> [Int] {
        var channels: [any Channel] = []
        for _ in 0..<count { channels.append(try await self.bind(port: 0)) }
        let ports = channels.compactMap { $0.localAddress?.port }
        for channel in channels { try await channel.close() }
        return ports
    }

    /// The first of `count` ports that follow one another.
    static func consecutive(_ count: Int) async throws -> Int {
        for _ in 0..<100 {
            let first = try await self.any(1)[0]
            guard first + count <= 65_535 else { continue }
            var channels: [any Channel] = []
            for port in first..<first + count {
                if let channel = try? await self.bind(port: port) { channels.append(channel) }
            }
            for channel in channels { try await channel.close() }
            if channels.count == count { return first }
        }
        throw TestFailure("there are no \(count) free ports that follow one another")
    }

    /// Listens on a port of the loopback address; throws when it is taken.
    static func bind(port: Int) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: "127.0.0.1", port: port)
            .get()
    }
}
