// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Flights: one load for all who want it", .timeLimit(.minutes(5)))
struct FlightTests {
    private func group(
        _ configuration: GroupConfiguration = GroupConfiguration(freshness: Freshness(backOff: .none)),
        load: @escaping @Sendable (Key, LoadContext<String>) async throws -> Loaded<String>
    ) throws -> Group<String> {
        try Group("flights", capacity: .mebibytes(1), configuration: configuration, load: load)
    }

    /// Waits until `count` callers of the group have missed and so are in a flight, or about to be.
    private func waitForLoads(_ group: Group<String>, _ count: Int) async {
        while group.statistics.loads < count { await Task.yield() }
    }

    @Test("1,000 concurrent callers of a key cost one load")
    func duplicatesAreSuppressed() async throws {
        let gate = Gate()
        let calls = Counter()
        let group = try self.group { key, _ in
            calls.increment()
            try await gate.pass()
            return .value("value of " + key.string)
        }
        try await withThrowingTaskGroup(of: String.self) { tasks in
            for _ in 0..<1000 { tasks.addTask { try await group.get("k") } }
            await self.waitForLoads(group, 1000)
            gate.open()
            for try await value in tasks { #expect(value == "value of k") }
        }
        #expect(calls.value == 1)
        #expect(group.statistics.localLoads == 1)
        #expect(group.statistics.loadsDeduped == 1)
        #expect(group.flights.count == 0)
    }

    @Test("a throw reaches everybody who waits, and the next call tries again")
    func throwsReachEveryone() async throws {
        let gate = Gate()
        let calls = Counter()
        let group = try self.group { _, _ in
            let call = calls.increment()
            try await gate.pass()
            if call == 1 { throw GetterFailure(number: 7) }
            return .value("second")
        }
        await withTaskGroup(of: GroupCacheError?.self) { tasks in
            for _ in 0..<100 {
                tasks.addTask {
                    do throws(GroupCacheError) {
                        _ = try await group.get("k")
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            while group.flights.waiters < 100 { await Task.yield() }
            gate.open()
            for await error in tasks {
                #expect(error?.code == .getterFailed)
                #expect(error?.cause as? GetterFailure == GetterFailure(number: 7))
            }
        }
        #expect(try await group.get("k") == "second")
        #expect(calls.value == 2)
        #expect(group.statistics.localLoadErrors == 1)
    }

    @Test("the first caller is cancelled: the load goes on for the second")
    func firstCallerCancelled() async throws {
        let gate = Gate()
        let calls = Counter()
        let group = try self.group { _, _ in
            calls.increment()
            try await gate.pass()
            return .value("v")
        }
        let first = Task { try await group.get("k") }
        await gate.waitForArrivals()
        let second = Task { try await group.get("k") }
        await self.waitForLoads(group, 2)
        // The second caller has missed; it joins in a moment. Only then the first may leave without ending the load.
        while group.flights.waiters < 2 { await Task.yield() }
        first.cancel()
        let error = await #expect(throws: GroupCacheError.self) { try await first.value }
        #expect(error?.code == .cancelled)
        gate.open()
        #expect(try await second.value == "v")
        #expect(calls.value == 1)
    }

    @Test("all callers are cancelled: the load is, nothing is stored, and the next call starts afresh")
    func allCallersCancelled() async throws {
        let gate = Gate()
        let cancelled = Flag()
        let calls = Counter()
        let group = try self.group { _, _ in
            if calls.increment() > 1 { return .value("fresh") }
            do {
                try await gate.pass()
            } catch {
                cancelled.raise()
                throw error
            }
            return .value("old")
        }
        let callers = (0..<10).map { _ in Task { try await group.get("k") } }
        await self.waitForLoads(group, 10)
        while group.flights.waiters < 10 { await Task.yield() }
        for caller in callers { caller.cancel() }
        for caller in callers {
            let error = await #expect(throws: GroupCacheError.self) { try await caller.value }
            #expect(error?.code == .cancelled)
        }
        while !cancelled.isRaised { await Task.yield() }
        #expect(group.cached("k") == nil)
        #expect(try await group.get("k") == "fresh")
    }

    @Test("a caller that is cancelled before it asks gets its cancellation, and leaves no load behind")
    func cancelledBeforehand() async throws {
        let gate = Gate()
        let group = try self.group { _, _ in
            try await gate.pass()
            return .value("v")
        }
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await group.get("k")
        }
        let error = await #expect(throws: GroupCacheError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        while group.flights.count > 0 { await Task.yield() }
    }

    @Test("a getter's own CancellationError is a failed load, not the caller's cancellation")
    func getterThrowsCancellation() async throws {
        let group = try self.group { _, _ in throw CancellationError() }
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect(error?.code == .getterFailed)
    }

    @Test("inside the flight the cache is looked at again")
    func recheck() async throws {
        let calls = Counter()
        let group = try self.group { _, _ in
            calls.increment()
            return .value("v")
        }
        // A caller that has missed, but comes to the flights only after another has loaded, stored and landed: its flight finds the value.
        let hashed = group.hashed("k")
        let missed = group.find("k" as Key).found
        #expect(missed.state == .miss)
        _ = try await group.get("k")
        let answer = try await group.answer(hashed, missed, GetOptions())
        #expect(answer.value as? String == "v")
        #expect(calls.value == 1)
    }

    @Test("a set during a load wins: the callers get the loaded value, the cache keeps the set one")
    func setDuringLoad() async throws {
        let gate = Gate()
        let group = try self.group { _, _ in
            try await gate.pass()
            return .value("loaded")
        }
        let caller = Task { try await group.get("k") }
        await gate.waitForArrivals()
        try await group.set("k", to: "set")
        gate.open()
        #expect(try await caller.value == "loaded")
        #expect(try await group.get("k") == "set")
        #expect(group.statistics.supersededLoads == 1)
    }

    @Test("a remove or clear during a load wins: nothing is kept", arguments: [false, true])
    func removeDuringLoad(clear: Bool) async throws {
        let gate = Gate()
        let calls = Counter()
        let group = try self.group { _, _ in
            if calls.increment() > 1 { return .value("new") }
            try await gate.pass()
            return .value("old")
        }
        let caller = Task { try await group.get("k") }
        await gate.waitForArrivals()
        if clear { group.clearLocal() } else { try await group.remove("k") }
        // A caller after the remove must not be handed the load from before it.
        #expect(try await group.get("k") == "new")
        gate.open()
        #expect(try await caller.value == "old")
        #expect(try await group.get("k") == "new")
    }

    @Test("a value's deinit may use the group, however the value leaves it")
    func deinitUsesTheGroup() async throws {
        let box = NIOLockedValueBox<Group<Reentrant>?>(nil)
        let ends = Counter()
        let group = try Group<Reentrant>("g", capacity: .kibibytes(8), codec: ReentrantCodec()) { _, _ in
            Reentrant {
                ends.increment()
                // Takes the lock of every flight shard and of every store shard.
                box.withLockedValue { $0 }?.clearLocal()
            }
        }
        box.withLockedValue { $0 = group }
        for number in 0..<200 { _ = try await group.get("evicted-\(number)") }
        _ = try await group.get("k")
        try await group.set("k", to: Reentrant {})
        try await group.remove("k")
        group.clearLocal()
        #expect(ends.value > 0)
    }

    @Test("a getter may ask its own group for another key")
    func getterAsksAnotherKey() async throws {
        let box = GroupBox()
        let group = try self.group { key, _ in
            if key == "whole" {
                let half = try await box.group.get("half")
                return .value(half + half)
            }
            return .value("x")
        }
        box.set(group)
        #expect(try await group.get("whole") == "xx")
    }

    @Test("a getter that asks for its own key gets an error, not a deadlock")
    func getterAsksItself() async throws {
        let box = GroupBox()
        let group = try self.group { key, _ in .value(try await box.group.get(key)) }
        box.set(group)
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect(error?.code == .recursiveLoad)
    }

    @Test("two loads that wait for each other end with an error, whichever way they meet")
    func circleOfTwo() async throws {
        let box = GroupBox()
        let gate = Gate()
        let group = try self.group { key, _ in
            // Both are in their getters before either asks for the other.
            try await gate.pass()
            return .value(try await box.group.get(key == "a" ? "b" : "a"))
        }
        box.set(group)
        let a = Task { try await group.get("a") }
        let b = Task { try await group.get("b") }
        await gate.waitForArrivals(2)
        gate.open()
        let errors = [
            await #expect(throws: GroupCacheError.self) { try await a.value },
            await #expect(throws: GroupCacheError.self) { try await b.value },
        ]
        #expect(errors.contains { $0?.code == .recursiveLoad })
        #expect(group.flights.count == 0)
    }

    @Test("a load that does not end in time is given up, though the getter does not heed its cancellation")
    func deadline() async throws {
        let clock = ManualClock()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        configuration.loadTimeout = .seconds(5)
        let gate = Gate()
        let group = try self.group(configuration) { _, _ in
            await withTaskCancellationShield { try? await gate.pass() }
            return .value("late")
        }
        let caller = Task { try await group.get("k") }
        await gate.waitForArrivals()
        clock.advance(by: .seconds(6))
        let error = await #expect(throws: GroupCacheError.self) { try await caller.value }
        #expect(error?.code == .deadlineExceeded)
        gate.open()
        #expect(group.cached("k") == nil)
    }

    @Test("a caller with less time goes alone")
    func callerTimeout() async throws {
        let clock = ManualClock()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        let gate = Gate()
        let group = try self.group(configuration) { _, _ in
            try await gate.pass()
            return .value("v")
        }
        let patient = Task { try await group.get("k") }
        await gate.waitForArrivals()
        let hasty = Task { try await group.serve("k", for: .client, timeout: .seconds(1)) }
        // The load's time and the caller's have begun.
        while group.flights.waiters < 2 || group.flights.deadlines.count < 2, !Task.isCancelled { await Task.yield() }
        clock.advance(by: .seconds(2))
        let error = await #expect(throws: GroupCacheError.self) { _ = try await hasty.value }
        #expect(error?.code == .deadlineExceeded)
        gate.open()
        #expect(try await patient.value == "v")
    }
}

/// A value that runs code when it goes.
private final class Reentrant: Sendable {
    let end: @Sendable () -> Void
    init(end: @escaping @Sendable () -> Void) { self.end = end }
    deinit { self.end() }
}

private struct ReentrantCodec: Codec {
    func encode(_ value: Reentrant) -> ByteView { "x" }
    func decode(_ bytes: ByteView) -> Reentrant { Reentrant {} }
}

/// Lets a getter reach the group that it belongs to.
private final class GroupBox: Sendable {
    private let box = NIOLockedValueBox<Group<String>?>(nil)
    var group: Group<String> { self.box.withLockedValue { $0! } }
    func set(_ group: Group<String>) { self.box.withLockedValue { $0 = group } }
}

/// Runs `body` in a task that nobody cancels.
private func withTaskCancellationShield(_ body: @escaping @Sendable () async -> Void) async {
    await Task.detached { await body() }.value
}
