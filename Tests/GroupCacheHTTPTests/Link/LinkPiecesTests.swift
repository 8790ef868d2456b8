// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// The small values that a link is made of.
@Suite("Link: handshake, slots, pending requests, pauses") struct LinkPiecesTests {
    @Test("SHA-1 of RFC 3174 and FIPS 180, and of every length around a block's end")
    func sha1() {
        func hex(_ text: String) -> String {
            SHA1.digest(Array(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        #expect(hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
        #expect(hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "84983e441c3bd26ebaae4aa1f95129e5e54670f1")
        #expect(hex(String(repeating: "a", count: 1_000_000)) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
        #expect(hex(String(repeating: "01234567", count: 80)) == "dea356a2cddd90c7a7ecedc5ebb563934f460452")
        #expect(Set((0...130).map { hex(String(repeating: "x", count: $0)) }).count == 131)
    }

    @Test("the handshake of RFC 6455 §1.3; nonces of 16 bytes that differ")
    func handshake() {
        #expect(WebSocketKey.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        let keys = Set((0..<100).map { _ in WebSocketKey.make() })
        #expect(keys.count == 100)
        #expect(keys.allSatisfy { $0.utf8.count == 24 && $0.hasSuffix("==") })
    }

    @Test("an id finds its request once, and never another's: against a dictionary", arguments: [1, 2, 3] as [UInt64])
    func slots(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        var slots = LinkSlots<Int>()
        var model: [UInt32: Int] = [:]
        var gone: [UInt32] = []
        for step in 0..<20_000 {
            switch UInt8.random(in: 0..<10, using: &random) {
            case 0..<5:
                guard let id = slots.insert(step) else {
                    Issue.record("there is room")
                    return
                }
                #expect(model.updateValue(step, forKey: id) == nil)
            case 5..<8:
                guard let id = model.keys.randomElement(using: &random) else { continue }
                #expect(slots[id] == model[id])
                #expect(slots.remove(id) == model.removeValue(forKey: id))
                gone.append(id)
            case 8:
                guard let id = model.keys.randomElement(using: &random) else { continue }
                let isDone = Bool.random(using: &random)
                let seen: Int? = slots.update(id) { call in
                    defer { call += 1 }
                    return (isDone, call)
                }
                #expect(seen == model[id])
                if isDone {
                    model[id] = nil
                    gone.append(id)
                } else {
                    model[id]? += 1
                }
            default:
                // Replies that come late, twice, or from nowhere.
                for id in gone.suffix(20) + [UInt32.random(in: 1 << 31 ... .max, using: &random)] where model[id] == nil {
                    #expect(slots[id] == nil && slots.remove(id) == nil)
                    #expect(slots.update(id) { _ in (true, 1) } == nil)
                }
                if step % 100 == 9 {
                    slots.sweep { id, call in
                        #expect(model[id] == call)
                        guard call % 3 == 0 else { return false }
                        model[id] = nil
                        gone.append(id)
                        return true
                    }
                }
            }
            #expect(slots.count == model.count)
        }
        #expect(slots.removeAll().sorted() == model.values.sorted())
        #expect(slots.count == 0)
    }

    @Test("65,536 requests and no more; one that ends makes room for one")
    func limit() {
        var slots = LinkSlots<Int>()
        let ids = (0..<65_536).compactMap { slots.insert($0) }
        #expect(Set(ids).count == 65_536)
        #expect(slots.insert(1) == nil)
        #expect(slots.remove(ids[77]) == 77)
        let id = slots.insert(2) ?? ids[77]
        #expect(id != ids[77] && slots[ids[77]] == nil && slots[id] == 2)
        #expect(slots.insert(3) == nil)
    }

    @Test("the pauses begin with next to nothing, double, and end at a second and a half; a success begins anew")
    func backoff() {
        var random = SplitMix(state: 7)
        for _ in 0..<200 {
            var backoff = LinkBackoff()
            let first = backoff.next(using: &random)
            #expect((1...10).contains(first))
            for attempt in 1...40 {
                let ceiling: Int64 = min(1_500, 25 << Int64(min(attempt, 10)))
                let pause = backoff.next(using: &random)
                #expect((ceiling / 2...ceiling).contains(pause))
            }
            backoff.reset()
            let again = backoff.next(using: &random)
            #expect((1...10).contains(again))
        }
    }

    @Test("a request for many keys takes one answer for each, none twice, and fails only what is open")
    func pending() {
        let (caller, carrier) = (Answers(), Carrier())
        let call = PeerCall(
            .many(["a", "b", "c"], PeerBatch(group: "g")),
            tag: 10,
            for: caller,
            by: carrier,
            started: .now(),
            deadline: .distantFuture
        )
        var pending = LinkPending(call)
        #expect(pending.isMany && pending.open == 3)
        let taken = [1, 1, 3, -1, .max].map { pending.take($0) }
        #expect(taken == [true, false, false, false, false])
        #expect(pending.open == 2)
        pending.fail(.deadlineExceeded)
        pending.fail(.cancelled)
        #expect(caller.all == [10: ["deadlineExceeded"], 12: ["deadlineExceeded"]])
        #expect(carrier.ended.load(ordering: .relaxed) == 1)

        var one = LinkPending(
            PeerCall(.path("/"), tag: 3, for: caller, by: carrier, started: .now(), deadline: .distantFuture)
        )
        let answers = [1, 0].map { one.take($0) }
        #expect(answers == [false, true])
        one.fail(.overloadedForTest)
        one.fail(.cancelled)
        #expect(caller.all[3] == ["overloaded"])
        #expect(carrier.ended.load(ordering: .relaxed) == 2)
    }
}

extension GroupCacheError {
    fileprivate static let overloadedForTest = GroupCacheError(.overloaded, "busy")
}

/// Counts what it is told.
private final class Carrier: PeerCarrier {
    let ended = Atomic(0)
    func began() {}
    func ended(_ call: PeerCall) { self.ended.wrappingAdd(1, ordering: .relaxed) }
    func abandon(_ call: PeerCall) {}
}
