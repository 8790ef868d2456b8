// SPDX-License-Identifier: Apache-2.0

internal import Informers
internal import Logging
internal import NIOConcurrencyHelpers

/// What a registration asks of etcd; so that a test can stand in for it.
protocol EtcdLeases: Sendable {
    /// Does what is not waiting or ending.
    func perform(_ action: EtcdRegistrationState.Action, as member: Member) async throws -> EtcdRegistrationState.Outcome
}

/// How a node stands with the list.
struct Standing: Sendable, Hashable {
    /// What stands between them; `nil`: nothing.
    var problem: DiscoveryError?
    /// Until when the lease is known to live.
    var validUntil: Duration?
    var isRegistered = false
    /// Until when this node may act as the owner of keys; `nil`: it may not.
    var actsUntil: Duration?
    /// Which time in the list this is: as long as it is the same one, it has not been out of it.
    var tenure: UInt64 = 0

    /// As a registration has it.
    init(_ state: EtcdRegistrationState, problem: DiscoveryError?) {
        (self.validUntil, self.isRegistered, self.actsUntil) = (state.validUntil, state.isRegistered, state.actsUntil)
        (self.tenure, self.problem) = (state.tenure, problem)
    }
}

/// Keeps this node's entry in etcd under a lease, for as long as it runs: the shell around ``EtcdRegistrationState``.
final class EtcdRegistration: Sendable {
    private let leases: any EtcdLeases
    private let clock: InformerClock
    private let logger: Logger
    /// Whether this node answers at its own URL: one that cannot reach itself is not to be asked by others.
    private let probe: @Sendable () async -> DiscoveryError?
    private let report: @Sendable (Standing) -> Void
    private let state: NIOLockedValueBox<EtcdRegistrationState>

    init(
        leases: any EtcdLeases,
        member: Member,
        seconds: Int64,
        probe: @escaping @Sendable () async -> DiscoveryError?,
        report: @escaping @Sendable (Standing) -> Void,
        clock: InformerClock,
        logger: Logger
    ) {
        self.leases = leases
        self.probe = probe
        self.report = report
        self.clock = clock
        self.logger = logger
        self.state = NIOLockedValueBox(EtcdRegistrationState(member: member, seconds: seconds))
    }

    /// Until the task is cancelled. The entry then stays until ``leave()``, or the end of its lease.
    func run() async {
        var outcome = EtcdRegistrationState.Outcome.started
        while !Task.isCancelled {
            let now = self.clock.now
            let (action, note, state) = self.state.withLockedValue { state in
                let (action, note) = state.next(outcome, now: now)
                return (action, note, state)
            }
            if let note { self.tell(note) }
            self.report(Standing(state, problem: self.problem.withLockedValue { $0 }))
            if case .end = action { return }
            outcome = await self.perform(action)
        }
    }

    /// Says in the list that this node drains, as far as it is there. Not for a task that is cancelled.
    ///
    /// - Returns: Whether it is said.
    func drain() async -> Bool { await self.finish { $0.drain() } == .mine }

    /// Gives the lease back, and with it the entry, so that nobody waits for its end.
    func leave() async { _ = await self.finish { $0.leave() } }

    /// What was told last of what stands between this node and the list.
    private let problem = NIOLockedValueBox<DiscoveryError?>(nil)

    private func finish(
        _ begin: @Sendable (inout EtcdRegistrationState) -> EtcdRegistrationState.Action
    ) async -> EtcdRegistrationState.Outcome? {
        let action = self.state.withLockedValue { begin(&$0) }
        return action == .end ? nil : await self.perform(action)
    }

    private func perform(_ action: EtcdRegistrationState.Action) async -> EtcdRegistrationState.Outcome {
        switch action {
        case .wait(let duration):
            // Many nodes that began together must not ask in step.
            try? await self.clock.sleep(for: duration * Double.random(in: 0.9...1.1))
            return .waited
        case .probe: return .probed(await self.probe())
        default: break
        }
        var state = Member.State.ready
        if case .rewrite(_, let wished) = action { state = wished }
        let member = self.state.withLockedValue { $0.entry(state: state) }
        do {
            return try await self.leases.perform(action, as: member)
        } catch {
            return .failed(DiscoveryError(error, name: "etcd"))
        }
    }

    private func tell(_ note: EtcdRegistrationState.Note) {
        let id = self.state.withLockedValue { $0.member.id }
        var problem: DiscoveryError?
        switch note {
        case .registered: self.logger.notice("members: this node, \(id), is registered")
        case .kept(let error):
            problem = DiscoveryError(error.code, "this node, \(id), is not registered: \(error.message)")
            self.logger.warning("members: this node, \(id), is not registered: \(error.message)")
        case .leaseLost:
            problem = DiscoveryError(.unavailable, "the lease of this node, \(id), was lost; it registers again")
            self.logger.warning("members: the lease of this node, \(id), was lost; it registers again")
        case .leaseOver:
            let message = "the lease of this node, \(id), is over by its own clock: others may have taken over"
            problem = DiscoveryError(.unavailable, message)
            self.logger.warning("members: \(message)")
        case .away(let error):
            problem = DiscoveryError(error.code, "the lease of this node cannot be kept alive: \(error.message)")
            self.logger.warning("members: the lease of this node cannot be kept alive: \(error.message)")
        case .back: self.logger.notice("members: etcd is back, and the lease of this node lives")
        case .entryGone: self.logger.warning("members: the entry of this node, \(id), was gone; it is put again")
        }
        self.problem.withLockedValue { $0 = problem }
    }
}

extension EtcdGateway: EtcdLeases {
    func perform(_ action: EtcdRegistrationState.Action, as member: Member) async throws -> EtcdRegistrationState.Outcome {
        switch action {
        case .grant(let seconds):
            let lease = try await self.ask(EtcdMessage.Lease.self, "/v3/lease/grant", ["TTL": "\(seconds)", "ID": "0"])
            guard let id = lease.ID?.value, id != 0 else { throw DiscoveryError(.malformed, "etcd grants a lease without an id") }
            return .granted(lease: id, seconds: lease.TTL?.value ?? seconds)
        case .keepAlive(let lease):
            let answer = try await self.ask(EtcdMessage.KeptAlive.self, "/v3/lease/keepalive", ["ID": "\(lease)"])
            guard let result = answer.result else { throw DiscoveryError(.malformed, "etcd keeps alive nothing") }
            return .keptAlive(seconds: result.TTL?.value ?? 0)
        case .revoke(let lease):
            _ = try await self.ask(EtcdMessage.Lease.self, "/v3/lease/revoke", ["ID": "\(lease)"])
            return .revoked
        case .claim(let lease, let seen):
            // A key that is not there has the revision 0.
            return try await self.transact(["target": "MOD", "mod_revision": "\(seen)"], put: lease, member)
        case .look(let lease): return try await self.transact(["target": "LEASE", "lease": "\(lease)"], put: nil, member)
        case .rewrite(let lease, _): return try await self.transact(["target": "LEASE", "lease": "\(lease)"], put: lease, member)
        case .probe, .wait, .end: return .waited
        }
    }

    private func transact(_ condition: [String: Any], put lease: Int64?, _ member: Member) async throws -> EtcdRegistrationState.Outcome {
        let prefix = self.prefix
        let key = Self.base64(Array(prefix.key(of: member.id).utf8))
        let put = lease.map { ["request_put": ["key": key, "value": Self.base64(member.etcdValue), "lease": "\($0)"]] }
        let body: [String: Any] = [
            "compare": [condition.merging(["key": key, "result": "EQUAL"]) { $1 }],
            "success": put.map { [$0] } ?? [],
            "failure": [["request_range": ["key": key]]],
        ]
        let answer = try await self.ask(EtcdMessage.Transaction.self, "/v3/kv/txn", body)
        if answer.succeeded == true { return .mine }
        guard let there = answer.responses?.first?.response_range?.kvs?.first else { return .absent }
        let entry = EtcdEntry(key: prefix.key(of: member.id), value: there.valueBytes ?? [])
        return .taken(url: (try? prefix.member(entry))?.url, revision: there.mod_revision?.value ?? 0)
    }
}
