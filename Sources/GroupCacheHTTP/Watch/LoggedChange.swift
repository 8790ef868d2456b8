// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers

/// An entry of a node's change log: what its peers are told, and, for those who watch, whether a key has got a value.
struct LoggedChange: Sendable {
    var change: Change
    var isSet: Bool

    /// What it means for those who watch; `nil`: nothing.
    var told: GroupChange? { GroupChange(self.change, isSet: self.isSet) }
}

/// A place in the log for who watches in this process: see ``/GroupCache/Group/changes``.
final class LogCursor: ChangeCursor {
    private let log: EventLog<LoggedChange>
    private let group: String
    /// `nil`: what came after its place is not known any more.
    private var cursor: EventCursor<LoggedChange>?

    init(_ log: EventLog<LoggedChange>, group: String, after position: StreamPosition) {
        self.log = log
        self.group = group
        self.cursor = self.cursor(after: "\(ResourceVersion(epoch: position.epoch, sequence: position.sequence))")
    }

    func next() async -> [GroupChange]? {
        while true {
            guard let cursor else {
                // It is closed, or has too many watchers, if this is none either.
                self.cursor = self.cursor(after: "")
                return self.cursor == nil ? nil : [GroupChange(.lost)]
            }
            do {
                switch try await cursor.next() {
                case .entries(let entries, _): return entries.compactMap(\.event.told)
                case .bookmark: continue
                case nil: return nil
                }
            } catch let status as Status where status.isExpired {
                self.cursor = nil
            } catch {
                return nil
            }
        }
    }

    private func cursor(after version: String) -> EventCursor<LoggedChange>? {
        try? self.log.cursor(after: version, topic: self.group, where: { $0.told != nil })
    }
}
