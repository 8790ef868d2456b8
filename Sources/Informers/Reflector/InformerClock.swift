// SPDX-License-Identifier: Apache-2.0

/// Where everything in this library reads the time and waits. Tests give it a clock that they turn by hand.
///
/// It wraps any `Clock` that counts in `Duration`, and spares its users a generic parameter: with an `any Clock<Duration>` two moments could
/// not be compared.
public struct InformerClock: Sendable {
    private let read: @Sendable () -> Duration
    private let wait: @Sendable (Duration) async throws -> Void

    /// The machine's clock, which goes on while the machine sleeps: data gets old then, too.
    public static let continuous = InformerClock(ContinuousClock())

    /// A clock of your own.
    public init<Base: Clock<Duration>>(_ clock: Base) {
        let start = clock.now
        self.read = { start.duration(to: clock.now) }
        self.wait = { try await clock.sleep(until: clock.now.advanced(by: $0), tolerance: nil) }
    }

    /// The time since some fixed moment, another one for each `InformerClock`: of use only in comparison with the same clock's earlier answers.
    public var now: Duration { self.read() }

    /// Waits; throws `CancellationError` when the task is cancelled.
    public func sleep(for duration: Duration) async throws {
        try await self.wait(duration)
    }
}

/// Something that may happen ever so often and is to be told rarely: the first time at once, then at intervals how often it was.
///
/// A value without a clock: one who fails at each of a million events must not fill a disk with it.
struct Repeated: Sendable {
    private let interval: Duration
    private var count = 0
    private var told: Duration?

    init(every interval: Duration = .seconds(60)) { self.interval = interval }

    /// It has happened. How often since it was told last, if it is to be told now.
    mutating func happened(now: Duration) -> Int? {
        self.count += 1
        if let told = self.told, now - told < self.interval { return nil }
        self.told = now
        defer { self.count = 0 }
        return self.count
    }
}
