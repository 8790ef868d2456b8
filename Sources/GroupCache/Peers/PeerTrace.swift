// SPDX-License-Identifier: Apache-2.0

internal import Tracing

/// Where a request stands in a distributed trace, as it crosses the wire (W3C Trace Context).
public struct PeerTrace: Sendable, Hashable {
    /// Version, trace id, parent id, flags.
    public var traceparent: String
    /// What tracing systems add; empty: nothing.
    public var tracestate: String

    /// A place in a trace.
    public init(traceparent: String, tracestate: String = "") {
        self.traceparent = traceparent
        self.tracestate = tracestate
    }

    /// `nil` when `context` is in no trace.
    init?(_ context: ServiceContext, by tracer: any Tracer) {
        var carrier: [String: String] = [:]
        tracer.inject(context, into: &carrier, using: Fields())
        guard let parent = carrier["traceparent"] else { return nil }
        self.init(traceparent: parent, tracestate: carrier["tracestate"] ?? "")
    }

    /// What `body` does is a part of this trace.
    package func continued<R>(_ body: () async -> R) async -> R {
        var context = ServiceContext.current ?? .topLevel
        let carrier = ["traceparent": self.traceparent, "tracestate": self.tracestate].filter { !$0.value.isEmpty }
        InstrumentationSystem.instrument.extract(carrier, into: &context, using: Fields())
        return await ServiceContext.withValue(context) { await body() }
    }

    private struct Fields: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key.lowercased()] = value }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key.lowercased()] }
    }
}
