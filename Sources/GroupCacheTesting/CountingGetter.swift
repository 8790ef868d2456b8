// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import NIOConcurrencyHelpers

/// A getter that counts its calls, for tests that ask how often the origin is asked.
///
/// ```swift
/// let getter = CountingGetter<String> { key, _ in "value of \(key.string)" }
/// let group = try Group("scores", capacity: .mebibytes(1), getter: getter)
/// _ = try await group.get("Tom")
/// #expect(getter.calls["Tom"] == 1)
/// ```
public final class CountingGetter<Value: Sendable>: Getter {
    private let body: @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>
    private let counts = NIOLockedValueBox<[Key: Int]>([:])

    /// Loads what `load` returns; `nil`: there is no such key.
    public init(_ load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value?) {
        self.body = { key, context in
            guard let value = try await load(key, context) else { return .notFound }
            return .value(value)
        }
    }

    /// Loads what `load` returns, which says how long it is good.
    @_disfavoredOverload
    public init(_ load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>) { self.body = load }

    /// Counts, and loads. Counted before anything is loaded, so that a call that hangs or throws is counted, too.
    public func load(_ key: Key, context: LoadContext<Value>) async throws -> Loaded<Value> {
        self.counts.withLockedValue { $0[key, default: 0] += 1 }
        return try await self.body(key, context)
    }

    /// How often it was called, by key.
    public var calls: [Key: Int] { self.counts.withLockedValue { $0 } }
    /// How often it was called.
    public var count: Int { self.counts.withLockedValue { $0.values.reduce(0, +) } }
}
