// SPDX-License-Identifier: Apache-2.0

import Informers
import Testing

@testable import GroupCacheAdmin

/// `#expect` for what changes a value as it is asked: the macro would ask a copy.
private func check(_ condition: Bool, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(condition, comment, sourceLocation: sourceLocation)
}

/// What becomes of operations, told the time.
@Suite struct OperationTableTests {
    static func limits(running: Int = 2, waiting: Int = 3) -> OperationTable.Limits {
        var limits = OperationTable.Limits()
        (limits.running, limits.waiting) = (running, waiting)
        return limits
    }

    @discardableResult
    static func add(_ table: inout OperationTable, _ kind: String = "warm", group: String? = nil, at seconds: Int = 0) throws -> UInt64 {
        try table.add(kind: kind, group: group, now: .seconds(seconds), moment: 7).id
    }

    static func status(_ body: () throws -> Void) -> Status? {
        do {
            try body()
            return nil
        } catch {
            return error as? Status
        }
    }

    @Test func `Ids count up from 1, and the list is in the order of numbers`() throws {
        var table = OperationTable(Self.limits(waiting: 100))
        for _ in 1...12 { try Self.add(&table) }
        check(table.all.map(\.id) == Array(1...12))
        check(table[1]?.phase == .waiting && table[1]?.moment == 7 && table[13] == nil)
    }

    @Test func `As many run as may, others wait, and more are refused with a time to come back`() throws {
        var table = OperationTable(Self.limits())
        for group in ["a", "b", "c", "d", "e"] {
            try Self.add(&table, group: group)
            if table.all.count <= 2 { check(table.start(now: .zero)?.group == group) }
        }
        check(table.start(now: .zero) == nil)
        let status = Self.status { try Self.add(&table) }
        check(status?.code == 429 && status?.details?.retryAfterSeconds == 5)
        // Half of it took 20 s.
        _ = table.progress(1, done: 50, total: 100, now: .seconds(20))
        check(Self.status { try Self.add(&table, at: 20) }?.details?.retryAfterSeconds == 20)
        _ = table.finish(1, .success([:]), now: .seconds(21))
        check(table.start(now: .seconds(21))?.group == "c")
        try Self.add(&table, group: "f", at: 21)
        check(table.all.count == 6)
    }

    @Test func `The same thing is not done to the same group twice at once`() throws {
        var table = OperationTable(Self.limits(waiting: 10))
        let first = try Self.add(&table, "snapshot", group: "a")
        let second = try Self.add(&table, "snapshot", group: "a")
        let third = try Self.add(&table, "snapshot", group: "b")
        check(table.start(now: .zero)?.id == first)
        check(table.start(now: .zero)?.id == third)
        _ = table.finish(first, .success([:]), now: .zero)
        check(table.start(now: .zero)?.id == second)
    }

    @Test func `Progress is in percent with an estimate, never goes back, and is told now and then`() throws {
        var table = OperationTable(Self.limits())
        let id = try Self.add(&table)
        check(table.progress(id, done: 1, total: 2, now: .zero) == nil, "it does not run yet")
        _ = table.start(now: .seconds(10))
        check(table[id]?.percent == nil && table[id]?.timeLeft(now: .seconds(11)) == nil)
        check(table.progress(id, done: 25, total: 100, now: .seconds(20))?.percent == 25)
        check(table[id]?.timeLeft(now: .seconds(20)) == .seconds(30))
        check(table.progress(id, done: 26, total: 100, now: .seconds(20) + .milliseconds(100)) == nil)
        check(table[id]?.percent == 26)
        check(table.progress(id, done: 10, total: 50, now: .seconds(21))?.done == 26)
        check(table.progress(id, done: 1_000, total: 0, now: .seconds(22))?.percent == 99)
        let end = table.finish(id, .success(["loaded": 3]), now: .seconds(23))?.0
        let ended = try #require(end)
        check(ended.percent == 100 && ended.phase == .succeeded && table[id]?.result == ["loaded": 3])
        check(table.progress(id, done: 1, total: 2, now: .seconds(24)) == nil)
        // A clock that stands still, or goes back, makes no estimate of nothing.
        check(table[id]?.timeLeft(now: .zero) == nil && table[id]?.age(now: .seconds(-5)) == .zero)
    }

    @Test func `What waits ends at once when it is cancelled, what runs is told to, what has ended conflicts`() throws {
        var table = OperationTable(Self.limits(running: 1))
        let first = try Self.add(&table, group: "a")
        let second = try Self.add(&table, group: "b")
        _ = table.start(now: .zero)
        try check(table.cancel(second, now: .zero).0.phase == .cancelled)
        try check(table.cancel(first, now: .zero).0.phase == .cancelling)
        try check(table.cancel(first, now: .zero).0.phase == .cancelling)
        check(Self.status { _ = try table.cancel(second, now: .zero) }?.code == 409)
        check(Self.status { _ = try table.cancel(99, now: .zero) }?.code == 404)
        // It fails because it was told to stop: that is no failure. If it succeeds all the same, it has succeeded.
        check(table.finish(first, .failure(Status(.internalError)), now: .zero)?.0.phase == .cancelled)
        check(table.finish(first, .success([:]), now: .zero) == nil)
        let third = try Self.add(&table)
        _ = table.start(now: .zero)
        _ = try table.cancel(third, now: .zero)
        check(table.finish(third, .success([:]), now: .zero)?.0.phase == .succeeded)
    }

    @Test func `Those that ended are forgotten after ten minutes, and those that have not never`() throws {
        var table = OperationTable(Self.limits())
        let first = try Self.add(&table, group: "a")
        let second = try Self.add(&table, group: "b")
        _ = (table.start(now: .zero), table.start(now: .zero))
        check(table.nextExpiry == nil)
        _ = table.finish(second, .failure(Status(.notFound, message: "none")), now: .seconds(100))
        check(table[second]?.failure == .init(code: 404, reason: "NotFound", message: "none"))
        check(table.nextExpiry == .seconds(700))
        check(table.expire(now: .seconds(699)).isEmpty)
        check(table.expire(now: .seconds(700)).map(\.id) == [second])
        check(table.expire(now: .seconds(1_000_000)).isEmpty && table[first]?.phase == .running && table[second] == nil)
    }

    @Test func `Of very many that ended the oldest are forgotten first`() throws {
        var limits = Self.limits()
        limits.finished = 3
        var table = OperationTable(limits)
        var gone: [UInt64] = []
        for second in 0..<10 {
            let id = try Self.add(&table, at: second)
            _ = table.start(now: .seconds(second))
            gone += table.finish(id, .success([:]), now: .seconds(second))?.gone.map(\.id) ?? []
        }
        check(gone == Array(1...7) && table.all.map(\.id) == [8, 9, 10])
    }
}
