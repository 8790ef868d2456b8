// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// Those who ask which keys of theirs this node holds, and how far each has come: a value.
struct Movings: Sendable {
    /// Where one of them is.
    final class Walk: Sendable {
        let place = Mutex(RankedWalk())
    }

    private struct Name: Hashable {
        var asker: UInt64
        var group: String
    }

    private struct Row {
        var walk: Walk
        /// Which page is to come.
        var page: UInt32
        var last: NIODeadline
    }

    /// A walk takes a bit an entry, and goes when it was not asked for for this long.
    private static let patience = TimeAmount.seconds(10)
    /// How many walk at a time.
    private static let limit = 64
    /// Who has been given a page has its values fetched, and then asks for the next one, within this time.
    private static let pause = TimeAmount.seconds(1)

    private var rows: [Name: Row] = [:]
    private var lastWord: NIODeadline?

    /// The walk of which an asker wants a page; `nil`: it has to begin again, or there are too many.
    mutating func walk(_ question: MovedQuestion, now: NIODeadline) -> Walk? {
        self.lastWord = now
        let name = Name(asker: question.asker, group: question.group)
        if question.page == 0 {
            self.rows = self.rows.filter { $0.key != name && $0.value.last + Self.patience > now }
            guard self.rows.count < Self.limit else { return nil }
            self.rows[name] = Row(walk: Walk(), page: 0, last: now)
        }
        guard let row = self.rows[name], row.page == question.page else { return nil }
        self.rows[name] = Row(walk: row.walk, page: row.page &+ 1, last: now)
        return row.walk
    }

    /// An asker has been told everything.
    mutating func end(_ question: MovedQuestion) {
        self.rows[Name(asker: question.asker, group: question.group)] = nil
    }

    /// Whether anybody is at it: also whoever has just been given the last page.
    func areUnderWay(_ now: NIODeadline) -> Bool { self.lastWord.map { $0 + Self.pause > now } ?? false }
}

extension PoolCore {
    /// At most so many entries are looked at for a page.
    private static let looks = 4_096
    private static let pageSize = 256
    private static let pageBytes = 64 << 10

    /// Which keys this node holds that are the asker's.
    ///
    /// Only when both go by the same ring, or by rings that differ in this node alone, which drains: then what the asker takes over it may keep for all of
    /// its time. Before that it is told to ask again.
    func moved(_ question: MovedQuestion) -> MovedPage {
        let members = self.members.withLockedValue { $0 }
        let isLeaving = self.isDraining.load(ordering: .relaxed) && question.ring == members.heirsVersion
        guard isLeaving || question.ring == members.ring.version, let asker = members.ring.index(of: question.id),
            asker != members.selfIndex
        else { return MovedPage(.notYet) }
        guard let group = self.groups.withLockedValue({ $0.find(question.group) }) as? any KeptGroup else { return MovedPage(.end) }
        guard let walk = self.movings.withLockedValue({ $0.walk(question, now: .now()) }) else { return MovedPage(.again) }
        let page = walk.place.withLock { place in
            var page = MovedPage(.more)
            var (looks, bytes) = (0, 0)
            while page.keys.count < Self.pageSize, looks < Self.looks, bytes < Self.pageBytes {
                guard let entries = group.keptEntries(place, limit: 64, values: nil) else {
                    page.state = .end
                    break
                }
                looks += max(1, entries.count)
                for entry in entries where entry.timeLeft ?? 1 > 0 {
                    guard let (owner, next) = members.ring.ownerAndNext(of: entry.key.span) else { continue }
                    let heir = owner == members.selfIndex && isLeaving ? next : owner
                    guard heir == asker else { continue }
                    page.keys.append(Key(bytes: entry.key))
                    page.hotness = max(page.hotness, entry.hotness)
                    bytes += entry.key.count
                }
            }
            return page
        }
        if page.state == .end { self.movings.withLockedValue { $0.end(question) } }
        return page
    }
}

extension LinkServer {
    /// Which keys are the asker's. In a task: it looks at some thousand entries.
    func moved(_ request: LinkRequest, _ bytes: Span<UInt8>) {
        guard let question = Self.value(request, bytes, MovedQuestion.init) else {
            return self.refuse(request, GroupCacheError(.badRequest, "no question for keys that have moved"))
        }
        self.run(request) { [core = self.core] in .entry(ServedEntry(value: core.moved(question).encoded, source: .main)) }
    }
}
