// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import Synchronization

/// One request to a peer, from the caller to the event loop and back. Whoever finishes it first does; later results are dropped.
final class PeerCall: PeerTicket {
    enum Kind: Sendable {
        case peer(Dialect.Operation, PeerRequest)
        /// Many keys of one group, over a link.
        case many([Key], PeerBatch)
        /// A question of a follower, or a list of changes, and how long what stands in for the peer may be kept: over a link only.
        case changes(LinkVerb, ByteView, LinkMarks, Duration)
        /// GET of any path, for its body.
        case path(String)

        /// Whether it goes over a link or not at all: a GET would make the peer load the value.
        var isPeek: Bool {
            switch self {
            case .peer(.get, let request): request.isPeek
            case .many(_, let batch): batch.isPeek
            case .peer, .path, .changes: false
            }
        }

        /// Whether it asks for values.
        var isGet: Bool {
            switch self {
            case .peer(.get, _), .many: true
            case .peer, .path, .changes: false
            }
        }

        var isSet: Bool { if case .peer(.set, _) = self { true } else { false } }

        /// Whether values or changes of keys are what it is about.
        var isAboutValues: Bool {
            switch self {
            case .peer, .many: true
            case .path, .changes: false
            }
        }

        /// Whether it goes over a link or not at all.
        var needsLink: Bool {
            switch self {
            case .changes: true
            case .peer(.remove, let request): request.terms.settle > .zero
            case .peer, .many, .path: false
            }
        }

        /// Whether the answer may take as long as nothing happens.
        var isPatient: Bool { if case .changes = self { true } else { false } }

        /// The name of the schema that the asker's values are of.
        var schema: String? {
            switch self {
            case .peer(_, let request): request.schema
            case .many(_, let batch): batch.schema
            case .path, .changes: nil
            }
        }

        /// How many answers it wants.
        var count: Int { if case .many(let keys, _) = self { keys.count } else { 1 } }
    }

    typealias Outcome = Result<PeerEntry, GroupCacheError>

    let kind: Kind
    /// Under what the peer's health let it through; `nil`: it is not to be judged by this call.
    let admission: Breaker.Ticket?
    let deadline: NIODeadline
    /// Whether the deadline is sooner than the caller's own.
    let isCutShort: Bool
    let started: NIODeadline
    /// The caller's name for this request; of many keys, the first of theirs.
    let tag: Int
    private let caller: any PeerCaller
    /// Of a set: its turn among those of the peer's keys; 0: none.
    let turn: UInt64
    /// The id that a link gave it.
    let slot = Atomic<UInt32>(0)
    private let hasToldSlow = Atomic(false)
    private let finished = Atomic(false)
    /// By whom it is carried, who is to be told when its caller leaves, and who counts it as under way.
    private let carrier: any PeerCarrier
    /// What goes on in its place, over another transport: its caller holds only this one to cancel.
    private let heirs = Mutex((calls: [PeerCall](), isCancelled: false))

    init(
        _ kind: Kind,
        tag: Int,
        for caller: any PeerCaller,
        by carrier: any PeerCarrier,
        admission: Breaker.Ticket? = nil,
        started: NIODeadline,
        deadline: NIODeadline,
        isCutShort: Bool = false,
        turn: UInt64 = 0
    ) {
        self.kind = kind
        self.turn = turn
        self.admission = admission
        self.tag = tag
        self.caller = caller
        self.carrier = carrier
        self.started = started
        self.deadline = deadline
        self.isCutShort = isCutShort
        carrier.began()
    }

    /// Only a GET may be sent twice.
    var isIdempotent: Bool {
        switch self.kind {
        case .peer(.get, _), .many, .path: true
        default: false
        }
    }

    /// Whether somebody waits for a value, who can ask elsewhere.
    var isGet: Bool { if case .peer(.get, _) = self.kind { true } else { false } }

    /// What its caller is told when it is not answered in time. That the caller's own time is over is final; that a peer has not answered in as long
    /// as we wait for one is a failure of the peer, and somebody else can be asked.
    var lateness: GroupCacheError { self.isCutShort ? Self.tooSlow : .deadlineExceeded }

    private static let tooSlow = GroupCacheError(.peerFailed, "the peer did not answer in the time that a request may take")

    static let overloaded = GroupCacheError(.overloaded, "too many requests to one peer are waiting", retryAfter: .seconds(1))
    static let isGone = GroupCacheError(.shutDown, "the peer is gone")
    static let linkRefused = GroupCacheError(.peerFailed, "a peer tells of changes over a link only, and does not take one just now")
    static let needsLink = GroupCacheError(.unsupported, "a peer tells of changes over a link only")
    static let owesNews = GroupCacheError(.peerFailed, "the peer has to hear of changes before anything is asked of it")
    static let cannotPeek = GroupCacheError(.unsupported, "a peer can be asked for what it holds over a link only")

    /// The version in the answer to a set: there was nothing before.
    static let created: UInt64 = 1

    /// How many answers it wants.
    var count: Int { self.kind.count }

    var isFinished: Bool { self.finished.load(ordering: .acquiring) }

    /// Hands the outcome to the caller. A request for many keys is finished key by key with ``answer(_:_:)``, and then with ``close()``.
    ///
    /// - Parameter isAnswered: The peer has said so itself: then nothing of the request is still on its way.
    func finish(_ outcome: Outcome, isAnswered: Bool = false) {
        guard self.close() else { return }
        if self.turn > 0, !isAnswered, case .failure = outcome { self.carrier.gaveUp(self) }
        self.caller.peerAnswered(self.tag, outcome)
    }

    /// Ends without an answer, or without those that it has not got yet.
    ///
    /// - Parameter answered: of many keys, which have been answered; empty: none.
    func fail(_ error: GroupCacheError, answered: [Bool] = []) {
        guard case .many = self.kind else { return self.finish(.failure(error)) }
        guard self.close() else { return }
        for index in 0..<self.count where answered.isEmpty || !answered[index] { self.answer(index, .failure(error)) }
    }

    /// The answer to one key of many.
    func answer(_ index: Int, _ outcome: Outcome) {
        self.caller.peerAnswered(self.tag + index, outcome)
    }

    /// Nothing more is to come. `false`: it had been closed.
    @discardableResult
    func close() -> Bool {
        guard !self.finished.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        self.carrier.ended(self)
        return true
    }

    /// Whether its caller is yet to be told that the peer is slow: not of many keys, which would count as many.
    var mayBeHedged: Bool {
        guard case .peer(.get, let request) = self.kind, !request.isRepeated, !request.isPeek else { return false }
        return !self.hasToldSlow.load(ordering: .relaxed)
    }

    /// The peer takes its time: says so to the caller, once, and if there is room in the budget; see ``PeerCaller/peerIsSlow(_:)``.
    func tellSlow(_ health: PeerHealth) {
        guard self.mayBeHedged, !self.hasToldSlow.exchange(true, ordering: .relaxed), !self.isFinished, health.mayHedge() else { return }
        self.caller.peerIsSlow(self.tag)
    }

    func cancel() {
        if self.close() {
            if self.turn > 0 { self.carrier.gaveUp(self) }
            self.carrier.abandon(self)
        }
        let calls = self.heirs.withLock { heirs in
            defer { heirs = ([], true) }
            return heirs.calls
        }
        for call in calls { call.cancel() }
    }

    private func passed(on heir: PeerCall) -> PeerCall {
        let isCancelled = self.heirs.withLock { heirs in
            if !heirs.isCancelled { heirs.calls.append(heir) }
            return heirs.isCancelled
        }
        // Its caller left while it was handed over: carriers drop what is finished.
        if isCancelled { heir.cancel() }
        return heir
    }

    /// The same request, carried by somebody else.
    func moved(to carrier: any PeerCarrier, handover: UInt64 = 0) -> PeerCall? {
        guard self.close() else { return nil }
        var kind = self.kind
        if handover != 0, case .peer(.get, var request) = kind {
            request.handover = handover
            kind = .peer(.get, request)
        }
        return self.passed(
            on: PeerCall(
                kind,
                tag: self.tag,
                for: self.caller,
                by: carrier,
                started: self.started,
                deadline: self.deadline,
                isCutShort: self.isCutShort,
                turn: self.turn
            )
        )
    }

    /// The request for one key of many, alone.
    func single(_ index: Int, by carrier: any PeerCarrier, handover: UInt64 = 0) -> PeerCall? {
        guard case .many(let keys, let batch) = self.kind, keys.indices.contains(index) else { return nil }
        var request = PeerRequest(keys[index], of: batch)
        if handover != 0 { request.handover = handover }
        return self.passed(
            on: PeerCall(
                .peer(.get, request),
                tag: self.tag + index,
                for: self.caller,
                by: carrier,
                started: self.started,
                deadline: self.deadline,
                isCutShort: self.isCutShort
            )
        )
    }
}

/// Carries requests to a peer.
protocol PeerCarrier: AnyObject, Sendable {
    /// There is one more call to carry. Each is counted from its making to its end, whether or not it is ever sent.
    func began()
    /// The call is answered, or nobody waits for it any more.
    func ended(_ call: PeerCall)
    /// The caller has left.
    func abandon(_ call: PeerCall)
    /// The caller of a set has been told that nobody knows whether it was made.
    func gaveUp(_ call: PeerCall)
}

extension PeerCarrier {
    func gaveUp(_ call: PeerCall) {}
}

/// Calls that cannot be sent yet, the oldest first: a value.
struct WaitingCalls {
    private var calls = CircularBuffer<PeerCall>()

    var isEmpty: Bool { self.calls.isEmpty }
    var count: Int { self.calls.count }

    mutating func append(_ call: PeerCall) { self.calls.append(call) }
    /// One that was sent in vain goes first.
    mutating func prepend(_ call: PeerCall) { self.calls.prepend(call) }

    /// The next one for which somebody still waits.
    mutating func next() -> PeerCall? {
        while let call = self.calls.popFirst() { if !call.isFinished { return call } }
        return nil
    }

    /// All of them. Whoever is told something may come back and wait again, so none is here any more by then.
    mutating func takeAll() -> [PeerCall] {
        defer { self.calls = CircularBuffer() }
        return Array(self.calls)
    }

    /// Takes out those whose time is over, and those for which nobody waits. O(calls).
    ///
    /// - Returns: the former.
    mutating func expire(_ now: NIODeadline) -> [PeerCall] {
        var late: [PeerCall] = []
        for call in self.takeAll() where !call.isFinished { if call.deadline <= now { late.append(call) } else { self.calls.append(call) } }
        return late
    }

    func forEach(_ body: (PeerCall) -> Void) { self.calls.forEach(body) }
}
