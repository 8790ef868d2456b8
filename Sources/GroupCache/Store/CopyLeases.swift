// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Synchronization

/// Until when copies of other nodes' entries may be served: one row for each node that this one follows, shared by all groups of a pool.
///
/// A copy knows its row and the number that was drawn when it was asked for. It may be served while the row's node is known to have changed nothing that
/// was not heard here (``Follower/freshUntil``), and if it was asked for since changes were last missed. Both are one number each of the row, so that
/// neither the lapse of a stream nor its loss costs a look at any copy, and each hit of a copy two atomic reads.
///
/// `@unchecked Sendable` is sound because the memory is allocated once, and each word of it is only ever touched atomically.
@usableFromInline
package final class CopyLeases: @unchecked Sendable {
    private struct Row: ~Copyable {
        /// The moment before which copies may be served, in milliseconds of ``clock``.
        let freshUntil = Atomic<Int64>(.min)
        /// Copies of no greater number may be older than something that was missed.
        let floor = Atomic<UInt64>(0)
    }

    /// How many nodes can be followed. Copies of others end with their time.
    package static let maximumCount = 1_022
    /// The row of what this node has of others without hearing of their changes, and that ends with its time: what it has loaded, or was told, in their
    /// place, and what it has copied of those who tell nothing.
    package static let unheard = maximumCount + 1

    /// What the moments are of.
    package let clock: CacheClock
    /// In which life this node is: drawn at random.
    package let life = UInt64.random(in: 1 ... .max)
    private let rows: UnsafeMutablePointer<Row>
    /// Rows that nobody has.
    private let free = NIOLockedValueBox(Array((1...maximumCount).reversed()))
    /// The last number that a set of another node's key was given, of all that this life has asked for.
    private let lastSet = Atomic<UInt64>(0)

    /// No rows are taken.
    package init(clock: CacheClock = .system) {
        self.clock = clock
        self.rows = .allocate(capacity: Self.unheard + 1)
        for row in 0...Self.unheard { (self.rows + row).initialize(to: Row()) }
        self.renew(Self.unheard, until: .max)
    }

    deinit {
        self.rows.deinitialize(count: Self.unheard + 1)
        self.rows.deallocate()
    }

    /// A set of another node's key begins. Its number is one more than that of the set before, whoever is asked: a node that is listed anew is the same one,
    /// and remembers.
    package func nextSet() -> UInt64 { self.lastSet.wrappingAdd(1, ordering: .relaxed).newValue }

    /// A row for one more node; 0: there are no more.
    package func take() -> Int { self.free.withLockedValue { $0.popLast() } ?? 0 }

    /// A row is of no more use, and another node may have it. Nothing that was asked of the first one may come after this.
    package func giveBack(_ row: Int) {
        if row == 0 { return }
        self.lose(row)
        self.free.withLockedValue { $0.insert(row, at: 0) }
    }

    /// Copies of a node may be served until a moment.
    package func renew(_ row: Int, until moment: Int64) { self.rows[row].freshUntil.store(moment, ordering: .releasing) }

    /// Something may have been missed: no copy is served before the row is renewed, and what was asked for before now never.
    package func lose(_ row: Int) {
        self.rows[row].freshUntil.store(.min, ordering: .sequentiallyConsistent)
        self.suspect(row)
    }

    /// What was asked for before now is not to be served again.
    package func suspect(_ row: Int) { self.rows[row].floor.max(NumberSource.shared.next(), ordering: .sequentiallyConsistent) }

    /// A node whose changes were not heard is heard from now on. What was loaded in its place may be from before one of them.
    package func suspectUnheard() { self.suspect(Self.unheard) }

    /// How long copies of a node may be served if nothing more is heard of it, in milliseconds.
    package func left(_ row: Int) -> Int64 {
        let until = self.rows[row].freshUntil.load(ordering: .acquiring)
        return until == .min ? 0 : max(0, until - self.clock.milliseconds)
    }

    /// Whether a copy of that number may be served.
    @usableFromInline
    func allows(_ row: Int, number: UInt64) -> Bool {
        self.clock.milliseconds < self.rows[row].freshUntil.load(ordering: .acquiring)
            && number > self.rows[row].floor.load(ordering: .acquiring)
    }
}
