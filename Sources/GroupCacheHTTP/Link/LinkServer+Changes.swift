// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

// What followers ask, and what others have this node change.
extension LinkServer {
    /// What has changed here after a place. The question waits in a task while nothing has.
    func follow(_ request: LinkRequest, _ bytes: Span<UInt8>) {
        let arrived = self.loop.now
        guard let question = Self.value(request, bytes, ChangeQuestion.init), let feed = self.core.feed else {
            return self.refuse(request, GroupCacheError(.badRequest, "no question of a follower"))
        }
        self.run(request) { [core = self.core] in
            do throws(GroupCacheError) {
                var list = try await feed.answer(question, arrived: arrived) { core.members.withLockedValue { $0 }.ring.version }
                list.clock = SetTurns.now
                return .entry(ServedEntry(value: list.encoded, source: .main))
            } catch {
                return .failure(error)
            }
        }
    }

    /// Changes that concern this node as an owner.
    func make(_ request: LinkRequest, _ bytes: Span<UInt8>) {
        guard let list = Self.value(request, bytes, ChangeList.init), self.core.feed != nil else {
            return self.refuse(request, GroupCacheError(.badRequest, "no list of changes"))
        }
        // Each of a clear costs a look at every entry: what is said twice is made once.
        let changes = list.distinct
        _ = self.core.turns.takes(Self.trail(of: request, bytes))
        let standIn = LinkTime.requestTTL(request.ttl) ?? .zero
        let waits = LinkMarks(rawValue: request.marks).contains(.waits)
        self.run(request) { [core = self.core] in
            if !list.node.isEmpty {
                do throws(GroupCacheError) { try core.takeOn(changes, for: list.node) } catch { return .failure(error) }
                return .done
            }
            // What anybody has asked before it was answered finds it made.
            for change in changes { core.made(change) }
            guard waits else { return .done }
            do throws(GroupCacheError) {
                try await core.applied(
                    core.position.sequence,
                    standInTTL: standIn,
                    within: list.within.map { .milliseconds($0) }
                )
                return .applied
            } catch {
                if list.within != nil, error.isMade {
                    return .entry(ServedEntry(value: UnheardNodes(error.nodes).encoded, source: .main))
                }
                return .failure(error)
            }
        }
    }

    static func value<T>(_ request: LinkRequest, _ bytes: Span<UInt8>, _ read: (Span<UInt8>) throws(LinkFault) -> T) -> T? {
        do throws(LinkFault) { return try read(bytes.extracting(request.value.range)) } catch { return nil }
    }
}
