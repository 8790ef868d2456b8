// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Which entries of a log are about which topic, so that a watcher of one need not look at those of the others: a value without locks.
///
/// A watcher of a quiet topic is at the end of the log in O(1), however much was appended about others, and is overtaken only by entries that it
/// asked for. Memory: 8 bytes an entry; topics of which nothing is held are remembered for a while, ``forgottenLimit`` of them.
@usableFromInline
struct TopicIndex: Sendable {
    private struct Topic: Sendable {
        var name: String
        /// The entries that are held, in order.
        var sequences: Deque<UInt64> = []
        /// The last entry that is not held any more.
        var dropped: UInt64 = 0
    }

    /// How many topics are remembered of which no entry is held.
    static let forgottenLimit = 1024
    /// The number of what concerns everybody.
    private static let universal = 0

    /// The first is what concerns everybody. Places of forgotten topics are used again.
    private var topics = [Topic(name: "")]
    private var numbers: [String: Int] = [:]
    /// That of the last entry: often the next one is about the same.
    private var latest = Self.universal
    private var free: [Int] = []
    /// Topics in the order in which the last of their entries was dropped, as it was then.
    private var emptied: Deque<(number: Int, dropped: UInt64)> = []
    /// The last entry of any topic that was forgotten: who asks for one that is not known may have missed that.
    private var forgotten: UInt64 = 0

    @usableFromInline init() {}

    /// An entry was appended; the number of its topic, to be given back when it is dropped. O(1).
    @usableFromInline
    mutating func append(_ topic: String?, _ sequence: UInt64) -> Int {
        let number = topic.map { self.number($0) } ?? Self.universal
        self.latest = number
        self.topics[number].sequences.append(sequence)
        return number
    }

    /// The oldest entry was dropped. O(1).
    @usableFromInline
    mutating func drop(_ number: Int, _ sequence: UInt64) {
        self.topics[number].sequences.removeFirst()
        self.topics[number].dropped = sequence
        guard number != Self.universal, self.topics[number].sequences.isEmpty else { return }
        self.emptied.append((number, sequence))
        if self.emptied.count > Self.forgottenLimit { self.forget() }
    }

    /// Whether nothing that concerns a watcher of `topic` came after a place and is held no more.
    func isComplete(_ topic: String, after sequence: UInt64) -> Bool {
        let dropped = self.numbers[topic].map { self.topics[$0].dropped } ?? self.forgotten
        return max(dropped, self.topics[Self.universal].dropped) <= sequence
    }

    /// Whether nothing that concerns a watcher of `topic` is held that came after a place. O(1).
    func isQuiet(_ topic: String, after sequence: UInt64) -> Bool {
        let last = self.numbers[topic].flatMap { self.topics[$0].sequences.last } ?? 0
        return max(last, self.topics[Self.universal].sequences.last ?? 0) <= sequence
    }

    /// The entries that concern a watcher of `topic` after a place, in order, `limit` of them. O(limit + log entries).
    func sequences(_ topic: String, after sequence: UInt64, limit: Int) -> [UInt64] {
        let own = self.numbers[topic].map { self.topics[$0].sequences } ?? []
        let others = self.topics[Self.universal].sequences
        var (first, second) = (Self.place(own, after: sequence), Self.place(others, after: sequence))
        var found: [UInt64] = []
        while found.count < limit {
            switch (first < own.count ? own[first] : nil, second < others.count ? others[second] : nil) {
            case (let one?, let other) where other.map { one < $0 } ?? true:
                found.append(one)
                first += 1
            case (_, let other?):
                found.append(other)
                second += 1
            default: return found
            }
        }
        return found
    }

    private static func place(_ sequences: Deque<UInt64>, after sequence: UInt64) -> Int {
        var (low, high) = (0, sequences.count)
        while low < high {
            let middle = (low + high) / 2
            if sequences[middle] <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func number(_ topic: String) -> Int {
        if self.latest != Self.universal, self.topics[self.latest].name == topic { return self.latest }
        if let number = self.numbers[topic] { return number }
        // Whoever asked for it before was told by what was forgotten whether it may have missed something; so it stays.
        let new = Topic(name: topic, dropped: self.forgotten)
        let number = self.free.popLast() ?? self.topics.count
        if number == self.topics.count { self.topics.append(new) } else { self.topics[number] = new }
        self.numbers[topic] = number
        return number
    }

    private mutating func forget() {
        guard let (number, dropped) = self.emptied.popFirst() else { return }
        // It may have come back since, and gone again.
        guard self.topics[number].sequences.isEmpty, self.topics[number].dropped == dropped else { return }
        self.forgotten = max(self.forgotten, dropped)
        self.numbers[self.topics[number].name] = nil
        self.topics[number] = Topic(name: "")
        if self.latest == number { self.latest = Self.universal }
        self.free.append(number)
    }
}
