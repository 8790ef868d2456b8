// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// How many connections may be at work on something that takes time: a body that comes, a load that is awaited. The rest are kept for what is
/// answered at once, so that a node whose origin hangs still answers hits, and says that it lives.
final class WorkPlaces: Sendable {
    private let limit: Atomic<Int>
    private let taken = Atomic(0)

    init(connections: Int) {
        self.limit = Atomic(Self.places(of: connections))
    }

    /// So many, for something of its own.
    init(limit: Int) { self.limit = Atomic(limit) }

    /// No more than this after all.
    func setLimit(atMost limit: Int) { self.limit.store(min(limit, self.limit.load(ordering: .relaxed)), ordering: .relaxed) }

    /// So many connections there may be after all.
    func setConnections(_ connections: Int) {
        self.limit.store(Self.places(of: connections), ordering: .relaxed)
    }

    /// Of so many connections: all but an eighth, and all but 512.
    static func places(of connections: Int) -> Int { connections - min(512, connections / 8) }

    /// How many are taken.
    var count: Int { self.taken.load(ordering: .relaxed) }

    /// A place, which comes back by itself; `nil`: there is none.
    func take() -> WorkPlace? {
        guard self.taken.wrappingAdd(1, ordering: .relaxed).newValue <= self.limit.load(ordering: .relaxed) else {
            self.giveBack()
            return nil
        }
        return WorkPlace(self)
    }

    fileprivate func giveBack() { self.taken.wrappingSubtract(1, ordering: .relaxed) }
}

/// One of ``WorkPlaces``, for as long as it exists.
final class WorkPlace: Sendable {
    private let places: WorkPlaces

    fileprivate init(_ places: WorkPlaces) { self.places = places }

    deinit { self.places.giveBack() }
}
