// SPDX-License-Identifier: Apache-2.0

public import Informers

/// Keeps the answer of a source for a while, so that many who ask cost it one question.
///
/// It is the caching minion registry of early Kubernetes without its two faults: a source that fails does not leave an empty list that counts
/// as fresh, but the last good one, which counts as old; and what is handed out is a copy that nobody else changes.
public actor CachingRegistry<Base: MemberSource>: MemberSource {
    private let base: Base
    private let ttl: Duration
    private let clock: InformerClock
    private var list: [Member]
    private var updated: Duration
    /// The question that runs, and how many began before it.
    private var running: (number: Int, Task<Result<[Member], DiscoveryError>, Never>)?
    private var number = 0

    /// Asks `base` at once.
    ///
    /// - Parameters:
    ///   - base: what is asked when the list is old.
    ///   - ttl: how long a list counts as fresh; it is old when more than this has passed.
    ///   - clock: what tells the time.
    /// - Throws: what the source throws.
    public init(_ base: Base, ttl: Duration, clock: InformerClock = .continuous) async throws(DiscoveryError) {
        self.base = base
        self.ttl = ttl
        self.clock = clock
        self.list = try await base.members()
        self.updated = clock.now
    }

    /// The last good list, however old. Asks nobody.
    public var lastGood: [Member] { self.list }

    /// How long ago the source said so.
    public var age: Duration { self.clock.now - self.updated }

    /// The list, from the source if it is old. Many who ask at once are one question.
    ///
    /// - Throws: what the source throws; ``lastGood`` and ``age`` are then as before, and the next call asks again.
    public func members() async throws(DiscoveryError) -> [Member] {
        guard self.age > self.ttl else { return self.list }
        return try await self.question(isFresh: false)
    }

    /// Whether there is a member with this id, by the same rules.
    public func contains(id: String) async throws(DiscoveryError) -> Bool {
        try await self.members().contains { $0.id == id }
    }

    /// Asks the source, however fresh the list is.
    public func refresh() async throws(DiscoveryError) -> [Member] { try await self.question(isFresh: true) }

    /// - Parameter isFresh: whether the question has to begin only now: one that runs may not know of what has just been changed.
    private func question(isFresh: Bool) async throws(DiscoveryError) -> [Member] {
        if let running = self.running {
            if !isFresh { return try await running.1.value.get() }
            let before = running.number
            _ = await running.1.value
            // Somebody else may have begun one meanwhile, after we came: it knows all that we do.
            if let next = self.running, next.number > before { return try await next.1.value.get() }
        }
        self.number += 1
        let number = self.number
        // Runs on its own: whoever asked first may be cancelled, and others wait for the answer.
        let task = Task { () -> Result<[Member], DiscoveryError> in
            let result: Result<[Member], DiscoveryError>
            do throws(DiscoveryError) {
                result = .success(try await self.base.members())
            } catch {
                result = .failure(error)
            }
            self.finish(result)
            return result
        }
        self.running = (number, task)
        return try await task.value.get()
    }

    private func finish(_ result: Result<[Member], DiscoveryError>) {
        self.running = nil
        guard case .success(let list) = result else { return }
        self.list = list
        self.updated = self.clock.now
    }
}

extension CachingRegistry: MemberRegistry where Base: MemberRegistry {
    /// Tells the source, then asks it again.
    ///
    /// - Throws: what the source throws; also when only the question failed, the member is there.
    public func insert(_ member: Member) async throws(DiscoveryError) {
        try await self.base.insert(member)
        _ = try await self.refresh()
    }

    /// Tells the source, then asks it again.
    ///
    /// - Throws: what the source throws; also when only the question failed, the member is gone.
    public func delete(id: String) async throws(DiscoveryError) {
        try await self.base.delete(id: id)
        _ = try await self.refresh()
    }
}
