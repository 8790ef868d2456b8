// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheHTTP

/// Looking at what another node holds, over real sockets.
@Suite("Link: peeking at the former owner of a key", .timeLimit(.minutes(5)), .serialized) struct PeekTests {
    private func peek(_ getter: HTTPGetter, _ key: Key, timeout: Duration? = nil) async -> String {
        var request = PeerRequest(group: "scores", key: key, timeout: timeout)
        request.isPeek = true
        do throws(GroupCacheError) {
            let value = try await getter.get(request).value
            return value.count > 100 ? "\(value.count) bytes" : value.string
        } catch {
            return error.code.description
        }
    }

    @Test("what is held is answered, what is being loaded is waited for, what is neither is not loaded")
    func peeks() async throws {
        let gate = Gate()
        let loads = NIOLockedValueBox(0)
        try await withPools { pools in
            let group = try Group<String>("scores", capacity: .mebibytes(64), peers: pools[0].pool) { key, _ -> Loaded<String> in
                loads.withLockedValue { $0 += 1 }
                if key.string == "slow" { try await gate.pass() }
                if key.string == "broken" {
                    try await gate.pass()
                    throw GroupCacheError(.overloaded, "no")
                }
                if key.string == "nobody" { return .notFound(ttl: .seconds(9)) }
                return .value(key.string == "large" ? String(repeating: "x", count: 262_145) : "630")
            }
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)")
            #expect(await self.peek(getter, "Tom") == "notHeld")
            #expect(loads.withLockedValue { $0 } == 0)
            for key: Key in ["Tom", "large", "nobody"] { _ = try? await group.get(key) }
            #expect(await self.peek(getter, "Tom") == "630")
            #expect(await self.peek(getter, "nobody") == "notFound")
            // The link says that it is held, and too large; then it comes by GET.
            #expect(await self.peek(getter, "large") == "262145 bytes")
            #expect(await self.peek(getter, "") == "badRequest")

            let callers = ["slow", "broken"].map { key in Task { try? await group.get(Key(key)) } }
            await gate.waitForArrivals(2)
            #expect(await self.peek(getter, "slow", timeout: .milliseconds(50)) == "deadlineExceeded")
            // Nor does it wait there any more: it would be counted for one of those who come now.
            try await eventually { group.statistics.waiters == 2 }
            async let slow = self.peek(getter, "slow")
            async let broken = self.peek(getter, "broken")
            try await eventually { group.statistics.waiters == 4 }
            let leaver = Task { await self.peek(getter, "slow") }
            try await eventually { group.statistics.waiters == 5 }
            leaver.cancel()
            #expect(await leaver.value == "cancelled")
            try await eventually { group.statistics.waiters == 4 }
            gate.open()
            #expect(await slow == "630")
            #expect(await callers[0].value == "630")
            #expect(await broken == "overloaded")
            #expect(loads.withLockedValue { $0 } == 5)
            getter.close()
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    @Test("nobody peeks by GET, which would load")
    func links() async throws {
        try await withPools { pools in
            let group = FakeGroup { _ throws(GroupCacheError) in "loaded" }
            try pools[0].pool.register(group)
            var client = HTTPPool.Configuration.Client()
            client.links = .never
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)", configuration: client)
            #expect(await self.peek(getter, "Tom") == "unsupported")
            #expect(group.loads.isEmpty)
            getter.close()
        }
    }

    @Test("a peer that refuses the link is not asked by GET either")
    func refused() async throws {
        let server = try await ScriptedServer { _, _ in .reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630") }
        let getter = try HTTPGetter(url: server.url, eventLoopGroup: MultiThreadedEventLoopGroup.singleton.next())
        for _ in 0..<2 { #expect(await self.peek(getter, "Tom") == "unsupported") }
        #expect(!getter.hasLinks)
        #expect(server.requests.allSatisfy { $0.contains("Upgrade: websocket") })
        getter.close()
        try await server.close()
    }

    @Test("of many keys what is cached comes at once, by one message; nothing is loaded, and no load is waited for")
    func many() async throws {
        let gate = Gate()
        try await withPools { pools in
            let group = try Group<String>("scores", capacity: .mebibytes(64), peers: pools[0].pool) { key, _ -> Loaded<String> in
                if key.string == "slow" { try await gate.pass() }
                if key.string == "nobody" { return .notFound(ttl: .seconds(9)) }
                return .value(key.string == "large" ? String(repeating: "x", count: 262_145) : "630")
            }
            for key: Key in ["Tom", "large", "nobody"] { _ = try? await group.get(key) }
            let caller = Task { try? await group.get("slow") }
            await gate.waitForArrivals()
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)")
            let answers = Answers()
            var batch = PeerBatch(group: "scores")
            batch.isPeek = true
            _ = getter.start(["Tom", "large", "nobody", "slow", "Jack", ""], of: batch, for: answers)
            try await eventually { answers.count == 6 }
            let all = answers.all
            #expect(all[0] == ["630"] && all[1] == ["262145 bytes"] && all[2] == ["notFound"])
            #expect(all[3] == ["notHeld"] && all[4] == ["notHeld"] && all[5] == ["notHeld"])
            #expect(group.statistics.localLoads == 3)
            gate.open()
            _ = await caller.value
            getter.close()
            var client = HTTPPool.Configuration.Client()
            client.links = .never
            let get = try HTTPGetter(url: "http://127.0.0.1:\(pools[0].port)", configuration: client)
            let refused = Answers()
            _ = get.start(["Tom", "Jack"], of: batch, for: refused)
            try await eventually { refused.count == 2 }
            #expect(refused.all == [0: ["unsupported"], 1: ["unsupported"]])
            get.close()
        }
    }

    @Test("a group that cannot be peeked at holds nothing")
    func byDefault() async throws {
        try await withPools { pools in
            try pools[0].pool.register(FakeGroup())
            let link = try await RawLink(port: pools[0].port)
            try await link.send(
                RawLink.frame(.binary) {
                    $0.writeLinkGroup("scores")
                    $0.writeLinkRequest(id: 1, group: 0, keys: ["Tom", "Jack"], verb: .peek)
                    $0.writeLinkRequest(id: 2, group: 0, key: Array("Tom".utf8).span, verb: .peek)
                }
            )
            let replies = try await link.received { $0.replies.count == 3 }.replies
            #expect(replies.allSatisfy { $0.status == .notHeld })
            await link.close()
        }
    }

    @Test("\"done\" is no answer to a question for a value")
    func done() async throws {
        let peer = try await RecordingPeer(status: .done)
        let getter = try HTTPGetter(url: peer.url)
        #expect(await self.peek(getter, "Tom") == "peerFailed")
        getter.close()
        try await peer.close()
    }
}
