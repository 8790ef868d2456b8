// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOConcurrencyHelpers
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
    /// - Parameters:
    ///   - options: who knows about names: this server alone, or another one that it asks.
    ///   - port: where it listens, if not where the system's resolver looks.
    func run(_ options: [String], port: Int = 53, _ body: @escaping @Sendable (Child) async throws -> Void) async throws {
        let arguments = [
            "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=\(port)",
            "--listen-address=\(Self.address)",
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

/// What stands between a node and its server of names where only UDP gets through, as behind many a firewall: an answer that does not fit comes in part, and
/// says so, and nobody is there to ask for the rest by TCP.
private final class DatagramRelay: Sendable {
    private struct State: Sendable {
        var askers: [UInt16: SocketAddress] = [:]
        var truncated = 0
    }

    private let state = NIOLockedValueBox(State())
    private let front: any Channel
    private let back: any Channel

    /// How many answers that it has passed on were truncated.
    var truncated: Int { self.state.withLockedValue { $0.truncated } }

    init(to port: Int) async throws {
        let (state, target) = (self.state, try SocketAddress(ipAddress: DNSServer.address, port: port))
        let back = try await Self.bind("127.0.0.1", 0) { envelope in
            var answer = envelope
            guard let id = answer.data.getInteger(at: 0, as: UInt16.self), let flags = answer.data.getInteger(at: 2, as: UInt8.self) else {
                return nil
            }
            let asker = state.withLockedValue { state in
                if flags & 2 != 0 { state.truncated += 1 }
                return state.askers.removeValue(forKey: id)
            }
            guard let asker else { return nil }
            answer.remoteAddress = asker
            return answer
        }
        self.back = back
        self.front = try await Self.bind(DNSServer.address, 53) { envelope in
            var question = envelope
            guard let id = question.data.getInteger(at: 0, as: UInt16.self) else { return nil }
            state.withLockedValue { $0.askers[id] = question.remoteAddress }
            question.remoteAddress = target
            return question
        }
        let (front, relay) = (self.front, back)
        try await Self.connect(front, relay)
        try await Self.connect(relay, front)
    }

    func close() async throws {
        try await self.front.close()
        try await self.back.close()
    }

    private typealias Turn = @Sendable (AddressedEnvelope<ByteBuffer>) -> AddressedEnvelope<ByteBuffer>?

    private static func bind(_ host: String, _ port: Int, _ turn: @escaping Turn) async throws -> any Channel {
        try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Turner(turn)) }
            }
            .bind(host: host, port: port).get()
    }

    private static func connect(_ from: any Channel, _ to: any Channel) async throws {
        try await from.pipeline.handler(type: Turner.self).map { $0.other.withLockedValue { $0 = to } }.get()
    }

    private final class Turner: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        let other = NIOLockedValueBox<(any Channel)?>(nil)
        private let turn: Turn

        init(_ turn: @escaping Turn) { self.turn = turn }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard let turned = self.turn(self.unwrapInboundIn(data)) else { return }
            self.other.withLockedValue { $0 }?.writeAndFlush(turned, promise: nil)
        }
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

        /// More addresses than fit into a datagram: by TCP all of them come. Where there is no TCP, a part of them is known: it is not taken for the list.
        @Test func aPartOfTheAddressesIsNoList() async throws {
            try await withTemporaryFolder { folder in
                let server = try DNSServer(folder: folder)
                let ports = try await FreePorts.any(2)
                let local = ["--addn-hosts=\(server.hosts)", "--local=/test/"]
                // 60 records of 16 bytes: twice what a datagram without EDNS may have.
                let addresses = (1...60).map { "127.0.0.\($0)" }
                try Self.write(addresses, server)
                let arguments = [
                    "--listen", "127.0.0.1:\(ports[0])", "--discovery", "dns:cache.test.:\(ports[0])", "--group", "scores=demo:",
                ]
                _ = try await server.serve(arguments) { one in
                    try await server.run(local) { _ in
                        let all = try await MembersPage.of(one) { $0.problem == nil && !$0.names.isEmpty && $0.ageSeconds != nil }
                        #expect(Set(all.names) == Set(addresses.map { "http://\($0):\(ports[0])" }))
                        _ = try await fetch("\(one)/readyz") { $0.status == 200 }
                    }
                    let before = try await MembersPage.of(one) { $0.problem?.contains("cannot be looked up") == true }
                    try await server.run(local, port: ports[1]) { _ in
                        let relay = try await DatagramRelay(to: ports[1])
                        // The resolver asks twice at the most: when it has asked five times the node has thought about the first.
                        let page = try await MembersPage.of(one) { $0.names.count != 60 || relay.truncated >= 5 }
                        #expect(page.names == before.names && page.ring == before.ring && page.names.count == 60)
                        #expect(page.problem?.contains("cannot be looked up") == true, "\(page.problem ?? "")")
                        try await relay.close()
                        try Self.write(["127.0.0.1", "127.0.0.2"], server)
                    }
                    try await server.run(local) { _ in
                        _ = try await MembersPage.of(one) { $0.names.count == 2 && $0.problem == nil }
                    }
                }
            }
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
