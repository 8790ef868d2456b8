// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// An entry that has left a node: see ``Group/takeRemovals()``.
public struct Removal: Sendable, Hashable {
    /// Why an entry left.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        private enum Base: String { case evicted, expired, replaced, removed, tagRemoved, cleared }

        private let base: Base

        /// Others needed its room.
        public static let evicted = Self(base: .evicted)
        /// Its time was over, with all its grace.
        public static let expired = Self(base: .expired)
        /// A newer value of the key took its place.
        public static let replaced = Self(base: .replaced)
        /// Somebody removed it, its owner says that there is no such key any more, or its newer value was too large to be kept.
        public static let removed = Self(base: .removed)
        /// Somebody removed one of its tags before. It leaves when it is found after that, or its place is looked at.
        public static let tagRemoved = Self(base: .tagRemoved)
        /// Everything was removed.
        public static let cleared = Self(base: .cleared)

        /// The name of the reason.
        public var description: String { self.base.rawValue }
    }

    /// The key.
    public var key: Key
    /// Why.
    public var reason: Reason
    /// Whether it was a copy of another node's entry.
    public var isNear: Bool
}

/// Some entries that have left, in the order in which they did; of different parts of the store, roughly.
public struct Removals: Sendable, Hashable {
    /// The entries.
    public var removals: [Removal] = []
    /// How many more have left, which there was no room to remember.
    public var missed = 0
}

/// What has left a store and nobody has asked for yet: bounded, and written under a shard's lock, so it does nothing but copy a key.
@usableFromInline
final class RemovalLog: Sendable {
    private let limit: Int
    private let removals = NIOLockedValueBox(Removals())

    init(limit: Int) { self.limit = limit }

    func note(_ header: UnsafeMutablePointer<EntryHeader>, _ reason: Removal.Reason) {
        self.removals.withLockedValue { noted in
            if noted.removals.count < self.limit {
                let key = header.pointee.withKey { Key(bytes: $0) }
                noted.removals.append(Removal(key: key, reason: reason, isNear: header.pointee.isNear))
            } else {
                noted.missed += 1
            }
        }
    }

    func take() -> Removals {
        self.removals.withLockedValue { noted in
            defer { noted = Removals() }
            return noted
        }
    }
}

extension Group {
    /// What has left this node since the last call, if ``GroupConfiguration/observedRemovals`` says that it is to be noted. O(1).
    public func takeRemovals() -> Removals { self.store.removals?.take() ?? Removals() }

    /// The same without end, whenever there is something: for one reader.
    ///
    /// ```swift
    /// for await some in group.removals() {
    ///     for removal in some.removals where removal.reason == .evicted { audit(removal.key) }
    /// }
    /// ```
    ///
    /// - Parameter pause: how long to wait between two looks. The sequence ends when its task is cancelled, or its group has gone.
    public func removals(every pause: Duration = .milliseconds(100)) -> RemovalSequence {
        RemovalSequence(log: self.store.removals, clock: self.configuration.clock, pause: max(1, pause.milliseconds))
    }
}

/// See ``Group/removals(every:)``.
public struct RemovalSequence: AsyncSequence, Sendable {
    fileprivate weak let log: RemovalLog?
    fileprivate let clock: CacheClock
    fileprivate let pause: Int64

    /// What has left, some at a time; never nothing.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let sequence: RemovalSequence

        /// The next ones.
        public mutating func next() async -> Removals? {
            while let log = self.sequence.log {
                let some = log.take()
                if !some.removals.isEmpty || some.missed > 0 { return some }
                let moment = self.sequence.clock.milliseconds + self.sequence.pause
                guard (try? await self.sequence.clock.sleep(until: moment)) != nil else { return nil }
            }
            return nil
        }
    }

    /// An iterator.
    public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }
}
