// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

/// Until when a node may act as an owner, for whatever its source, its peers and itself may say.
@Suite("Who may act as an owner") struct OwnerFenceTests {
    private typealias Word = OwnerFence.Word

    @Test("nobody fences a node whose source does not") func open() {
        var fence = OwnerFence()
        #expect(fence.until == .max && !fence.isOn)
        #expect(fence.heard(.leaving, now: 5) == .same && !fence.isOn)
        #expect(fence.confirmed(until: 10, now: 5) == .same && !fence.isOn && !fence.asksPeers(5, within: .max))
    }

    /// What is said one after the other, at what moments, what comes of it, and until when the node acts then.
    @Test(
        "words, one after the other",
        arguments: [
            // A lease is kept alive; a word that comes late and says less changes nothing.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 1, .returned, 10), (.member(until: 15, tenure: 1), 5, .renewed, 15),
                (.member(until: 12, tenure: 1), 6, .same, 15),
            ],
            // It lapses and etcd says that it lived all the time: nobody has acted in this node's place.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 1, .returned, 10),
                (.member(until: 40, tenure: 1), 30, .renewed, 40),
            ],
            // Another lease: others may have acted, however short the time between them was, or none at all.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 1, .returned, 10),
                (.member(until: 15, tenure: 2), 5, .returned, 15),
            ],
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 1, .returned, 10), (.out, 5, .left, .min), (.out, 6, .same, .min),
                (.member(until: 20, tenure: 1), 7, .returned, 20),
            ],
            // Who is not counted goes on while it has not lapsed, and has been out if it has.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: nil), 1, .returned, 10),
                (.member(until: 15, tenure: nil), 9, .renewed, 15), (.member(until: 40, tenure: nil), 15, .returned, 40),
            ],
            // An answer that was sent before the node stood still says nothing of now.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 100, .returned, 10),
                (.member(until: 12, tenure: 1), 101, .renewed, 12),
            ],
            // Who leaves stays what it is, whatever is said afterwards.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 1, .returned, 10), (.leaving, 2, .renewed, .max - 1),
                (.out, 3, .same, .max - 1), (.member(until: 9, tenure: 5), 4, .same, .max - 1),
            ],
            // And who has lapsed, or is out, leaves as that.
            [
                (.out, 0, .left, .min), (.member(until: 10, tenure: 1), 1, .returned, 10), (.leaving, 10, .same, 10),
                (.out, 11, .left, .min), (.leaving, 12, .same, .min),
            ],
            // The first word may be a good one.
            [(.member(until: 10, tenure: 1), 1, .returned, 10), (.out, 2, .left, .min)],
        ] as [[(OwnerFence.Word, Int64, OwnerFence.Step, Int64)]]
    )
    func words(_ steps: [(OwnerFence.Word, Int64, OwnerFence.Step, Int64)]) {
        var fence = OwnerFence()
        for (word, now, step, until) in steps {
            #expect(fence.heard(word, now: now) == step, "\(word) at \(now)")
            #expect(fence.until == until, "\(word) at \(now)")
        }
    }

    @Test("peers who go by the same ring keep a node from lapsing, and do not bring back what has lapsed") func peers() {
        var fence = OwnerFence()
        _ = fence.heard(.out, now: 0)
        #expect(fence.confirmed(until: 50, now: 1) == .same && fence.until == .min)
        #expect(!fence.asksPeers(1, within: .max))
        _ = fence.heard(.member(until: 10, tenure: 1), now: 1)
        // Not while there is much time left.
        #expect(!fence.asksPeers(2, within: 5) && fence.asksPeers(6, within: 5) && !fence.asksPeers(10, within: 5))
        #expect(fence.confirmed(until: 9, now: 6) == .same && fence.until == 10)
        #expect(fence.confirmed(until: 12, now: 9) == .renewed && fence.until == 12)
        // The source is back: it goes on from there.
        #expect(fence.heard(.member(until: 20, tenure: 1), now: 11) == .renewed)
        #expect(fence.confirmed(until: 50, now: 20) == .same && fence.until == 20)
        // The source's word that the node is none counts for more.
        _ = fence.heard(.member(until: 30, tenure: 1), now: 21)
        _ = fence.heard(.out, now: 22)
        #expect(fence.confirmed(until: 50, now: 23) == .same && fence.until == .min)
    }

    @Test("one that is not counted does not lapse while its peers confirm it") func silence() {
        var fence = OwnerFence()
        _ = fence.heard(.member(until: 10, tenure: nil), now: 1)
        #expect(fence.confirmed(until: 17, now: 9) == .renewed)
        #expect(fence.heard(.member(until: 60, tenure: nil), now: 16) == .renewed)
    }

    @Test("the peers' word holds for no longer than the source's") func span() {
        var fence = OwnerFence()
        _ = fence.heard(.member(until: 10, tenure: 1), now: 1)
        _ = fence.heard(.member(until: 10, tenure: 1), now: 8)
        #expect(fence.confirmed(until: 40, now: 8) == .renewed && fence.until == 17)
        #expect(fence.confirmed(until: 41, now: 16) == .renewed && fence.until == 25)
    }
}
