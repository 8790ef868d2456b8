// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

// Changes of other nodes, which this one follows, and what those have still to hear of its own.
extension HTTPPool {
    /// Follows every peer, those of now and those that come, until the task is cancelled.
    func follow() async {
        guard self.core.feed != nil else { return }
        self.core.isFollowing.store(true, ordering: .relaxed)
        defer { self.core.isFollowing.store(false, ordering: .relaxed) }
        await withDiscardingTaskGroup { tasks in
            for await _ in self.core.peersChanged.stream {
                for getter in self.core.members.withLockedValue({ $0 }).getters.compactMap({ $0 }) where getter.standing.stream.take() {
                    tasks.addTask { await self.follow(getter) }
                }
            }
        }
    }

    private func follow(_ getter: HTTPGetter) async {
        let stream = getter.standing.stream
        if stream.row == 0 {
            self.core.logger.warning(
                "there are too many peers to follow them all; copies of this one's end with their time",
                metadata: ["peer": "\(getter.id)"]
            )
            return stream.refused()
        }
        var backoff = LinkBackoff()
        var random = SystemRandomNumberGenerator()
        await self.waitForLink(to: getter)
        while !Task.isCancelled, !getter.isOver, !stream.isOver {
            do throws(GroupCacheError) {
                try await self.deliver(to: getter)
                let began = NIODeadline.now()
                let count = try await self.ask(getter)
                backoff.reset()
                // A peer that answers at once though it has little to tell is not to keep us busy.
                let shortest = count == 0 ? Self.shortest : count < Self.few ? self.breath : .zero
                if NIODeadline.now() - began < shortest { await self.pause(shortest) }
                continue
            } catch {
                stream.broke()
                switch error.code {
                // It is asked again, for it may be replaced by one of a later version.
                // What it has not heard it will never hear, and it is asked again as any peer that tells nothing.
                case .unsupported, .badRequest, .noSuchGroup, .cannotFollow:
                    stream.refused()
                    await self.pause(.milliseconds(.random(in: 20_000...40_000)))
                default:
                    if !getter.hasLinks { stream.linkRefused(Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000)) }
                    await self.pause(.milliseconds(backoff.next(using: &random)))
                }
            }
        }
        stream.broke()
    }

    /// How long a node that begins leaves it to those who ask for values to open links.
    private static let patience = TimeAmount.seconds(1)

    /// Nodes that begin together are not all there at once. Who tried at once would take the others for down, and do their work, when the first callers come.
    private func waitForLink(to getter: HTTPGetter) async {
        let end = NIODeadline.now() + Self.patience
        // What it has to hear comes before what anybody asks it.
        while getter.standing.links.load(ordering: .relaxed) == 0, !getter.standing.stream.owesNews, NIODeadline.now() < end,
            !Task.isCancelled, !getter.isOver
        {
            await self.pause(.milliseconds(20))
        }
    }

    /// Tells a peer what it could not be told.
    private func deliver(to getter: HTTPGetter) async throws(GroupCacheError) {
        let stream = getter.standing.stream
        while let parcel = stream.nextParcel() {
            do throws(GroupCacheError) {
                try await getter.make(parcel.changes, wait: .owner)
                stream.delivered(parcel)
            } catch {
                stream.notDelivered()
                throw error
            }
        }
    }

    /// For how long a node that stops looks for others that deliver what it owes.
    private static let handingOn = TimeAmount.seconds(5)

    /// What this node owes to peers that cannot be reached would be lost with it: other nodes deliver it.
    func handOutboxesOn() async {
        let end = NIODeadline.now() + Self.handingOn
        let getters = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }
        for getter in getters where getter.standing.stream.unheard > 0 {
            var outbox = getter.standing.stream.handOn()
            // One of an earlier version would make the changes itself, and say that it is done.
            var heirs = getters.filter { $0 !== getter && $0.standing.stream.namesRings && $0.isUp }
            while let heir = heirs.first, NIODeadline.now() < end, let parcel = outbox.next() {
                do throws(GroupCacheError) {
                    try await heir.make(parcel.changes, for: getter.id, wait: .owner)
                    _ = outbox.acknowledged(parcel.number)
                } catch {
                    outbox.failed()
                    heirs.removeFirst()
                }
            }
            let left = outbox.handOn()
            if left.isEmpty { continue }
            for change in left { _ = self.core.keep(change, for: getter) }
            self.core.logger.warning(
                "this node stops, and nobody tells a peer what it owes it: until its time is over, the peer may serve what was changed",
                metadata: ["peer": "\(getter.id)", "changes": "\(left.count)"]
            )
        }
    }

    /// How soon a peer is asked again that had nothing to tell.
    private static let shortest = TimeAmount.milliseconds(10)
    /// Of fewer changes the next ones can wait a moment.
    private static let few = 64
    /// How long: the longer the more nodes there are to be asked, for each answer costs this node some 100 µs, however little it tells: so to ask takes a quarter
    /// of a core, also where all of very many nodes change something all the time. 1 to 100 ms, and at most a tenth of the promise, for each answer renews what
    /// copies are served by.
    private var breath: TimeAmount {
        let nodes = Int64(self.core.members.withLockedValue { $0.getters.count })
        return .microseconds(max(1_000, min(100_000, Int64(self.configuration.promise.milliseconds) * 100, 400 * nodes)))
    }

    /// - Returns: How many changes the peer has told.
    private func ask(_ getter: HTTPGetter) async throws(GroupCacheError) -> Int {
        guard let feed = self.core.feed, let leases = self.core.leases else { return 0 }
        let stream = getter.standing.stream
        let asked = leases.clock.milliseconds
        let question = ChangeQuestion(
            follower: feed.log.epoch,
            id: self.core.members.withLockedValue { $0 }.selfID(self.configuration.dialect) ?? "",
            position: stream.ask(asked),
            wait: UInt32(clamping: feed.promise / 5)
        )
        let list = try await getter.follow(question)
        do throws(Follower.Fault) {
            try stream.answered(list, asked: asked) {
                self.core.loadsMayBeOld(of: getter)
            } spread: {
                self.core.spreadOfLate
            } hear: {
                self.core.heard($0, from: getter)
            }
            self.core.noteRing(list.ring)
            self.core.noteConfirmations()
        } catch {
            self.core.logger.warning(
                "a peer tells changes that cannot be; what was copied from it is not used",
                metadata: ["peer": "\(getter.id)"]
            )
            throw GroupCacheError(.peerFailed, "the peer tells changes that cannot be", cause: error)
        }
        return list.changes.count
    }

    /// By a timer of an event loop: see ``sweep()``.
    func pause(_ time: TimeAmount) async {
        let timer = self.eventLoopGroup.next().scheduleTask(in: time) {}
        await withTaskCancellationHandler {
            _ = try? await timer.futureResult.get()
        } onCancel: {
            timer.cancel()
        }
    }
}
