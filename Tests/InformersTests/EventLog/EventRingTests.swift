// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

@Suite("EventRing: the last entries within limits")
struct EventRingTests {
    private func ring(entries: Int = 1000, bytes: Int = .max, age: Duration = .seconds(75)) -> EventRing<Int> {
        EventRing(maximumEntries: entries, maximumBytes: bytes, minimumAge: age)
    }

    @Test("numbers rise by one and are never used again")
    func numbers() {
        var ring = self.ring(entries: 3)
        let numbers = (0..<10).map { ring.append($0, bytes: 1, now: .zero) }
        #expect(numbers == Array(1...10))
        #expect(ring.oldest == 8)
        #expect(ring.last == 10)
        #expect(ring.batch(after: 7, entries: 10, bytes: 100).map(\.event) == [7, 8, 9])
        #expect(ring.batch(after: 10, entries: 10, bytes: 100).isEmpty)
    }

    @Test("TestEvents: since the entry before the oldest is served, the one before that is too old, the future is refused")
    func resume() {
        var ring = self.ring(entries: 5)
        #expect(ring.continues(after: 0))
        #expect(!ring.continues(after: 1))
        for number in 1...9 { _ = ring.append(number, bytes: 1, now: .zero) }
        // Five to nine are there.
        #expect(ring.continues(after: 4))
        #expect(ring.batch(after: 4, entries: 10, bytes: 100).map(\.sequence) == [5, 6, 7, 8, 9])
        #expect(!ring.continues(after: 3))
        #expect(ring.continues(after: 9))
        #expect(!ring.continues(after: 10))
    }

    @Test("DynamicCache: grows while the oldest is young, never over its limit; shrinks when the newest quarter is old enough")
    func dynamic() {
        var ring = self.ring(entries: 512, age: .seconds(10))
        for number in 0..<2000 { _ = ring.append(number, bytes: 1, now: .milliseconds(number)) }
        #expect(ring.capacity == 512)
        #expect(ring.count == 512)
        #expect(ring.batch(after: ring.oldest - 1, entries: 1000, bytes: .max).map(\.event) == Array(1488..<2000))
        // One a second: a quarter of 512 spans 128 seconds.
        for number in 2000..<4000 { _ = ring.append(number, bytes: 1, now: .seconds(number)) }
        #expect(ring.capacity == 128)
        #expect(ring.count <= 128)
        #expect(ring.batch(after: ring.oldest - 1, entries: 1000, bytes: .max).map(\.event) == Array((4000 - ring.count)..<4000))
    }

    @Test("without haste it stays small: the oldest is dropped as soon as it is old enough")
    func staysSmall() {
        var ring = self.ring(entries: 1000, age: .seconds(10))
        for number in 0..<1000 { _ = ring.append(number, bytes: 1, now: .seconds(number)) }
        #expect(ring.capacity == 128)
    }

    @Test("bytes are a limit of their own, also for a single entry")
    func bytes() {
        var ring = self.ring(bytes: 100)
        for number in 0..<20 { _ = ring.append(number, bytes: 30, now: .zero) }
        #expect(ring.count == 3)
        #expect(ring.bytes == 90)
        let large = ring.append(99, bytes: 101, now: .zero)
        #expect(large == 21)
        #expect(ring.count == 0)
        #expect(ring.bytes == 0)
        #expect(!ring.continues(after: 20))
        #expect(ring.continues(after: 21))
        let next = ring.append(1, bytes: 1, now: .zero)
        #expect(next == 22)
    }

    @Test("a batch ends at its number of entries and of bytes, and has one at least")
    func batches() {
        var ring = self.ring()
        for number in 0..<10 { _ = ring.append(number, bytes: 10, now: .zero) }
        #expect(ring.batch(after: 0, entries: 4, bytes: 1000).map(\.sequence) == [1, 2, 3, 4])
        #expect(ring.batch(after: 4, entries: 100, bytes: 25).map(\.sequence) == [5, 6])
        #expect(ring.batch(after: 6, entries: 100, bytes: 1).map(\.sequence) == [7])
        #expect(ring.batch(after: 6, entries: 0, bytes: 100).map(\.sequence) == [7])
    }

    @Test("the index of topics against a plain search, with more topics than are remembered", arguments: 1...20)
    func topics(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var ring = self.ring(entries: 50, age: .zero)
        var topics: [String?] = []
        for number in 0..<3000 {
            // Some are busy, one has no name, most come once; often the next entry is about the same.
            let last = topics.last ?? nil
            let topic: String? = [nil, "a", "", "b", "t\(random.below(2000))", "t\(number)", last][random.below(7)]
            topics.append(topic)
            _ = ring.append(number, topic: topic, bytes: 1, now: .zero)
            guard number % 7 == 0 else { continue }
            let wanted = ["a", "", "b", "t\(random.below(2000))", "x"][random.below(5)]
            let place = max(0, topics.count - random.below(2000))
            func concerns(_ sequence: Int) -> Bool { topics[sequence - 1] == nil || topics[sequence - 1] == wanted }
            let oldest = Int(ring.oldest)
            let missed = place + 1 < oldest && (place + 1..<oldest).contains(where: concerns)
            let expected = missed || place == topics.count ? [] : (max(oldest, place + 1)...topics.count).filter(concerns)
            if missed { #expect(!ring.continues(after: UInt64(place), topic: wanted)) }
            // A topic that was forgotten may be refused without need, and only such a one.
            guard ring.continues(after: UInt64(place), topic: wanted) else {
                #expect(missed || place + 1 < oldest && !["a", "", "b"].contains(wanted))
                continue
            }
            let batch = ring.batch(after: UInt64(place), topic: wanted, entries: 10, bytes: .max)
            #expect(batch.map(\.sequence) == expected.prefix(10).map(UInt64.init))
            #expect(ring.isQuiet(after: UInt64(place), topic: wanted) == expected.isEmpty)
        }
    }

    @Test("a resource version is written in one way only")
    func resourceVersion() {
        let version = ResourceVersion(epoch: 0x9f3c, sequence: 42)
        #expect(version.description == "9f3c.42")
        #expect(ResourceVersion("9f3c.42") == version)
        #expect(ResourceVersion("0.0") == ResourceVersion(epoch: 0, sequence: 0))
        for text in [
            "", ".", "9f3c", "9f3c.", ".42", "9F3C.42", "9f3c.042", "09f3c.42", "9f3c.42.1", "9f3c.-1", "9f3c.+1", "9f3c.x", " 1.1",
        ] {
            #expect(ResourceVersion(text) == nil, "\(text)")
        }
        #expect(ResourceVersion("ffffffffffffffff.18446744073709551615") != nil)
        #expect(ResourceVersion("10000000000000000.1") == nil)
    }
}
