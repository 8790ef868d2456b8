// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import GroupCache
public import Informers
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Follows what changes in a group, at all nodes of a cluster: one stream for each, since each tells of the keys that it owns.
///
/// ```swift
/// try await GroupWatch("scores", node: "http://127.0.0.1:8001").run { event in
///     switch event.kind {
///     case .change(let change): if let key = change.key { await index.update(key) } else { await index.rebuild() }
///     case .lost: await index.rebuild()
///     case .unreachable(let why): print("\(event.node): \(why)")
///     }
/// }
/// ```
///
/// A stream that breaks goes on where it was, without a gap. Where that cannot be, because a node has started anew or has forgotten so much, it is said:
/// ``Event/Kind/lost``. Nodes that come later are followed from their beginning. There is no order between the changes of different nodes.
public struct GroupWatch: Sendable {
    /// Something that a node has told, or that has become of its stream.
    public struct Event: Sendable {
        /// What.
        public enum Kind: Sendable, Hashable {
            /// Something has changed.
            case change(GroupChange)
            /// From now on the node is followed, but what changed before, since what it told last, is not known. It comes first of each node's that was there
            /// when the watch began, too: nothing is known of the time before.
            case lost
            /// It cannot be followed at present, for this reason; it is tried again and again. Said once until it can be.
            case unreachable(String)
        }

        /// The URL of the node.
        public var node: String
        /// What.
        public var kind: Kind
        /// The value, of a set, if it was asked for and was still there.
        public var value: [UInt8]?
        /// The event as the node has written it; empty if it has not.
        public var json = ""
    }

    private let group: String
    private let node: String
    private let access: NodeAccess
    private let query: String
    private let clock: InformerClock

    /// - Parameters:
    ///   - group: Its name.
    ///   - node: The URL of any of the nodes.
    ///   - access: How they are asked. Those who ask the same nodes share one.
    ///   - key: Only of this key; changes of many keys are told all the same.
    ///   - prefix: Only of keys that begin so.
    ///   - values: Whether values come along.
    ///   - clock: What is waited by before a node is tried again, and before all are asked who the others are.
    public init(
        _ group: String,
        node: String,
        access: NodeAccess = NodeAccess(),
        key: String? = nil,
        prefix: String? = nil,
        values: Bool = false,
        clock: InformerClock = .continuous
    ) {
        self.clock = clock
        self.group = NodeAccess.escaped(group)
        self.node = node.hasSuffix("/") ? String(node.dropLast()) : node
        self.access = access
        var query = "/v1/groups/\(self.group)/keys"
        if let key { query += "/\(NodeAccess.escaped(key))" }
        query += "?watch=true&sendInitialEvents=false&heartbeatSeconds=5"
        if let prefix { query += "&prefix=\(NodeAccess.escaped(prefix))" }
        if values { query += "&values=true" }
        self.query = query
    }

    private struct MemberPage: Decodable {
        var items: [NodeMember]
    }

    private struct KeyPage: Decodable {
        struct Metadata: Decodable {
            var resourceVersion: String
        }
        var metadata: Metadata
    }

    /// Follows until the task is cancelled or `handle` throws. It is called for one event of a node after the other, but for several nodes at once.
    ///
    /// - Throws: `CancellationError`, what `handle` throws, and, if the first question fails already, ``/Informers/Status`` or ``/Informers/WatchError``.
    public func run(_ handle: @escaping @Sendable (Event) async throws -> Void) async throws {
        let first = try await self.members(of: self.node)
        // Whether there is such a group, and it can be watched, is known by the node that was named.
        _ = try await self.version(of: self.node)
        let present = NIOLockedValueBox(Set(first))
        try await withThrowingTaskGroup(of: String?.self) { tasks in
            var followed: Set<String> = []
            for member in first {
                followed.insert(member)
                tasks.addTask { try await self.follow(member, isNew: false, present, handle) }
            }
            tasks.addTask { try await self.pause(.seconds(1)) }
            while let ended = try await tasks.next() {
                if let ended {
                    followed.remove(ended)
                    continue
                }
                // Any of them knows the others, also when the one that was named is down.
                for candidate in [self.node] + present.withLockedValue({ $0 }).sorted() {
                    guard let members = try? await self.members(of: candidate) else { continue }
                    present.withLockedValue { $0 = Set(members) }
                    for member in members where followed.insert(member).inserted {
                        tasks.addTask { try await self.follow(member, isNew: true, present, handle) }
                    }
                    break
                }
                tasks.addTask { try await self.pause(.seconds(1)) }
            }
        }
    }

    private func pause(_ time: Duration) async throws -> String? {
        try await self.clock.sleep(for: time)
        return nil
    }

    /// The URLs of all nodes.
    private func members(of node: String) async throws -> [String] {
        let members = try await self.access.get(MemberPage.self, node + "/v1/members").items
        return members.isEmpty ? [node] : members.filter { $0.state != "gone" }.map(\.url)
    }

    private func version(of node: String) async throws -> ResourceVersion {
        let page = try await self.access.get(KeyPage.self, "\(node)/v1/groups/\(self.group)/keys?limit=0")
        guard let version = ResourceVersion(page.metadata.resourceVersion) else { throw WatchError(.malformed) }
        return version
    }

    /// Follows a node until it is none of the members any more.
    ///
    /// - Parameter isNew: it has come since: nothing of what it has told is older than that.
    private func follow(
        _ node: String,
        isNew: Bool,
        _ present: NIOLockedValueBox<Set<String>>,
        _ handle: @Sendable (Event) async throws -> Void
    ) async throws -> String {
        var place: ResourceVersion?
        var isNew = isNew
        var isUnreachable = false
        var pause = Duration.milliseconds(100)
        while present.withLockedValue({ $0.contains(node) }) {
            do {
                if place == nil {
                    let now = try await self.version(of: node)
                    // From its beginning, if it can tell that: then nothing is missed of it. Else, and of one that was there before, from now on.
                    place = isNew ? ResourceVersion(epoch: now.epoch, sequence: 0) : now
                    if !isNew {
                        try await self.tell(Event(node: node, kind: .lost), handle)
                        // Whoever has been told that it is followed is told, too, when it goes before the watch has begun.
                        isUnreachable = false
                    }
                    isNew = false
                }
                let steps = try await self.stream(node, place)
                // Here, not at its first step: a node that has nothing to tell has been reached all the same.
                isUnreachable = false
                for try await step in steps {
                    pause = .milliseconds(100)
                    if case .error(let status) = step.change { throw status }
                    if let event = step.object?.event(node) { try await self.tell(event, handle) }
                    if let version = step.resourceVersion.flatMap({ ResourceVersion($0) }) { place = version }
                }
            } catch let failure as Failure {
                throw failure.error
            } catch is CancellationError {
                throw CancellationError()
            } catch let status as Status where status.isExpired {
                // It has started anew, of which everything is told, or has forgotten: what changed in between is not known.
                let now = try? await self.version(of: node)
                let isAnotherLife = now.map { $0.epoch != place?.epoch } ?? false
                place = isAnotherLife ? now.map { ResourceVersion(epoch: $0.epoch, sequence: 0) } : nil
                if isAnotherLife {
                    try await self.tell(Event(node: node, kind: .lost), handle)
                    isUnreachable = false
                }
            } catch {
                try Task.checkCancellation()
                if !isUnreachable {
                    let why = (error as? Status)?.message ?? "it cannot be reached"
                    try await self.tell(Event(node: node, kind: .unreachable(why)), handle)
                }
                isUnreachable = true
            }
            try await self.clock.sleep(for: pause * Double.random(in: 0.5...1))
            pause = min(pause * 2, .seconds(5))
        }
        return node
    }

    /// What the caller's own function threw, which is no failure of a node.
    private struct Failure: Error {
        var error: any Error
    }

    private func tell(_ event: Event, _ handle: (Event) async throws -> Void) async throws {
        do { try await handle(event) } catch { throw Failure(error: error) }
    }

    private func stream(_ node: String, _ place: ResourceVersion?) async throws -> WatchStream<KeyObject> {
        let body = try await self.access.open("\(node)\(self.query)&resourceVersion=\(place.map { "\($0)" } ?? "")")
        let source = DecodedWatchSource(body.map(\.readableBytesView), maximumLength: 64 << 20) { bytes in
            var event = try JSONDecoder().decode(WatchEvent<KeyObject>.self, from: Data(bytes))
            let json = String(decoding: bytes, as: UTF8.self)
            switch event.change {
            case .modified(var object):
                object.json = json
                event.change = .modified(object)
            case .deleted(var object):
                object.json = json
                event.change = .deleted(object)
            default: break
            }
            return event
        }
        return WatchStream(source) { error in error is DecodingError || error is WatchError ? WatchStream<KeyObject>.report(error) : nil }
    }

    /// A key, or a range of them, as a node writes it.
    private struct KeyObject: Decodable, Sendable {
        struct Metadata: Decodable {
            var name: String?
        }
        var kind: String
        var metadata: Metadata
        var nameBase64: String?
        var reason: String?
        var tag: String?
        var soft: Bool?
        var value: String?
        var valueBase64: String?
        var json = ""

        private enum CodingKeys: String, CodingKey { case kind, metadata, nameBase64, reason, tag, soft, value, valueBase64 }

        func event(_ node: String) -> Event? {
            guard let reason = self.reason.flatMap({ GroupChange.Reason(rawValue: $0) }) else { return nil }
            let bytes = self.nameBase64.flatMap { Data(base64Encoded: $0) }
            let key = bytes.map { Key(bytes: $0) } ?? (self.kind == "Key" ? self.metadata.name.map { Key($0) } : nil)
            var change = GroupChange(reason, key: key)
            (change.tag, change.isSoft) = (self.tag, self.soft ?? false)
            let value = self.valueBase64.flatMap { Data(base64Encoded: $0) }.map { Array($0) } ?? self.value.map { Array($0.utf8) }
            return Event(node: node, kind: .change(change), value: value, json: self.json)
        }
    }
}
