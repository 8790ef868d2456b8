// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Informers
import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCacheAdmin

/// Operations as they are done.
@Suite(.timeLimit(.minutes(5))) struct OperationsTests {
    /// Waits until it is told to go on, or to stop.
    final class Body: Sendable {
        let begun = NIOLockedValueBox<[String]>([])
        let gate = Gate()
    }

    static func kinds(_ body: Body) -> [String: OperationKind] {
        [
            "wait": OperationKind(
                check: { _ in },
                run: { request, progress in
                    body.begun.withLockedValue { $0.append(request.group ?? "") }
                    progress(1, 4)
                    try await body.gate.pass()
                    return ["done": 4]
                }
            ),
            "fail": OperationKind(check: { _ in }, run: { _, _ in throw Status(.conflict, message: "no") }),
            "none": OperationKind(check: { _ in }, run: { _, _ in [:] }),
            "picky": OperationKind(check: { _ in throw Status(.badRequest, message: "never") }, run: { _, _ in [:] }),
        ]
    }

    static func with<R: Sendable>(
        _ limits: OperationTable.Limits = OperationTable.Limits(),
        clock: InformerClock = .continuous,
        _ body: @Sendable (Operations, Body) async throws -> R
    ) async throws -> R {
        let work = Body()
        let operations = Operations(kinds: Self.kinds(work), limits: limits, clock: clock)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await operations.run() }
            return try await body(operations, work)
        }
    }

    static func code(_ body: () async throws -> Void) async -> Int? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? Status)?.code
        }
    }

    @Test func `It is there at once, runs, and ends with its result`() async throws {
        try await Self.with { operations, body in
            let id = try operations.submit(OperationRequest(kind: "wait", group: "a")).id
            #expect(operations.operation(id) != nil)
            #expect(try await operations.wait(for: id, timeout: .milliseconds(5)).isFinished == false)
            body.gate.open()
            let ended = try await operations.wait(for: id, timeout: .seconds(30))
            #expect(ended.phase == .succeeded && ended.result == ["done": 4] && ended.percent == 100)
            // Waiting takes nothing from others who wait, nor from who comes later.
            #expect(try await operations.wait(for: id, timeout: .seconds(30)) == ended)
        }
    }

    @Test func `What fails says so, and what has nothing to say has succeeded`() async throws {
        try await Self.with { operations, _ in
            let failed = try await operations.wait(for: operations.submit(OperationRequest(kind: "fail")).id, timeout: .seconds(30))
            #expect(failed.phase == .failed && failed.failure == .init(code: 409, reason: "Conflict", message: "no"))
            let done = try await operations.wait(for: operations.submit(OperationRequest(kind: "none")).id, timeout: .seconds(30))
            #expect(done.phase == .succeeded && done.result.isEmpty)
        }
    }

    @Test func `Kinds that there are not, and requests that a kind refuses, are not taken`() async throws {
        try await Self.with { operations, _ in
            #expect(await Self.code { _ = try operations.submit(OperationRequest(kind: "format")) } == 400)
            #expect(await Self.code { _ = try operations.submit(OperationRequest(kind: "picky")) } == 400)
            #expect(operations.all.isEmpty)
            do {
                _ = try operations.submit(OperationRequest(kind: "format"))
            } catch {
                #expect((error as? Status)?.message.contains("fail, none, picky, wait") == true)
            }
            #expect(await Self.code { _ = try await operations.wait(for: 1, timeout: .zero) } == 404)
        }
    }

    @Test func `A flood is refused, and those that were taken are done`() async throws {
        try await Self.with { operations, body in
            var taken: [UInt64] = []
            var refused = 0
            for number in 0..<1_000 {
                do {
                    taken.append(try operations.submit(OperationRequest(kind: "wait", group: "\(number)")).id)
                } catch let status as Status {
                    #expect(status.code == 429 && (status.details?.retryAfterSeconds ?? 0) >= 1)
                    refused += 1
                }
            }
            #expect(taken.count + refused == 1_000 && taken.count <= 36 && taken.count >= 32)
            body.gate.open()
            for id in taken { #expect(try await operations.wait(for: id, timeout: .seconds(30)).phase == .succeeded) }
            #expect(body.begun.withLockedValue { $0.count } == taken.count)
        }
    }

    @Test func `One that runs and one that waits are cancelled`() async throws {
        var limits = OperationTable.Limits()
        limits.running = 1
        try await Self.with(limits) { operations, body in
            let first = try operations.submit(OperationRequest(kind: "wait", group: "a")).id
            while body.begun.withLockedValue({ $0.isEmpty }) { await Task.yield() }
            let second = try operations.submit(OperationRequest(kind: "wait", group: "b")).id
            #expect(try operations.cancel(second).phase == .cancelled)
            _ = try operations.cancel(first)
            #expect(try await operations.wait(for: first, timeout: .seconds(30)).phase == .cancelled)
            #expect(await Self.code { _ = try operations.cancel(first) } == 409)
            #expect(body.begun.withLockedValue { $0 } == ["a"])
            // There is room again.
            body.gate.open()
            let third = try operations.submit(OperationRequest(kind: "wait", group: "c")).id
            #expect(try await operations.wait(for: third, timeout: .seconds(30)).phase == .succeeded)
        }
    }

    @Test func `When the node stops, what runs and what waits is cancelled and nothing is taken any more`() async throws {
        let body = Body()
        var limits = OperationTable.Limits()
        limits.running = 1
        let operations = Operations(kinds: Self.kinds(body), limits: limits)
        let run = Task { try await operations.run() }
        let first = try operations.submit(OperationRequest(kind: "wait", group: "a")).id
        while body.begun.withLockedValue({ $0.isEmpty }) { await Task.yield() }
        let second = try operations.submit(OperationRequest(kind: "wait", group: "b")).id
        run.cancel()
        try await run.value
        #expect(operations.operation(first)?.phase == .cancelled && operations.operation(second)?.phase == .cancelled)
        #expect(await Self.code { _ = try operations.submit(OperationRequest(kind: "none")) } == 503)
    }

    @Test func `What happens to one is told in order, from the beginning to where it is forgotten`() async throws {
        let clock = VirtualClock()
        try await Self.with(clock: InformerClock(clock)) { operations, body in
            let cursor = try operations.log.cursor(after: "")
            body.gate.open()
            let id = try operations.submit(OperationRequest(kind: "wait")).id
            var told: [String] = []
            while told.last != "MODIFIED succeeded" {
                guard case .entries(let entries, _) = try await cursor.next() else { continue }
                told += entries.map { "\($0.event.kind.rawValue) \($0.event.operation.phase.rawValue)" }
            }
            #expect(told == ["ADDED waiting", "MODIFIED running", "MODIFIED running", "MODIFIED succeeded"])
            clock.advance(by: .seconds(599))
            #expect(operations.operation(id) != nil)
            clock.advance(by: .seconds(2))
            #expect(operations.operation(id) == nil)
            guard case .entries(let entries, _) = try await cursor.next() else { return }
            #expect(entries.map(\.event.kind) == [.deleted])
        }
    }
}
