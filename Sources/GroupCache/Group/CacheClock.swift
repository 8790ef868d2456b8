// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where a group reads the time and waits. Tests give it a clock that they turn by hand.
public struct CacheClock: Sendable {
    @usableFromInline
    enum Base: Sendable {
        case system
        case source(any TimeSource)
    }

    @usableFromInline let base: Base

    /// The machine's monotonic clock. It is read coarsely (a few milliseconds on Linux), because a hit with a TTL reads it.
    public static let system = CacheClock(base: .system)

    /// A clock of your own.
    public init(_ source: any TimeSource) {
        self.base = .source(source)
    }

    @usableFromInline init(base: Base) { self.base = base }

    /// Milliseconds since some fixed moment.
    @inlinable package var milliseconds: Int64 {
        switch self.base {
        case .system: Self.coarseMilliseconds()
        case .source(let source): source.milliseconds
        }
    }

    /// Waits until a moment; throws `CancellationError` when the task is cancelled.
    func sleep(until moment: Int64) async throws {
        switch self.base {
        case .system: try await Task.sleep(for: .milliseconds(min(max(0, moment - self.milliseconds), 1 << 40)))
        case .source(let source): try await source.sleep(until: moment)
        }
    }

    @usableFromInline
    static func coarseMilliseconds() -> Int64 {
        #if os(Linux)
            let clock = CLOCK_MONOTONIC_COARSE
        #else
            let clock = CLOCK_MONOTONIC
        #endif
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// A clock that is not the machine's.
public protocol TimeSource: Sendable {
    /// Milliseconds since some fixed moment; never goes back.
    var milliseconds: Int64 { get }
    /// Waits until a moment in ``milliseconds``; throws `CancellationError` when the task is cancelled. Not for a duration: the clock may be
    /// turned between the look at it and the sleep.
    func sleep(until moment: Int64) async throws
}
