// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheHTTP

@Suite("The changes of a node, told to those who follow it", .timeLimit(.minutes(5)))
struct ChangeFeedTests {
    private func feed(promise: Duration = .seconds(5), known: Duration = .zero) -> ChangeFeed {
        ChangeFeed(promise: promise, known: known, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: Logger(label: "test"))
    }

    private func ask(_ feed: ChangeFeed, _ position: StreamPosition?, wait: UInt32 = 0, by follower: UInt64 = 1) async throws -> ChangeList
    {
        try await feed.answer(ChangeQuestion(follower: follower, id: "f\(follower)", position: position, wait: wait), arrived: .now())
    }

    @Test("it begins at the end, goes on where it was, and says when it cannot")
    func places() async throws {
        let feed = self.feed()
        _ = feed.record(.key("a", group: "g"))
        let first = try await self.ask(feed, nil)
        #expect(first.start == feed.position && first.end == 1 && first.changes.isEmpty && first.elapsed == 0)
        _ = feed.record(.key("b", group: "g"))
        _ = feed.record(.group("g"))
        let next = try await self.ask(feed, first.start)
        #expect(next.start == first.start && next.end == 3 && next.elapsed != nil)
        #expect(next.changes == [.key("b", group: "g"), .group("g")])
        // Another life, and a place that is yet to come.
        for place in [StreamPosition(epoch: 1, sequence: 3), StreamPosition(epoch: feed.position.epoch, sequence: 99)] {
            let anew = try await self.ask(feed, place)
            #expect(anew.start == feed.position && anew.changes.isEmpty)
        }
    }

    @Test("a question waits for a change, and is answered without one when its time is over")
    func waits() async throws {
        let feed = self.feed()
        let place = feed.position
        let answer = Task { try await self.ask(feed, place, wait: 5_000) }
        try await eventually { feed.isAsked }
        _ = feed.record(.everything)
        feed.wake()
        // At once, and not when its time is over, when it would be told the same.
        #expect(feed.waitingCount == 0)
        #expect(try await answer.value.changes == [.everything])
        let start = ContinuousClock.now
        let quiet = try await self.ask(feed, feed.position, wait: 50)
        #expect(quiet.changes.isEmpty && ContinuousClock.now - start >= .milliseconds(50))
        // What it says to have taken is never more than it has.
        #expect(try #require(quiet.elapsed) >= 40)
    }

    @Test("more than one answer carries comes in several, of which only the last proves anything")
    func batches() async throws {
        let feed = self.feed()
        let start = feed.position
        for number in 0..<3_000 { _ = feed.record(.key(Key("key-\(number)"), group: "g")) }
        var (place, told, proofs) = (start, 0, 0)
        while told < 3_000 {
            let list = try await self.ask(feed, place, wait: 100)
            try #require(!list.changes.isEmpty)
            told += list.changes.count
            place.sequence = list.end
            if list.elapsed != nil { proofs += 1 }
        }
        #expect(told == 3_000 && proofs == 1)
    }

    @Test("a change is applied when all who follow have asked for more, or none may serve any longer")
    func applied() async throws {
        let feed = self.feed(promise: .milliseconds(300))
        let place = try await self.ask(feed, nil).start
        _ = try await self.ask(feed, place)
        let sequence = feed.record(.everything)
        async let done: Void = feed.applied(sequence, standInTTL: .zero, others: ["f1"])
        let told = try await self.ask(feed, place)
        _ = try await self.ask(feed, StreamPosition(epoch: feed.position.epoch, sequence: told.end))
        try await done
        // Somebody does not ask again.
        let start = ContinuousClock.now
        try await feed.applied(feed.record(.everything), standInTTL: .zero, others: ["f1"])
        #expect(ContinuousClock.now - start >= .milliseconds(300))
        // Somebody has never asked, and may stand in.
        try await feed.applied(feed.record(.everything), standInTTL: .milliseconds(600), others: ["f1", "f2"])
        #expect(ContinuousClock.now - start >= .milliseconds(900))
    }

    @Test("who gives up waiting is told who has not heard")
    func givesUp() async throws {
        let feed = self.feed()
        _ = try await self.ask(feed, nil)
        let sequence = feed.record(.everything)
        let task = Task {
            do throws(GroupCacheError) {
                try await feed.applied(sequence, standInTTL: .zero, others: ["f1", "f2"])
                return nil as GroupCacheError?
            } catch {
                return error
            }
        }
        task.cancel()
        let error = await task.value
        #expect(error?.code == .notDelivered && error?.nodes == ["f1", "f2"])
    }

    @Test("who waits for so long at the most is told then who has not heard, and not when all have", arguments: [0, 30])
    func within(time: Int) async throws {
        let feed = self.feed(promise: .seconds(60), known: .seconds(100))
        let place = try #require(try await self.ask(feed, nil).start)
        _ = try await self.ask(feed, place)
        let sequence = feed.record(.everything)
        let error = await #expect(throws: GroupCacheError.self) {
            try await feed.applied(sequence, standInTTL: .zero, within: .milliseconds(time), others: ["f1", "f2"])
        }
        #expect(error?.code == .notDelivered && error?.nodes == ["f1", "f2"] && error?.isMade == true)
        #expect(feed.waitingCount == 0)
        let told = try await self.ask(feed, place)
        _ = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: told.end))
        try await feed.applied(sequence, standInTTL: .zero, within: .milliseconds(time), others: ["f1"])
        // As long as there may be.
        async let long: Void = feed.applied(feed.record(.everything), standInTTL: .zero, within: .seconds(Int64.max / 10), others: ["f1"])
        try await eventually { feed.waitingCount == 1 }
        let last = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: told.end))
        _ = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: last.end))
        try await long
    }

    @Test("a thousand followers; too many are refused, and make room when they do not come back")
    func crowd() async throws {
        let feed = self.feed(promise: .seconds(60))
        for follower in 1...UInt64(ChangeFeed.maximumFollowers) { _ = try await self.ask(feed, nil, by: follower) }
        let error = await #expect(throws: GroupCacheError.self) { _ = try await self.ask(feed, nil, by: 9_999_999) }
        #expect(error?.code == .overloaded)
        let hasty = self.feed(promise: .milliseconds(1))
        for follower in 1...UInt64(2 * ChangeFeed.maximumFollowers) {
            let end = ContinuousClock.now + .seconds(180)
            while (try? await self.ask(hasty, nil, by: follower)) == nil { try #require(ContinuousClock.now < end) }
        }
        #expect(hasty.followers.count <= ChangeFeed.maximumFollowers)
    }

    @Test("of several questions of one follower the last one waits; what it is called may change")
    func severalQuestions() async throws {
        let feed = self.feed()
        let place = feed.position
        let first = Task { try await self.ask(feed, place, wait: 5_000) }
        try await eventually { feed.isAsked }
        let second = Task {
            try await feed.answer(ChangeQuestion(follower: 1, id: "renamed", position: place, wait: 5_000), arrived: .now())
        }
        #expect(try await first.value.changes.isEmpty)
        try await eventually { feed.isAsked }
        #expect(feed.waitingCount == 1 && feed.followers == ["renamed"])
        _ = feed.record(.everything)
        feed.wake()
        #expect(try await second.value.changes == [.everything])
    }

    @Test("of a thousand changes that wait those end that have been heard of, and who has not come yet keeps only the time running")
    func manyWait() async throws {
        let feed = self.feed(promise: .seconds(60), known: .seconds(100))
        let place = try #require(try await self.ask(feed, nil).start)
        _ = try await self.ask(feed, place)
        let sequences = (0..<1_000).map { _ in feed.record(.everything) }
        let tasks = sequences.map { sequence in Task { try await feed.applied(sequence, standInTTL: .zero, others: ["f1"]) } }
        try await eventually { feed.waitingCount == 1_000 }
        // All of them are told in one answer; nothing is said of the last ones.
        let told = try await self.ask(feed, place)
        try #require(told.end == sequences[999])
        _ = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: sequences[399]))
        for task in tasks[..<400] { try await task.value }
        try await eventually { feed.waitingCount == 600 }
        _ = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: sequences[999]))
        for task in tasks[400...] { try await task.value }
        // Two have not come; one of them comes.
        let sequence = feed.record(.everything)
        let waits = Task { try await feed.applied(sequence, standInTTL: .zero, others: ["f1", "f2"]) }
        let heard = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: sequences[999]))
        _ = try await self.ask(feed, StreamPosition(epoch: place.epoch, sequence: heard.end))
        try await eventually { feed.waitingCount == 1 }
        let start = try await self.ask(feed, nil, by: 2).start
        _ = try await self.ask(feed, start, by: 2)
        try await waits.value
        // Too many.
        let last = feed.record(.everything)
        let crowd = (0..<ChangeFeed.maximumWaiting).map { _ in Task { try await feed.applied(last, standInTTL: .zero, others: []) } }
        try await eventually { feed.waitingCount == ChangeFeed.maximumWaiting }
        let error = await #expect(throws: GroupCacheError.self) { try await feed.applied(last, standInTTL: .zero, others: []) }
        #expect(error?.code == .overloaded)
        feed.close()
        for task in crowd { _ = await task.result }
    }

    @Test("a node that stops answers everybody")
    func stops() async throws {
        let feed = self.feed()
        let question = Task { try await self.ask(feed, feed.position, wait: 5_000) }
        try await eventually { feed.isAsked }
        feed.close()
        let error = await #expect(throws: GroupCacheError.self) { _ = try await question.value }
        #expect(error?.code == .shutDown)
    }
}

extension ChangeFeed {
    /// Whether somebody waits for a change.
    fileprivate var isAsked: Bool { self.waitingCount > 0 }
}
