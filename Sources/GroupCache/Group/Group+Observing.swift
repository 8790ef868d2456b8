internal import Logging
internal import Tracing

// What a group tells those who watch it: spans, logs, metrics.
extension Group {
    /// Runs a call of the getter within a span, if anybody traces.
    ///
    /// - Parameter keys: How many keys are loaded in one call; `nil`: one, by a call for one.
    func traced<T: Sendable>(
        keys: Int? = nil,
        _ call: @Sendable () async -> Result<T, GroupCacheError>
    ) async -> Result<T, GroupCacheError> {
        guard let tracer else { return await call() }
        return await tracer.withSpan("groupcache.load", ofKind: .internal) { span in
            span.attributes["groupcache.group"] = self.name
            if let keys { span.attributes["groupcache.keys"] = keys }
            let result = await call()
            if case .failure(let error) = result, error.code != .notFound { span.recordError(error.cause ?? error) }
            return result
        }
    }

    func peerFailed(_ peer: (any PeerGetter)?, _ error: GroupCacheError) {
        self.counters.peerErrors.increment()
        self.metrics.countPeerError()
        self.logger.debug("peer failed", metadata: ["peer.id": "\(peer?.id ?? "")", "error.code": "\(error.code)"])
    }

    /// Another node's bytes are no value of ours: it runs a version of the program that knows the value in another form.
    func noteMismatch(_ error: GroupCacheError) {
        self.counters.schemaMismatches.increment()
        let now = self.configuration.clock.milliseconds
        if self.counters.saidMismatch.isDue(now, every: 60_000) {
            self.logger.warning(
                "values of another node cannot be decoded; they are loaded here instead",
                metadata: ["group": "\(self.name)", "error": "\(error)"]
            )
        }
    }

    /// A call of the getter took this long.
    ///
    /// What calls usually take is learnt from those that brought something: one that was cancelled ended when its last caller left, and if that
    /// counted, the next ones would soon pass for half done, and go on for nobody.
    func record<Loads>(_ cost: Duration, of result: Result<Loads, GroupCacheError>) {
        self.metrics.record(cost)
        if case .success = result { self.flights.record(cost) }
    }
}
