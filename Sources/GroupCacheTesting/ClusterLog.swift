// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers

/// The changes of one node of a cluster, and the nodes that follow it: they are told at once, in the task of who made the change.
final class ClusterLog: ChangeRecorder {
    fileprivate struct State {
        /// The newest changes, and how many there were before them.
        var changes: [Change] = []
        var dropped: UInt64 = 0
        var followers: [String: Reader] = [:]
    }

    fileprivate struct Reader {
        var follower = Follower(promise: 5_000)
        /// Somebody tells it, and, if more has come meanwhile, goes on.
        var isBusy = false
        var hasMore = false
    }

    fileprivate enum Step {
        case done
        /// Something may have been missed.
        case anew
        case changes([Change])
    }

    /// How many changes are kept for nodes that cannot be reached: few, so that a test can have more.
    static let capacity = 256

    private let epoch = UInt64.random(in: 1 ... .max)
    private let state = NIOLockedValueBox(State())
    private let wakeFollowers: @Sendable () -> Void

    init(wake: @escaping @Sendable () -> Void) { self.wakeFollowers = wake }

    var position: StreamPosition { self.state.withLockedValue { StreamPosition(epoch: self.epoch, sequence: $0.last) } }

    func record(_ change: Change) -> UInt64 {
        self.state.withLockedValue { state in
            state.changes.append(change)
            if state.changes.count > Self.capacity {
                state.changes.removeFirst()
                state.dropped += 1
            }
            return state.last
        }
    }

    func wake() { self.wakeFollowers() }

    /// Whoever can be reached is told at once, by the task that made the change, or by one that was telling others already.
    func applied(_ sequence: UInt64, standInTTL: Duration, within time: Duration?) async throws(GroupCacheError) {
        var hasTold = false
        while true {
            let (deaf, isBusy) = self.state.withLockedValue { state in
                let deaf = state.followers.filter { $0.value.isBusy || ($0.value.follower.position?.sequence ?? 0) < sequence }
                return (deaf.map(\.key), deaf.contains { $0.value.isBusy })
            }
            if deaf.isEmpty { return }
            if isBusy {
                await Task.yield()
            } else if hasTold {
                throw GroupCacheError.unheard(by: deaf)
            } else {
                // It may have been recorded just now, by somebody who has not told of it yet.
                self.wake()
                hasTold = true
            }
        }
    }

    /// Tells a node what it has not heard yet. If somebody is about to do so, that one goes on until there is nothing more.
    ///
    /// - Parameters:
    ///   - isCut: The node cannot be reached. When it can, it goes on where it was.
    ///   - hear: Applies a change. Called without a lock, and never by two at a time.
    func tell(_ id: String, isCut: () -> Bool, hear: (Change) -> Void) {
        let isMine = self.state.withLockedValue { state in
            let isBusy = state.followers[id, default: Reader()].isBusy
            state.followers[id, default: Reader()].hasMore = true
            state.followers[id, default: Reader()].isBusy = true
            return !isBusy
        }
        guard isMine else { return }
        while true {
            let cut = isCut()
            let step = self.state.withLockedValue { state -> Step? in
                guard state.followers[id]?.hasMore == true else {
                    state.followers[id]?.isBusy = false
                    return nil
                }
                return state.next(for: id, epoch: self.epoch, isCut: cut)
            }
            switch step {
            case nil: return
            case .done?: continue
            case .anew?: hear(.everything)
            case .changes(let changes)?: for change in changes { hear(change) }
            }
        }
    }
}

extension ClusterLog.State {
    fileprivate var last: UInt64 { self.dropped + UInt64(self.changes.count) }

    /// What a follower is to be told next.
    fileprivate mutating func next(for id: String, epoch: UInt64, isCut: Bool) -> ClusterLog.Step {
        guard var reader = self.followers[id] else { return .done }
        defer { self.followers[id] = reader }
        if isCut {
            reader.follower.broke()
            reader.hasMore = false
            return .done
        }
        do {
            // Whoever tells it may be so slow that more has come meanwhile than is kept.
            if let position = reader.follower.position, position.sequence < self.dropped { reader.follower.broke() }
            if !reader.follower.isOpen {
                // Nothing takes time here, and no copy is served because a stream is fresh.
                let wanted = reader.follower.ask(0)?.sequence
                let start = wanted.flatMap { $0 >= self.dropped ? $0 : nil } ?? self.last
                if try reader.follower.opened(at: StreamPosition(epoch: epoch, sequence: start)) == .anew { return .anew }
            }
            let start = reader.follower.position?.sequence ?? self.last
            guard start < self.last else {
                reader.hasMore = false
                return .done
            }
            let changes = Array(self.changes[Int(start - self.dropped)...])
            try reader.follower.heard(after: start, upTo: self.last)
            return .changes(changes)
        } catch {
            return .anew
        }
    }
}
