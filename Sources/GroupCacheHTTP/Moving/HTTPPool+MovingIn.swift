// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import NIOConcurrencyHelpers
internal import NIOCore

// A node that has come to own keys takes over what those have who owned them, before anybody asks for them: from one that drains before it ends, from those
// who have stood in before what they hold goes, and from everybody when it joins. It asks which keys these are, what was used last first, and then looks
// at their values as any owner looks at what a former one has: see `Group.moveIn`.
extension HTTPPool {
    /// What is to be taken over: a group's entries, from a node.
    private struct Source: Sendable {
        var getter: HTTPGetter
        var group: any ChangeListener

        var name: [String] { [self.getter.id, self.group.name] }
    }

    /// How soon those are asked again who could not answer yet.
    private static let again = TimeAmount.milliseconds(100)
    /// Of how many sources is taken at a time.
    private static let width = 4
    /// How many values are on their way from one source at a time.
    private static let values = 64
    /// Where there is no more room only what is hotter than most is worth the entry that leaves for it.
    private static let hot: UInt8 = 128

    /// Takes over what there is, whenever keys may have come to this node, until the task is cancelled.
    func moveIn() async {
        guard self.core.feed != nil, self.configuration.warmTime > .zero else { return }
        /// Of the last change of the ring, who has nothing more for this node.
        var done: Set<[String]> = []
        var last: (ring: UInt64, until: NIODeadline?) = (0, nil)
        for await _ in self.core.keysMoved.stream {
            while !Task.isCancelled {
                let members = self.core.members.withLockedValue { $0 }
                let change = (ring: members.ring.version, until: members.warming.changes.first?.until)
                if change != last { (last, done) = (change, []) }
                let groups = self.core.groups.withLockedValue { $0.groups }.compactMap { $0 as? any ChangeListener }
                let sources = members.movedFrom(now: .now()).flatMap { getter in groups.map { Source(getter: getter, group: $0) } }
                let open = sources.filter { !done.contains($0.name) }
                if open.isEmpty { break }
                let finished = await self.takeOver(open, members)
                done.formUnion(finished.map(\.name))
                if finished.count < open.count { await self.pause(Self.again) }
            }
        }
    }

    /// - Returns: Those that are done with.
    private func takeOver(_ sources: [Source], _ members: Members) async -> [Source] {
        let rest = NIOLockedValueBox(sources[...])
        return await withTaskGroup(of: [Source].self) { tasks in
            for _ in 0..<min(Self.width, sources.count) {
                tasks.addTask {
                    var done: [Source] = []
                    while let source = rest.withLockedValue({ $0.popFirst() }) {
                        if await self.takeOver(source, members) { done.append(source) }
                    }
                    return done
                }
            }
            return await tasks.reduce(into: []) { $0 += $1 }
        }
    }

    /// - Returns: Whether it is done with. `false`: it is to be asked again.
    private func takeOver(_ source: Source, _ members: Members) async -> Bool {
        guard let id = members.selfID(self.configuration.dialect), let feed = self.core.feed else { return true }
        var question = MovedQuestion(asker: feed.log.epoch, id: id, group: source.group.name, ring: members.ring.version)
        while !Task.isCancelled, self.ring.version == members.ring.version {
            let (getter, stream) = (source.getter, source.getter.standing.stream)
            // Who has left the list is there as long as it has a link.
            if getter.isOver || (stream.isOver && !getter.isLinked) { return true }
            guard getter.hasLinks, getter.isUp else { return false }
            do throws(GroupCacheError) {
                let page = try await getter.moved(question)
                if page.state == .notYet || page.state == .again { return false }
                await self.take(page.keys, of: source.group)
                if page.state == .end { return true }
                if page.hotness < Self.hot, let kept = source.group as? any KeptGroup, kept.room <= 0 { return true }
                question.page += 1
            } catch {
                switch error.code {
                // One of an earlier version; who asks for a key is handed it all the same.
                case .unsupported, .badRequest, .noSuchGroup: return true
                default: return false
                }
            }
        }
        return true
    }

    private func take(_ keys: [Key], of group: any ChangeListener) async {
        for start in stride(from: 0, to: keys.count, by: Self.values) {
            let some = Array(keys[start..<min(start + Self.values, keys.count)])
            if await group.moveIn(some) == some.count { continue }
            // What is there already is passed over. Of large values only as many are answered at once as there is room for on the link.
            for first in stride(from: 0, to: some.count, by: 4) { _ = await group.moveIn(Array(some[first..<min(first + 4, some.count)])) }
        }
    }
}

extension HTTPGetter {
    /// Asks which keys the peer holds that are this node's.
    func moved(_ question: MovedQuestion) async throws(GroupCacheError) -> MovedPage {
        let answer = try await self.call(.changes(.moved, question.encoded, [], .zero), timeout: 2_000)
        let result = answer.value.withSpan { bytes -> Result<MovedPage, LinkFault> in
            do throws(LinkFault) { return .success(try MovedPage(bytes)) } catch { return .failure(error) }
        }
        do throws(LinkFault) {
            return try result.get()
        } catch {
            throw GroupCacheError(.peerFailed, "the peer's answer is no page of keys", cause: error)
        }
    }
}

extension Members {
    /// From whom keys may have come to this node by the last changes of the ring: who has left, or has another weight than before. From everybody, if this node
    /// has come, or has another weight.
    func movedFrom(now: NIODeadline) -> [HTTPGetter] {
        guard self.selfIndex != nil else { return [] }
        var found: [HTTPGetter] = []
        var after = self.ring
        for change in self.warming.changes where change.until > now {
            var getters: [HTTPGetter?] = []
            if let before = change.ring, let index = change.selfIndex, Self.keeps(before.members[index], in: after) {
                for (member, getter) in zip(before.members, change.getters) where !Self.keeps(member, in: after) { getters.append(getter) }
            } else {
                getters = self.getters + change.getters
            }
            for case let getter? in getters where !found.contains(where: { $0 === getter }) { found.append(getter) }
            if let before = change.ring { after = before }
        }
        return found
    }

    private static func keeps(_ member: HashRing.Member, in ring: HashRing) -> Bool {
        ring.index(of: member.id).map { ring.members[$0].weight == member.weight } ?? false
    }
}
