// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import NIOConcurrencyHelpers
internal import Synchronization

/// One series: the labels of a family, and what is counted. Which of these it is, is its family's to know.
protocol MetricSeries: AnyObject, Sendable {
    func write(_ labels: String, to exposition: inout Exposition)
}

/// Counts up. One atomic addition.
final class CountingSeries: MetricSeries, CounterHandler {
    private let count = Atomic<Int64>(0)

    func increment(by amount: Int64) {
        // A counter that goes down would look as if the process had begun anew.
        if amount > 0 { self.count.wrappingAdd(amount, ordering: .relaxed) }
    }

    func reset() { self.count.store(0, ordering: .relaxed) }

    func write(_ labels: String, to exposition: inout Exposition) {
        exposition.sample(labels, Int(self.count.load(ordering: .relaxed)))
    }
}

/// Counts up in fractions.
final class FractionSeries: MetricSeries, FloatingPointCounterHandler {
    private let count = NIOLockedValueBox(0.0)

    func increment(by amount: Double) { if amount > 0, amount.isFinite { self.count.withLockedValue { $0 += amount } } }
    func reset() { self.count.withLockedValue { $0 = 0 } }
    func write(_ labels: String, to exposition: inout Exposition) { exposition.sample(labels, self.count.withLockedValue { $0 }) }
}

/// What is so now.
final class GaugeSeries: MetricSeries, MeterHandler, RecorderHandler {
    private let value = NIOLockedValueBox(0.0)

    func set(_ value: Int64) { self.set(Double(value)) }
    func set(_ value: Double) { self.value.withLockedValue { $0 = value } }
    func increment(by amount: Double) { self.value.withLockedValue { $0 += amount } }
    func decrement(by amount: Double) { self.value.withLockedValue { $0 -= amount } }
    func record(_ value: Int64) { self.set(Double(value)) }
    func record(_ value: Double) { self.set(value) }
    func write(_ labels: String, to exposition: inout Exposition) { exposition.sample(labels, self.value.withLockedValue { $0 }) }
}

/// How much, and how often: buckets.
final class HistogramSeries: MetricSeries, TimerHandler, RecorderHandler {
    /// Seconds, from a microsecond, which is more than a hit takes, to a minute.
    static let seconds: [Double] = [
        0.000001, 0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    private static let secondsNames = seconds.map(MetricText.number)
    /// Of what nobody knows the unit.
    static let powers: [Double] = [
        0.001, 0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    ]

    private struct State {
        var counts: [Int]
        var sum = 0.0
    }

    private let bounds: [Double]
    /// Of the bounds.
    private let names: [String]
    private let state: NIOLockedValueBox<State>

    init(_ bounds: [Double]) {
        self.bounds = bounds
        self.names = bounds == Self.seconds ? Self.secondsNames : bounds.map(MetricText.number)
        self.state = NIOLockedValueBox(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { self.record(Double(duration) / 1e9) }
    func record(_ value: Int64) { self.record(Double(value)) }

    func record(_ value: Double) {
        // One that is no number would make the sum none for ever.
        guard value.isFinite else { return }
        let bucket = self.bounds.firstIndex { value <= $0 } ?? self.bounds.count
        self.state.withLockedValue { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    /// All that was recorded: how often up to each bound, and beyond the last.
    var total: (counts: [Int], sum: Double) { self.state.withLockedValue { ($0.counts, $0.sum) } }

    func write(_ labels: String, to exposition: inout Exposition) {
        let state = self.state.withLockedValue { $0 }
        let total = exposition.buckets(labels, upTo: self.names, counts: state.counts)
        exposition.sample(suffix: "_sum", labels, state.sum)
        exposition.sample(suffix: "_count", labels, count: total)
    }
}

/// What there was no room for.
final class DroppedSeries: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    func increment(by: Int64) {}
    func increment(by: Double) {}
    func decrement(by: Double) {}
    func reset() {}
    func set(_: Int64) {}
    func set(_: Double) {}
    func record(_: Int64) {}
    func record(_: Double) {}
    func recordNanoseconds(_: Int64) {}
}
