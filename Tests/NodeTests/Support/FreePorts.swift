// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// Ports that nobody listens on.
enum FreePorts {
    /// Below those that the system gives to whoever asks for any port, or connects: so nobody is given one between this look and the program that is to
    /// listen there. One of the others might go to a connection, also to one that is made to that very port before anybody listens, which then ends at itself.
    /// There is room for the ports of admins, a thousand above.
    private static let range = 15_000..<31_000

    /// `count` different ports. Another process may want one of just these before the test does; tests that start programs on them say so and fail.
    static func any(_ count: Int) async throws -> [Int] {
        var channels: [any Channel] = []
        for _ in 0..<1_000 where channels.count < count {
            if let channel = try? await self.bind(port: .random(in: self.range)) { channels.append(channel) }
        }
        let ports = channels.compactMap { $0.localAddress?.port }
        for channel in channels { try await channel.close() }
        guard ports.count == count else { throw TestFailure("there are no \(count) free ports") }
        return ports
    }

    /// The first of `count` ports that follow one another.
    static func consecutive(_ count: Int) async throws -> Int {
        for _ in 0..<100 {
            let first = Int.random(in: self.range.lowerBound..<self.range.upperBound - count)
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
