// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Subprocess
import Testing

/// A real dnsmasq on an address of its own, at the port where the system's resolver looks.
private struct DNSServer: Sendable {
    /// The port is the system's to say; so that two runs on one machine do not meet, the address is drawn.
    static let address = "127.\(Int.random(in: 1...250)).\(Int.random(in: 0...250)).\(Int.random(in: 2...250))"
    let folder: URL

    var hosts: String { self.folder.appendingPathComponent("hosts").path }
    var resolver: String { self.folder.appendingPathComponent("resolv.conf").path }

    init(folder: URL) throws {
        self.folder = folder
        try "nameserver \(Self.address)\noptions timeout:1 attempts:1\n".write(toFile: self.resolver, atomically: true, encoding: .utf8)
    }

    /// Runs it while `body` does.
    ///
    /// - Parameter options: who knows about names: this server alone, or another one that it asks.
    func run(_ options: [String], _ body: @escaping @Sendable (Child) async throws -> Void) async throws {
        let arguments = [
            "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=53", "--listen-address=\(Self.address)",
            "--bind-interfaces", "--user=root", "--pid-file=", "--log-facility=-",
        ]
        _ = try await Child.run(try Neighbour.dnsmasq.require(), arguments + options) { child in
            _ = try await child.error.line { $0.contains("started") }
            try await body(child)
        }
    }

    /// A node for whom this is the system's resolver.
    func serve(_ arguments: [String], _ body: @escaping @Sendable (String) async throws -> Void) async throws -> Child.End<Void> {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\""
        let program = try Programs.path("groupcache")
        return try await Child.run("/usr/bin/unshare", ["-m", "sh", "-c", script, self.resolver, program, "serve"] + arguments) { child in
            let line = try await child.output.line { $0.hasPrefix("listening ") }
            try await body(String(line.dropFirst("listening ".count)))
        }
    }
}

/// A server of names that has lost its own: it answers every question with SERVFAIL.
private final class FailingServer: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    static func start() async throws -> any Channel {
        try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(FailingServer()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var question = self.unwrapInboundIn(data)
        guard question.data.readableBytes > 12 else { return }
        let start = question.data.readerIndex
        // An answer, recursion available, code 2.
        question.data.setInteger(UInt16(0x8182), at: start + 2)
        context.writeAndFlush(
            self.wrapOutboundOut(AddressedEnvelope(remoteAddress: question.remoteAddress, data: question.data)),
            promise: nil
        )
    }
}

extension ProcessTests {
    /// Nodes that find each other by a name, with a real server of names. Only root may put another resolver before a process.
    @Suite(
        .enabled(if: Neighbour.dnsmasq.isWanted, Neighbour.dnsmasq.comment),
        .enabled(
            if: getuid() == 0 || ProcessInfo.processInfo.environment["GROUPCACHE_REQUIRE"] == "all",
            "needs root, for a resolver of its own"
        )
    )
    struct DNSTests {
        private static func write(_ addresses: [String], _ server: DNSServer) throws {
            let lines = addresses.map { "\($0) cache.test\n" }.joined()
            try lines.write(toFile: server.hosts, atomically: true, encoding: .utf8)
        }

        @Test func nodesFindEachOtherByAName() async throws {
            try await withTemporaryFolder { folder in
                let server = try DNSServer(folder: folder)
                let port = try await FreePorts.any(1)[0]
                func arguments(_ host: String) -> [String] {
                    ["--listen", "\(host):\(port)", "--discovery", "dns:cache.test.:\(port)", "--group", "scores=demo:"]
                }
                let (first, second) = (arguments("127.0.0.1"), arguments("127.0.0.2"))
                let local = ["--addn-hosts=\(server.hosts)", "--local=/test/"]
                let urls = ["http://127.0.0.1:\(port)", "http://127.0.0.2:\(port)"]
                try Self.write(["127.0.0.1"], server)
                let failing = try await FailingServer.start()
                let failingPort = failing.localAddress?.port ?? 0
                _ = try await server.serve(first) { one in
                    // Nobody answers yet.
                    _ = try await MembersPage.of(one) { $0.problem?.contains("cache.test. cannot be looked up") == true }
                    try await #expect(fetch("\(one)/readyz").status == 503)
                    _ = try await server.serve(second) { two in
                        try await server.run(local) { dnsmasq in
                            let alone = try await MembersPage.of(one) { $0.names == [urls[0]] && $0.problem == nil }
                            #expect(alone.fence.kind == "none")
                            _ = try await fetch("\(one)/readyz") { $0.status == 200 }
                            // The name knows only those that are ready: the second has to be ready first.
                            _ = try await MembersPage.of(two) { $0.problem?.contains("is not among the 1 members") == true }
                            _ = try await fetch("\(two)/readyz") { $0.status == 200 }
                            try Self.write(["127.0.0.2", "127.0.0.1"], server)
                            dnsmasq.signal(.terminalClosed)
                            for node in [one, two] { _ = try await MembersPage.of(node) { $0.names == urls && $0.problem == nil } }
                            try Self.write(["127.0.0.1"], server)
                            dnsmasq.signal(.terminalClosed)
                            _ = try await MembersPage.of(one) { $0.names == [urls[0]] }
                            _ = try await MembersPage.of(two) { $0.names == urls && $0.problem?.contains("is not among") == true }
                            try Self.write(["127.0.0.1", "127.0.0.2"], server)
                            dnsmasq.signal(.terminalClosed)
                            for node in [one, two] { _ = try await MembersPage.of(node) { $0.names == urls && $0.problem == nil } }
                        }
                        // The ring follows the list by half a second.
                        let wanted = try await MembersPage.of(two).ring
                        let ring = try await MembersPage.of(one) { $0.ring == wanted }.ring
                        // There is no such name, said again and again: nobody is believed to be gone.
                        try Self.write([], server)
                        try await server.run(local) { _ in
                            let gone = try await MembersPage.of(one) { $0.problem?.contains("become empty") == true }
                            #expect(gone.names == urls && gone.ring == ring)
                        }
                        // The server cannot say.
                        try await server.run(["--server=127.0.0.1#\(failingPort)"]) { _ in
                            let failed = try await MembersPage.of(one) { $0.problem?.contains("cannot be looked up") == true }
                            #expect(failed.names == urls && failed.ring == ring)
                        }
                        for node in [one, two] { try await #expect(fetch("\(node)/readyz").status == 200) }
                    }
                }
                try await failing.close()
            }
        }
    }
}
