// SPDX-License-Identifier: Apache-2.0

internal import GroupCacheHTTP
internal import Informers
internal import Logging
internal import NIOConcurrencyHelpers

/// Where the members of a pool are listed.
enum Feed: Sendable {
    /// Asked again and again.
    case polled(any MemberSource, interval: Duration)
    /// Watched, and told of this node.
    case etcd(urls: [String], prefix: EtcdPrefix)
    /// Watched.
    case kubernetes(KubernetesAPI, namespace: String, service: String)
}

/// One life of a ``Feed``: from the first question until the node has left.
final class FeedRun: Sendable {
    private let feed: Feed
    private let pool: HTTPPool
    private let configuration: Discovery.Configuration
    private let reconciler: RingReconciler
    private let probe: SelfProbe?
    private let clock: InformerClock
    private let logger: Logger
    /// What there is to end with etcd.
    private let registered = NIOLockedValueBox<(client: SourceClient, registration: EtcdRegistration?)?>(nil)

    init(
        feed: Feed,
        pool: HTTPPool,
        configuration: Discovery.Configuration,
        reconciler: RingReconciler,
        probe: SelfProbe?,
        clock: InformerClock,
        logger: Logger
    ) {
        self.feed = feed
        self.pool = pool
        self.configuration = configuration
        self.reconciler = reconciler
        self.probe = probe
        self.clock = clock
        self.logger = logger
    }

    /// Until the task is cancelled.
    func run() async {
        switch self.feed {
        case .polled(let source, let interval):
            guard await self.reachItself(.none) else { return }
            await Poller(source: source, interval: interval, clock: self.clock) { self.reconciler.take($0) }.run()
        case .etcd(let urls, let prefix): await self.runEtcd(urls, prefix)
        case .kubernetes(let api, let namespace, let service):
            guard await self.reachItself(.readiness) else { return }
            await self.runKubernetes(api, namespace, service)
        }
    }

    /// Says in the list that this node drains, and arranges for it to leave when the pool has stopped. Bounded by the time limits of the client.
    func end() async {
        await self.probe?.client.shutdown()
        if case .kubernetes(let api, _, _) = self.feed {
            // Nobody asks any more whether it is ready, and it hands over what it has.
            self.pool.heard(.leaving)
            await api.shutdown()
        }
        guard let (client, registration) = self.registered.withLockedValue({ $0 }) else { return }
        // From now on others take over from this node, which may hand over what it has, and tells them of its changes: no lease has to live for that.
        if let registration, await registration.drain() { self.pool.heard(.leaving) }
        self.pool.whenStopped {
            await registration?.leave()
            await client.shutdown()
        }
    }

    /// Waits until this node answers at its own URL. `false`: cancelled before.
    private func reachItself(_ fence: RingReconciler.Fence) async -> Bool {
        var last: DiscoveryError?
        while !Task.isCancelled {
            let problem = await self.probe?.ask()
            if Task.isCancelled { break }
            self.reconciler.report(standing: problem, fence: fence)
            guard let problem else {
                if last != nil { self.logger.notice("members: this node reaches itself now") }
                return true
            }
            if problem != last { self.logger.warning("members: \(problem.message); until then it does not join") }
            last = problem
            try? await self.clock.sleep(for: .seconds(1) * Double.random(in: 0.9...1.1))
        }
        return false
    }

    // MARK: Etcd

    private func runEtcd(_ urls: [String], _ prefix: EtcdPrefix) async {
        let endpoints = EtcdEndpoints(urls, lease: self.configuration.lease)
        let client = SourceClient(name: endpoints.name, tls: urls.contains { $0.hasPrefix("https://") } ? self.configuration.tls : nil)
        let gateway = EtcdGateway(endpoints: endpoints, prefix: prefix, client: client, user: self.configuration.user, clock: self.clock)
        let isIn = Latch()
        let registration = self.registration(gateway, isIn)
        self.registered.withLockedValue { $0 = (client, registration) }
        // A list without this node would be one to complain about.
        if registration == nil { isIn.open() }
        let members = EtcdSource.members(prefix, logger: self.logger) { self.reconciler.take(listing: $0) }
        let settings = Self.etcdSettings(endpoints.name) { self.reconciler.take(.failure($0)) }
        let reflector = Reflector(
            EtcdSource(gateway: gateway, heard: { members.tell() }),
            store: members,
            configuration: settings,
            clock: self.clock,
            logger: self.quiet
        )
        await withTaskGroup(of: Void.self) { tasks in
            if let registration { tasks.addTask { await registration.run() } }
            tasks.addTask {
                await isIn.wait()
                await reflector.run()
            }
            await tasks.waitForAll()
        }
    }

    /// How etcd is followed.
    static func etcdSettings(_ name: String, failed: @escaping @Sendable (DiscoveryError) -> Void) -> ReflectorConfiguration {
        var settings = self.settings(name, failed: failed)
        // Etcd never ends a watch. It is opened anew each while: a connection that is half open would tell nothing for ever, and each opening
        // is a word that what is known still holds.
        settings.watchTimeout = .seconds(15)
        settings.watchGrace = .zero
        return settings
    }

    private func registration(_ gateway: EtcdGateway, _ isIn: Latch) -> EtcdRegistration? {
        guard self.pool.configuration.listen != nil, let url = self.pool.url else { return nil }
        let member: Member
        do throws(DiscoveryError) {
            member = try Member(id: self.configuration.nodeID, url: url, zone: self.configuration.zone, weight: self.configuration.weight)
        } catch {
            // Was checked when the discovery was made.
            self.reconciler.report(standing: error, fence: .lease(until: nil))
            return nil
        }
        return EtcdRegistration(
            leases: gateway,
            member: member,
            seconds: self.configuration.lease.components.seconds,
            probe: { await self.probe?.ask() },
            report: { standing in
                self.fence(standing)
                self.reconciler.report(standing: standing.problem, fence: .lease(until: standing.validUntil))
                if standing.isRegistered { isIn.open() }
            },
            clock: self.clock,
            logger: self.logger
        )
    }

    /// Says until when this node may act as an owner.
    private func fence(_ standing: Standing) {
        // The pool's clock before ours: see ``HTTPPool/moment``.
        let moment = self.pool.moment
        guard let until = standing.actsUntil else { return self.pool.heard(.out) }
        self.pool.heard(.member(until: moment + (until - self.clock.now).wholeMilliseconds, tenure: standing.tenure))
    }

    // MARK: Kubernetes

    private func runKubernetes(_ api: KubernetesAPI, _ namespace: String, _ service: String) async {
        let scheme = self.pool.configuration.tls == nil ? "http" : "https"
        let asked = NIOLockedValueBox(Int64.min)
        let members = EndpointSlice.members(scheme: scheme) { listing in
            // At once: whether this node is ready does not wait for the debounce.
            let result = listing()
            if let word = self.readiness.word(result, asked: asked.withLockedValue { $0 }) { self.pool.heard(word) }
            self.reconciler.take(result)
        }
        let source = EndpointSliceSource(
            api: api,
            namespace: namespace,
            service: service,
            moment: { self.pool.moment },
            answered: { moment in asked.withLockedValue { $0 = max($0, moment) } },
            heard: { members.tell() }
        )
        var settings = Self.settings(source.name) { self.reconciler.take(.failure($0)) }
        if let silence = self.configuration.silence {
            // Each opening of a watch is an answer. There have to be some in the time after which none is silence.
            settings.watchTimeout = max(.seconds(1), silence / 4)
            settings.watchGrace = silence / 4
        }
        let reflector = Reflector(
            source,
            store: members,
            configuration: settings,
            clock: self.clock,
            logger: self.quiet
        )
        await reflector.run()
    }

    private var readiness: ReadinessFence {
        ReadinessFence(identity: self.reconciler.identity, silence: self.configuration.silence?.wholeMilliseconds)
    }

    /// How a watched source is followed.
    ///
    /// - Parameter failed: told of what goes wrong and is no part of the protocol.
    static func settings(_ name: String, failed: @escaping @Sendable (DiscoveryError) -> Void) -> ReflectorConfiguration {
        var settings = ReflectorConfiguration()
        // A list is small, and a node that is blind for half a minute is worse than a few questions more.
        settings.backoff = Backoff(initial: .milliseconds(500), maximum: .seconds(5))
        settings.onError = { error in
            // That a version is too old is a part of the protocol, and so is cancellation.
            if let status = error as? Status, status.isExpired { return }
            if error is CancellationError { return }
            // Whoever ends watches at once is listed again: what is known is fresh all the same.
            if let error = error as? WatchError, error.code == .veryShortWatch { return }
            failed(DiscoveryError(error, name: name))
        }
        return settings
    }

    /// What a reflector says in passing is in the log at debug only: what matters is told by the reconciler.
    private var quiet: Logger {
        var logger = self.logger
        if logger.logLevel > .debug { logger.logLevel = .error }
        return logger
    }
}

/// Opened once; whoever waits goes on then, or when its task is cancelled.
private final class Latch: Sendable {
    private struct State: Sendable {
        var isOpen = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = NIOLockedValueBox(State())

    func open() {
        let waiter = self.state.withLockedValue { state in
            defer { state.waiter = nil }
            state.isOpen = true
            return state.waiter
        }
        waiter?.resume()
    }

    /// For one task.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isOpen = self.state.withLockedValue { state in
                    if !state.isOpen { state.waiter = continuation }
                    return state.isOpen
                }
                if isOpen { continuation.resume() }
            }
        } onCancel: {
            self.open()
        }
    }
}
