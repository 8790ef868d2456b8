// SPDX-License-Identifier: Apache-2.0

public import GroupCache
public import Informers
public import Logging
internal import NIOConcurrencyHelpers

/// Keeps a ring in step with what a source says of its members.
///
/// Level-triggered: each pass compares what is wanted with what there is, and does the difference; what happened in between is of no
/// interest, and a pass too many does nothing. Passes go through a ``/Informers/WorkQueue``, so that there is one at a time, a failed one is
/// tried again later, and a list that changes ten times a second costs two rebuilds of the ring and not ten.
public final class RingReconciler: Sendable {
    /// How it goes about it.
    public struct Configuration: Sendable {
        /// How long a change waits for others that come with it, after the first list; 0...1 min.
        public var debounce = Duration.milliseconds(500)
        /// Whether a list of nobody is believed; this node is then alone.
        public var allowsEmpty = false
        /// The longest list that is believed.
        public var maximumMembers = 4_096
        /// Whether the source lists those who are ready, so that a node is in the list only once it says that it is.
        var readinessDecides = false

        /// The defaults.
        public init() {}
    }

    private struct State: Sendable {
        var list: MemberList
        /// What the ring was last set to; `nil`: nothing yet.
        var have: [Member]?
        var own: Member?
        /// Why the ring could not be set.
        var failure: DiscoveryError?
        /// What stands between this node and the list.
        var standing: DiscoveryError?
        /// What the source fences by. The moment is by the clock.
        var fence = Fence.none
        var isReady = false
        var rebuilds = 0
        /// Whether a pass is to come that looks at what waits.
        var isDue = false
        /// A list that nobody has looked at yet.
        var waiting: Listing?
    }

    /// As ``MembershipView/Fence-swift.enum``, by the clock.
    enum Fence: Sendable {
        case none
        case readiness
        case lease(until: Duration?)
    }

    private static let key = "ring"
    /// Who this node is.
    let identity: NodeIdentity
    private let target: any RingTarget
    private let configuration: Configuration
    private let clock: InformerClock
    private let logger: Logger
    private let queue: WorkQueue<String>
    private let state: NIOLockedValueBox<State>
    /// Held over a pass. The queue makes one at a time; whoever calls ``reconcile()`` besides waits here.
    private let passing = NIOLock()

    /// Held while a list is made and looked at.
    private let listing = NIOLock()

    /// A reconciler that has heard nothing yet, and leaves the ring alone until it has.
    public init(
        _ target: any RingTarget,
        identity: NodeIdentity,
        configuration: Configuration = Configuration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "groupcache")
    ) {
        self.identity = identity
        self.target = target
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        self.queue = WorkQueue("ring", clock: clock, logger: logger)
        let settings = MemberList.Settings(
            allowsEmpty: configuration.allowsEmpty,
            maximumCount: configuration.maximumMembers,
            readinessDecides: configuration.readinessDecides
        )
        self.state = NIOLockedValueBox(State(list: MemberList(identity: identity, settings: settings)))
    }

    /// How often the ring has been set.
    public var rebuilds: Int { self.state.withLockedValue { $0.rebuilds } }

    /// The source has spoken, or failed to. Does not block for long, and never touches the ring: ``run()`` does.
    public func take(_ result: Result<[Member], DiscoveryError>) {
        self.listing.withLock {
            // What came before this comes before it.
            self.takeWaiting()
            self.put(result)
        }
        self.show()
    }

    /// The source has a list that may be another one. It is looked at now, unless a pass is due within the debounce anyway: that one looks at it then.
    func take(listing: @escaping Listing) {
        let isLeft = self.state.withLockedValue { state in
            guard state.isDue, state.have != nil else { return false }
            state.waiting = listing
            return true
        }
        if isLeft { return }
        self.listing.withLock {
            self.takeWaiting()
            self.put(listing())
        }
        self.show()
    }

    /// Under ``listing``.
    private func takeWaiting() {
        if let waiting = self.state.withLockedValue({ $0.waiting.take() }) { self.put(waiting()) }
    }

    /// Under ``listing``: a list that was made before another one is not to come after it.
    private func put(_ result: Result<[Member], DiscoveryError>, inPass: Bool = false) {
        let now = self.clock.now
        let (outcome, isFirst, age) = self.state.withLockedValue { state in
            let isFirst = state.have == nil
            let outcome = state.list.take(result, now: now)
            if case .changed = outcome, !inPass { state.isDue = true }
            return (outcome, isFirst, state.list.lastWord.map { now - $0 })
        }
        switch outcome {
        case .same: break
        case .changed where inPass: break
        case .changed:
            // The first list is what everybody waits for.
            if isFirst { self.queue.add(Self.key) } else { self.queue.add(Self.key, after: self.configuration.debounce) }
        case .kept(let error, let isNews):
            guard isNews else { break }
            let kept = age.map { "the ring stays as the list of \($0.components.seconds) s ago has it" } ?? "there has been no list yet"
            self.logger.warning("members: \(error.message); \(kept)")
        }
    }

    /// What is known of this node's own place in the list, and how long it keeps it.
    func report(standing: DiscoveryError?, fence: Fence) {
        self.state.withLockedValue { state in
            state.standing = standing
            state.fence = fence
        }
        self.show()
    }

    /// One pass: makes the ring what the last good list says, if it is not.
    ///
    /// - Throws: what the ring said; it is then as it was.
    public func reconcile() throws(GroupCacheError) {
        self.passing.lock()
        defer {
            self.passing.unlock()
            self.show()
        }
        self.listing.withLock {
            let waiting = self.state.withLockedValue { state in
                state.isDue = false
                return state.waiting.take()
            }
            if let waiting { self.put(waiting(), inPass: true) }
        }
        // One look: a list that comes during the pass has put the key into the queue once more.
        let (wanted, all, own, have, oldOwn) = self.state.withLockedValue { state in
            (state.list.owners, state.list, state.list.own, state.have, state.own)
        }
        guard all.lastWord != nil else { return }
        let difference = RingDifference(have: have ?? [], wanted: wanted)
        guard have == nil || !difference.isEmpty || own?.url != oldOwn?.url else { return }
        if let own, own.state != .ready {
            // A node that is not an owner has no place in the ring, and a ring without it no place for its own keys: it stays with what it
            // had until it is ready, or ends.
            self.state.withLockedValue { state in
                state.failure = DiscoveryError(.refused, "this node is \(own.state.rawValue): the ring stays as it was")
            }
            return
        }
        do throws(GroupCacheError) {
            try self.target.setMembers(wanted, own: own)
        } catch {
            self.state.withLockedValue { $0.failure = DiscoveryError(.refused, error.message) }
            throw error
        }
        self.state.withLockedValue { state in
            state.have = wanted
            state.own = own
            state.failure = nil
            state.rebuilds += 1
        }
        self.logger.notice("members: the ring has \(wanted.count): \(difference.isEmpty ? "as before" : difference.summary)")
    }

    /// Works until the task is cancelled.
    public func run() async throws {
        try await self.queue.run { _ in try self.reconcile() }
    }

    /// Says what there is to say, with the age of now.
    func show() {
        let now = self.clock.now
        let view = self.state.withLockedValue { state in
            var view = MembershipView()
            view.members = state.list.members
            view.ownID = state.list.ownID
            view.problem = state.standing ?? state.list.problem ?? state.failure
            view.age = state.list.lastWord.map { now - $0 }
            // Who is to be in the ring is ready when the ring is.
            let isWaitingForRing = state.list.own?.state == .ready && state.have == nil
            // Once ready, always ready: where readiness decides, it comes before the ring, and must not be taken back when the ring comes.
            state.isReady = state.isReady || state.list.isReady && !isWaitingForRing
            view.isReady = state.isReady
            view.fence =
                switch state.fence {
                case .none: .none
                case .readiness: .readiness
                case .lease(let until): .lease(left: until.map { max(.zero, $0 - now) })
                }
            return view
        }
        self.target.show(view)
    }
}
