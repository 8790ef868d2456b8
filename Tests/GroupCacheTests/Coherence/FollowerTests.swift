// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("Following another node's changes") struct FollowerTests {
    private func follower(asked: Int64 = 1_000_000, at sequence: UInt64 = 5, promise: Int64 = 5_000) throws -> Follower {
        var follower = Follower(promise: promise, grain: 10)
        check(follower.ask(asked) == nil)
        check(try follower.opened(at: StreamPosition(epoch: 7, sequence: sequence)) == .anew)
        return follower
    }

    @Test("what a stream can not say breaks it off, and what was copied is suspect", arguments: Lie.allCases)
    func lies(_ lie: Lie) throws {
        var follower = try self.follower()
        try follower.heard(after: 5, upTo: 8)
        try follower.bookmark(at: 8, elapsed: 2_000, now: 1_003_000)
        #expect(follower.freshUntil == 1_000_000 + 1_998 + 5_000 - 10)
        let before = follower.generation
        #expect(throws: lie.fault) { try lie.tell(&follower) }
        #expect(!follower.isOpen && follower.position == nil && follower.freshUntil == .min)
        #expect(follower.generation > before)
        // It is asked for from now on, and not from where a liar said that we were.
        check(follower.ask(1_004_000) == nil)
    }

    enum Lie: CaseIterable, Sendable {
        case gap, repeated, backwards, bookmarkAhead, bookmarkBehind, elapsedBackwards, elapsedAhead, elapsedHuge, elapsedNegative
        case openedTwice, sequenceAtTheEnd

        var fault: Follower.Fault {
            switch self {
            case .gap, .bookmarkAhead, .sequenceAtTheEnd: .gap
            case .repeated, .backwards, .bookmarkBehind: .order
            case .elapsedBackwards, .elapsedNegative: .elapsedBackwards
            case .elapsedAhead, .elapsedHuge: .elapsedAhead
            case .openedTwice: .notOpen
            }
        }

        func tell(_ follower: inout Follower) throws(Follower.Fault) {
            switch self {
            case .gap: try follower.heard(after: 9, upTo: 10)
            case .repeated: try follower.heard(after: 5, upTo: 8)
            case .backwards: try follower.heard(after: 8, upTo: 7)
            case .bookmarkAhead: try follower.bookmark(at: 9, elapsed: 2_500, now: 1_003_000)
            case .bookmarkBehind: try follower.bookmark(at: 7, elapsed: 2_500, now: 1_003_000)
            case .elapsedBackwards: try follower.bookmark(at: 8, elapsed: 1_999, now: 1_003_000)
            case .elapsedAhead: try follower.bookmark(at: 8, elapsed: 3_020, now: 1_003_000)
            case .elapsedHuge: try follower.bookmark(at: 8, elapsed: .max, now: 1_003_000)
            case .elapsedNegative: try follower.bookmark(at: 8, elapsed: .min, now: 1_003_000)
            case .openedTwice: _ = try follower.opened(at: StreamPosition(epoch: 7, sequence: 8))
            case .sequenceAtTheEnd: try follower.heard(after: .max, upTo: .max)
            }
        }
    }

    @Test("nothing is heard of a stream that nobody has asked for, or that is not open yet")
    func notOpen() {
        var follower = Follower(promise: 5_000)
        #expect(throws: Follower.Fault.notOpen) { try follower.opened(at: StreamPosition(epoch: 7, sequence: 5)) }
        #expect(throws: Follower.Fault.notOpen) { try follower.heard(after: 0, upTo: 1) }
        _ = follower.ask(1)
        #expect(throws: Follower.Fault.notOpen) { try follower.bookmark(at: 0, elapsed: 0, now: 1) }
    }

    @Test("how fresh a copy is goes by when the stream was asked for, not by when a bookmark came")
    func lease() throws {
        var follower = try self.follower()
        // The link stood still for a minute: what it delivers then proves no more than it did when it was written.
        try follower.bookmark(at: 5, elapsed: 1_000, now: 1_060_000)
        #expect(follower.freshUntil == 1_000_000 + 999 + 5_000 - 10)
        try follower.bookmark(at: 5, elapsed: 1_000, now: 1_060_000)
        try follower.bookmark(at: 5, elapsed: 61_000, now: 1_061_000)
        #expect(follower.freshUntil == 1_000_000 + 61_000 - 61 + 5_000 - 10)
    }

    @Test("a clock that runs one in a thousand faster is believed, and proves nothing that is not so")
    func drift() throws {
        var follower = try self.follower()
        for seconds in Int64(1)...300 {
            let (theirs, ours) = (seconds * 1_001, seconds * 1_000)
            try follower.bookmark(at: 5, elapsed: theirs, now: 1_000_000 + ours)
            #expect(follower.freshUntil <= 1_000_000 + ours + 5_000)
        }
        #expect(follower.isDue(1_300_000) && !follower.isDue(1_299_999))
    }

    @Test("a stream that breaks off proves what it proved, and goes on where it was")
    func resumes() throws {
        var follower = try self.follower()
        try follower.bookmark(at: 5, elapsed: 1_000, now: 1_001_000)
        let (fresh, generation, run) = (follower.freshUntil, follower.generation, follower.run)
        follower.broke()
        follower.broke()
        #expect(follower.freshUntil == fresh && follower.generation == generation && follower.run == run + 1)
        check(follower.ask(1_002_000) == StreamPosition(epoch: 7, sequence: 5))
        check(try follower.opened(at: StreamPosition(epoch: 7, sequence: 5)) == .resumed)
        #expect(follower.generation == generation)
        // What this stream proves begins small. It takes nothing away.
        try follower.bookmark(at: 5, elapsed: 0, now: 1_002_000)
        #expect(follower.freshUntil == 1_002_000 + 5_000 - 10)
        follower.broke()
        _ = follower.ask(900_000)
        _ = try follower.opened(at: StreamPosition(epoch: 7, sequence: 5))
        try follower.bookmark(at: 5, elapsed: 0, now: 1_002_000)
        #expect(follower.freshUntil == 1_002_000 + 5_000 - 10)
    }

    @Test(
        "another life of the node, or another place, makes what was copied suspect",
        arguments: [
            StreamPosition(epoch: 8, sequence: 5), StreamPosition(epoch: 7, sequence: 6), StreamPosition(epoch: 7, sequence: 4),
        ]
    )
    func anew(_ place: StreamPosition) throws {
        var follower = try self.follower()
        try follower.bookmark(at: 5, elapsed: 1_000, now: 1_001_000)
        let generation = follower.generation
        _ = follower.ask(1_002_000)
        check(try follower.opened(at: place) == .anew)
        #expect(follower.generation > generation && follower.freshUntil == .min && follower.position == place && follower.isOpen)
    }
}
