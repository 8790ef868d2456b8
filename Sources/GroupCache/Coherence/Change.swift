// SPDX-License-Identifier: Apache-2.0

package import Logging

/// What somebody has changed: an entry of a node's change log, and what an outbox keeps for a node that cannot be reached.
///
/// It names what is old from now on and says nothing of what is new, so one that comes twice, or late, costs a load and never a wrong value.
package enum Change: Sendable, Hashable {
    /// A key was set or removed.
    case key(Key, group: String)
    /// A key was changed at its owner, of which a former owner tells those who still copy from it. The owner itself knows.
    case copies(Key, group: String)
    /// Whatever has the tag was removed, or, if `soft`, is stale.
    case tag(EntryTag, group: String, soft: Bool)
    /// A group was cleared, or nobody knows any more what of it was changed.
    case group(String)
    /// Nobody knows any more what was changed.
    case everything

    /// The group that it is about; `nil`: all.
    package var group: String? {
        switch self {
        case .key(_, let group), .copies(_, let group), .tag(_, let group, _), .group(let group): group
        case .everything: nil
        }
    }

    /// Whether it is about more than one key.
    package var isOfMany: Bool {
        switch self {
        case .key, .copies: false
        case .tag, .group, .everything: true
        }
    }

    /// What it counts against limits, in bytes: what it names, and what keeping it costs beside that.
    package var size: Int {
        switch self {
        case .key(let key, let group), .copies(let key, let group): 64 + key.bytes.count + group.utf8.count
        case .tag(let tag, let group, _): 64 + tag.bytes.count + group.utf8.count
        case .group(let group): 64 + group.utf8.count
        case .everything: 64
        }
    }
}

/// A place in a node's change log.
package struct StreamPosition: Sendable, Hashable {
    /// Which life of the node.
    package var epoch: UInt64
    /// The last change before the place; 0: none.
    package var sequence: UInt64

    /// A place.
    package init(epoch: UInt64, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }
}

/// When a change is done, for who makes it.
public struct ChangeWait: Sendable, Hashable {
    /// Whether more nodes than the owner are waited for.
    package let isApplied: Bool
    /// For how long they are waited for; `nil`: until it is known of all.
    package let within: Duration?

    /// When the owner has it. Nodes that follow the owner serve what was there before for as long as the promise says, at the most.
    public static let owner = Self(isApplied: false, within: nil)
    /// When no node that follows the owner serves what was there before: each has said so, or what it holds has come to its end.
    public static let applied = Self(isApplied: true, within: nil)

    /// As ``applied``, but for so long at the most, from when the owner has the change: then `notDelivered` names the nodes that may serve what was there
    /// before. Not below zero, which asks who they are just then.
    public static func applied(within time: Duration) -> Self { Self(isApplied: true, within: max(.zero, time)) }

    /// What is left to wait after a time.
    package func after(_ time: Duration) -> Self { self.within.map { .applied(within: $0 - time) } ?? self }
}

/// On what terms a node makes a change that another one asks for.
package struct ChangeTerms: Sendable, Hashable {
    /// When it is done.
    package var wait = ChangeWait.owner
    /// As what the node makes it.
    package enum Role: Sendable {
        /// As the owner. A node that is none, by its own ring, refuses.
        case owner
        /// In place of an owner that cannot be reached.
        case acting
        /// As who owned the key until a moment ago, and may still be asked for it.
        case former
    }

    /// As what.
    package var role = Role.owner
    /// How long the asker's group keeps what it loads in the owner's place.
    package var standInTTL = Duration.zero
    /// Of what is kept in an owner's place: how long ago it was asked for, at the most. It counts from then.
    package var age = Duration.zero
    /// Of a removal: how long what is loaded is not kept. See ``Group/remove(_:settle:wait:)-(Key,_,_)``.
    package var settle = Duration.zero

    /// For the owner, who is done when it has the change.
    package init(wait: ChangeWait = .owner, as role: Role = .owner, standInTTL: Duration = .zero) {
        (self.wait, self.role, self.standInTTL) = (wait, role, standInTTL)
    }
}

/// A pool that writes down what its node changes, and tells other nodes.
package protocol RecordingPeers: PeerPicker {
    /// `nil`: nobody follows this node, and its changes cost nothing. A group asks once, when it begins.
    var recorder: (any ChangeRecorder)? { get }
    /// Whether this node owns a key, and tells others what becomes of it. O(1); does not block.
    func owns(_ key: Span<UInt8>) -> Bool
    /// Whether this node owns a key and makes its changes alone: it knows who the others are, none of them has to hear before a change is acknowledged
    /// (``otherOwners(of:)``), and it is not about to leave. O(1); does not block.
    ///
    /// - Returns: what ``isStill(_:)`` is asked with; `nil`, the default: no, or that is not known.
    func soleOwner(of key: Span<UInt8>) -> UInt64?
    /// Whether what ``soleOwner(of:)`` has said is true still. An atomic read.
    func isStill(_ place: UInt64) -> Bool
    /// What copies of other nodes' entries are served by; `nil`, the default: copies end with their time.
    var leases: CopyLeases? { get }

    /// Which nodes have to hear of a change of a key that this node owns, before it is acknowledged: who owned it until a moment ago and may still be asked
    /// for it, and who will own it when this node has left and may have taken it over. Whether or not they can be reached.
    func otherOwners(of key: Key) -> [any PeerGetter]
    /// Who has to be looked at before a change is made here that depends on what there is: those who owned the key until a moment ago and can be reached,
    /// the last one first. When this returns, all that they have changed as the owner has been heard, and they make no further change as the owner.
    ///
    /// - Throws: `ownerChanging`: by what is known one of them may still take itself for the owner.
    func formerOwners(toCompare key: Key) async throws(GroupCacheError) -> [any PeerGetter]
    /// Who owns a key by this node's ring, if that is another one, and it can be asked over a link that is open; `nil`, the default: nobody. O(1); does not block.
    func linkedOwner(of key: Key) -> (any PeerGetter)?
    /// Whether this node makes no change of a key as its owner any more, or tells who comes after it. O(1); does not block.
    func handsOver(_ key: Span<UInt8>) -> Bool
    /// Whether this node knows who owns what. One that has begun and has not heard yet who the others are would load what they hold.
    var knowsOwners: Bool { get }
    /// How long a copy may be served after its value was changed.
    var promise: Duration { get }
    /// Whether ``PeerServing/sweep()`` is being called.
    var sweeps: Bool { get }
    /// Who is told what goes wrong in groups that were given no logger; `nil`, the default: nobody.
    var groupLogger: Logger? { get }

    /// Makes a change of a tag or of a whole group at every other node, as that node's own, and returns when each of them has made and recorded it.
    /// Who cannot be reached is told before anything else is asked of it.
    ///
    /// - Throws: `notDelivered` with the nodes that have not heard; `cannotFollow` with those that never will.
    func spread(_ change: Change, wait: ChangeWait) async throws(GroupCacheError)
    /// A node that owns what was changed could not be told. It is, before anything else is asked of it; until then others act for it.
    ///
    /// - Returns: `false`: it cannot be done, and the node keeps what it has.
    func keep(_ change: Change, for node: any PeerGetter) -> Bool
}

extension RecordingPeers {
    package var leases: CopyLeases? { nil }
    package func owns(_ key: Span<UInt8>) -> Bool { false }
    package func soleOwner(of key: Span<UInt8>) -> UInt64? { nil }
    package func isStill(_ place: UInt64) -> Bool { false }
    package func keep(_ change: Change, for node: any PeerGetter) -> Bool { false }
    package func otherOwners(of key: Key) -> [any PeerGetter] { self.formerOwner(of: key).map { [$0] } ?? [] }
    package func formerOwners(toCompare key: Key) async throws(GroupCacheError) -> [any PeerGetter] {
        self.formerOwner(of: key).map { [$0] } ?? []
    }
    package func linkedOwner(of key: Key) -> (any PeerGetter)? { nil }
    package func handsOver(_ key: Span<UInt8>) -> Bool { false }
    package var knowsOwners: Bool { true }
    package var promise: Duration { .seconds(5) }
    package var sweeps: Bool { false }
    package var groupLogger: Logger? { nil }
}

/// A group that can be told what another node has changed.
package protocol ChangeListener: PeerServing {
    /// How long what is loaded in another node's place is kept.
    var standInTTL: Duration { get }
    /// What this node has copied of what was changed goes, and what is being loaded of it is not kept. Not for changes of this node. O(1) for a key and a
    /// tag, else O(entries).
    func heard(_ change: Change)
    /// What is being loaded just now of the keys of some owners is not kept, and nobody who comes now waits for it; and what this node has of keys that have
    /// come from them goes. O(loads), and O(entries) if owners have changed a moment ago.
    func loadsMayBeOld(of isOwner: ((any PeerGetter)?) -> Bool, wasOwner: ((Key) -> Bool)?)
    /// Takes over what the former owners of keys have that are this node's now, as far as nobody does so just now or has done. Some of them at a time: memory is
    /// that of their values.
    ///
    /// - Returns: How many of them were taken over.
    func moveIn(_ keys: [Key]) async -> Int
    /// Makes a change, which concerns more nodes than this one, as this node's own: what it holds of it goes, and it is recorded.
    func made(_ change: Change)
    /// What this node holds as the owner of keys it serves before a moment only: see ``Store/fence(until:suspect:by:)``.
    func fence(until moment: Int64, suspect: Bool, by clock: CacheClock)
    /// Stores a value, as ``PeerServing/serveSet(_:to:if:for:)``.
    func serveSet(
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        _ terms: ChangeTerms,
        for requester: Requester
    ) async throws(GroupCacheError) -> SetOutcome
    /// Removes a value, as ``PeerServing/serveRemove(_:if:for:)``.
    func serveRemove(_ key: Key, if condition: ChangeCondition?, _ terms: ChangeTerms, for requester: Requester)
        async throws(GroupCacheError)
}

/// Writes down what a node changes, for the nodes that follow it.
///
/// The order of things makes the promise. A change is recorded after the store has changed and before the lock is let go that landings take, so:
///
/// * Who reads ``position`` and then the store has either a value that is no older than the change, or a sequence before the change's. Were it recorded
///   first, this could happen: the change is recorded as 8; a reader reads 8, and the old value; the store changes. The reader's copy would be taken
///   for one that knows of 8, and be kept.
/// * A load that is not superseded lands before the change is recorded, or after the load's flight knows of it.
package protocol ChangeRecorder: Sendable {
    /// The last change, and which life of the node this is. An atomic read. To be read before what an answer is made of.
    var position: StreamPosition { get }
    /// Writes down a change and returns its sequence: one more than that of the change before. Called under a group's lock: O(1), and it wakes
    /// nobody.
    func record(_ change: Change) -> UInt64
    /// Writes down a change, as ``record(_:)``.
    ///
    /// - Parameter isSet: Whether it gave a key a value, for those who watch. By default nobody does.
    func record(_ change: Change, isSet: Bool) -> UInt64
    /// What becomes of a group after a place; `nil`, the default: nobody can watch.
    func changes(of group: String, after position: StreamPosition) -> (any ChangeCursor)?
    /// Something was recorded, and the lock has been let go: time to wake those who wait for it.
    func wake()
    /// Returns when no node serves what was there before the change of that sequence.
    ///
    /// - Parameters:
    ///   - standInTTL: How long a node may keep what it has loaded in this one's place.
    ///   - time: For how long it is waited; `nil`: until no node does.
    /// - Throws: `notDelivered` with the nodes that may, when the time is over; `cannotFollow` with those of which nobody can say.
    func applied(_ sequence: UInt64, standInTTL: Duration, within time: Duration?) async throws(GroupCacheError)
}

extension ChangeRecorder {
    package func record(_ change: Change, isSet: Bool) -> UInt64 { self.record(change) }
    package func changes(of group: String, after position: StreamPosition) -> (any ChangeCursor)? { nil }
}
