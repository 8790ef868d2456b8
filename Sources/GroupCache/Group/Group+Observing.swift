// SPDX-License-Identifier: Apache-2.0

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
        self.counters.getterCalls.increment()
        self.metrics.countGetterCall()
        guard let tracer else { return await call() }
        return await tracer.withSpan("groupcache.load", ofKind: .internal) { span in
            span.describeGet(of: self.name, keys: keys)
            let result = await call()
            if case .failure(let error) = result, error.code != .notFound { span.recordError(error.cause ?? error) }
            return result
        }
    }

    /// A get is a miss. Apart from what all gets do: only misses pay for knowing why.
    @inline(never)
    func noteMiss(_ key: HashedKey) {
        let reason = self.withBytes(of: key.key) { self.store.missReason(key.hash, $0) }
        self.counters.misses[Int(reason.rawValue)].increment()
    }

    func peerFailed(_ peer: (any PeerGetter)?, _ error: GroupCacheError) {
        self.counters.peerErrors.increment()
        self.metrics.countPeerError()
        self.logger.debug("peer failed", metadata: ["peer.id": "\(peer?.id ?? "")", "error.code": "\(error.code)"])
    }

    /// The getter failed: says of what kind the error is and what it says, once in a while. The text is the getter's own; where it names a key that was being
    /// loaded, that is left out.
    func noteFailure(_ error: GroupCacheError, keys: [Key]) {
        guard error.code == .getterFailed, let cause = error.cause, !(cause is CancellationError) else { return }
        guard self.counters.saidFailure.isDue(self.configuration.clock.milliseconds, every: 10_000) else { return }
        self.logger.warning(
            "the getter fails",
            metadata: [
                "group": "\(self.name)", "error.type": "\(type(of: cause))",
                "error": "\(ErrorText.line("\(cause)", without: keys.map(\.string)))",
                "failures": "\(self.counters.localLoadErrors.value)",
            ]
        )
    }

    /// Somebody is served a value past its time because loading it fails or is slow; says so, once in a while.
    func noteStale() {
        guard self.counters.saidStale.isDue(self.configuration.clock.milliseconds, every: 60_000) else { return }
        self.logger.warning(
            "values past their time are served, because loading them anew fails or is slow",
            metadata: ["group": "\(self.name)", "served": "\(self.counters.staleIfErrorHits.value)"]
        )
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
