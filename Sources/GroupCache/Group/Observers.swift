internal import CoreMetrics
internal import Tracing

/// Where a group reports to: what the process has installed, unless a test says otherwise.
struct Observers: Sendable {
    var metrics: any MetricsFactory = MetricsSystem.factory
    var tracer: any Tracer = InstrumentationSystem.tracer
}
