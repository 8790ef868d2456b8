// SPDX-License-Identifier: Apache-2.0

public import CoreMetrics
internal import NIOConcurrencyHelpers

/// Keeps what swift-metrics is told, for `/metrics`.
///
/// ```swift
/// let metrics = PrometheusMetrics()
/// MetricsSystem.bootstrap(metrics)
/// let admin = try AdminServer(pool: pool, metrics: metrics)
/// ```
///
/// Counters become counters, meters and recorders that do not aggregate gauges, timers histograms of seconds, other recorders histograms. Names and labels are
/// made such as Prometheus takes. There is a limit to how many series there are, since labels may come from anywhere: those beyond it count nothing, and
/// how many they are is a metric itself.
public final class PrometheusMetrics: MetricsFactory, Sendable {
    private struct Family {
        var kind: Exposition.Kind
        var help: String
        var series: [String: any MetricSeries] = [:]
        /// How many handles there are of each.
        var uses: [String: Int] = [:]
    }

    private struct Place: Hashable {
        var family: String
        var labels: String
    }

    private struct State {
        var families: [String: Family] = [:]
        /// The names of samples, and whose they are: a histogram's are three.
        var names: [String: String] = [:]
        var places: [ObjectIdentifier: Place] = [:]
        var lines = 0
        var dropped = 0
    }

    private let state = NIOLockedValueBox(State())
    private let limit: Int
    private let nothing = DroppedSeries()

    /// - Parameter limit: how many lines all series may make; a histogram makes twenty or so. At least 1.
    public init(limit: Int = 100_000) { self.limit = max(1, limit) }

    /// How many handles count nothing because there is no room for them, or because their names are another kind's.
    var dropped: Int { self.state.withLockedValue { $0.dropped } }

    // MARK: Making

    /// A counter.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.make(label, dimensions, .counter) { CountingSeries() } as? any CounterHandler ?? self.nothing
    }

    /// A counter of fractions.
    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        self.make(label, dimensions, .counter) { FractionSeries() } as? any FloatingPointCounterHandler ?? self.nothing
    }

    /// A gauge.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.make(label, dimensions, .gauge) { GaugeSeries() } as? any MeterHandler ?? self.nothing
    }

    /// A histogram, or a gauge.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if !aggregate { return self.make(label, dimensions, .gauge) { GaugeSeries() } as? any RecorderHandler ?? self.nothing }
        return self.make(label, dimensions, .histogram) { HistogramSeries(HistogramSeries.powers) } as? any RecorderHandler ?? self.nothing
    }

    /// A histogram of seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let name = label.hasSuffix("_seconds") ? label : label + "_seconds"
        return self.make(name, dimensions, .histogram) { HistogramSeries(HistogramSeries.seconds) } as? any TimerHandler ?? self.nothing
    }

    private func make(
        _ label: String,
        _ dimensions: [(String, String)],
        _ kind: Exposition.Kind,
        _ make: () -> any MetricSeries
    ) -> (any MetricSeries)? {
        var family = MetricText.name(label)
        if kind == .counter, family.hasSuffix("_total") { family = String(family.dropLast(6)) }
        if family.isEmpty { family = "_" }
        let labels = MetricText.labels(dimensions, isHistogram: kind == .histogram)
        let samples = Self.samples(family, kind)
        let lines = kind == .histogram ? HistogramSeries.seconds.count + 3 : 1
        return self.state.withLockedValue { state in
            if let series = state.families[family]?.series[labels], state.families[family]?.kind == kind {
                state.families[family]?.uses[labels, default: 0] += 1
                return series
            }
            guard state.families[family].map({ $0.kind == kind }) ?? samples.allSatisfy({ state.names[$0] == nil }),
                state.lines + lines <= self.limit
            else {
                state.dropped += 1
                return nil
            }
            let series = make()
            for name in samples { state.names[name] = family }
            let help = "What swift-metrics calls \(MetricText.help(label))."
            state.families[family, default: Family(kind: kind, help: help)].series[labels] = series
            state.families[family]?.uses[labels] = 1
            state.places[ObjectIdentifier(series)] = Place(family: family, labels: labels)
            state.lines += lines
            return series
        }
    }

    private static func samples(_ family: String, _ kind: Exposition.Kind) -> [String] {
        switch kind {
        case .counter: [family, family + "_total"]
        case .gauge: [family]
        case .histogram: [family, family + "_bucket", family + "_sum", family + "_count"]
        }
    }

    // MARK: Destroying

    /// Forgets the series if nobody else has it.
    public func destroyCounter(_ handler: any CounterHandler) { self.destroy(handler) }
    /// Forgets the series if nobody else has it.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { self.destroy(handler) }
    /// Forgets the series if nobody else has it.
    public func destroyMeter(_ handler: any MeterHandler) { self.destroy(handler) }
    /// Forgets the series if nobody else has it.
    public func destroyRecorder(_ handler: any RecorderHandler) { self.destroy(handler) }
    /// Forgets the series if nobody else has it.
    public func destroyTimer(_ handler: any TimerHandler) { self.destroy(handler) }

    private func destroy(_ handler: AnyObject) {
        self.state.withLockedValue { state in
            guard let place = state.places[ObjectIdentifier(handler)], var family = state.families[place.family] else { return }
            let uses = (family.uses[place.labels] ?? 1) - 1
            if uses > 0 {
                state.families[place.family]?.uses[place.labels] = uses
                return
            }
            family.series[place.labels] = nil
            family.uses[place.labels] = nil
            state.places[ObjectIdentifier(handler)] = nil
            state.lines -= family.kind == .histogram ? HistogramSeries.seconds.count + 3 : 1
            state.families[place.family] = family.series.isEmpty ? nil : family
            if family.series.isEmpty { for name in Self.samples(place.family, family.kind) { state.names[name] = nil } }
        }
    }

    // MARK: Showing

    /// What a histogram has counted up to each bound, and how much in all; `nil`: there is none.
    func histogram(_ family: String, _ dimensions: [(String, String)]) -> (counts: [Int], sum: Double)? {
        let labels = MetricText.labels(dimensions, isHistogram: true)
        return (self.state.withLockedValue { $0.families[family]?.series[labels] } as? HistogramSeries)?.total
    }

    /// Writes every family that is not there yet: what the pool says of itself is newer.
    func write(to exposition: inout Exposition) {
        // The lists are copied under the lock, and read without it: who counts is not held up by who looks.
        let families = self.state.withLockedValue { $0.families }
        for (name, family) in families.sorted(by: { $0.key < $1.key }) where !exposition.families.contains(name) {
            exposition.family(name, family.kind, help: CacheMetrics.help[name] ?? family.help)
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) { series.write(labels, to: &exposition) }
        }
    }
}
