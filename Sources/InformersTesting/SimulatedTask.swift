// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// A task in a ``Simulation``, whose result can be looked at without waiting.
public final class SimulatedTask<Success: Sendable>: Sendable {
    private final class Box: Sendable {
        let result = NIOLockedValueBox<Result<Success, any Error>?>(nil)
    }

    private let box = Box()
    private let task: Task<Void, Never>

    init(executor: Simulation, _ body: @escaping @Sendable () async throws -> Success) {
        self.task = Task(executorPreference: executor) { [box] in
            do {
                let value = try await body()
                box.result.withLockedValue { $0 = .success(value) }
            } catch {
                box.result.withLockedValue { $0 = .failure(error) }
            }
        }
    }

    /// How it ended; `nil`: it has not.
    public var result: Result<Success, any Error>? { self.box.result.withLockedValue { $0 } }
    /// Whether it has ended.
    public var isDone: Bool { self.result != nil }
    /// What it returned; `nil`: it has not ended, or threw.
    public var value: Success? { try? self.result?.get() }
    /// What it threw; `nil`: it has not ended, or returned.
    public var error: (any Error)? {
        guard case .failure(let error) = self.result else { return nil }
        return error
    }

    /// Cancels it.
    public func cancel() { self.task.cancel() }
}
