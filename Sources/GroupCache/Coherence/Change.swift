/// What somebody has changed: an entry of a node's change log, and what an outbox keeps for a node that cannot be reached.
///
/// It names what is old from now on and says nothing of what is new, so one that comes twice, or late, costs a load and never a wrong value.
package enum Change: Sendable, Hashable {
    /// A key was set or removed.
    case key(Key, group: String)
    /// Whatever has the tag was removed, or, if `soft`, is stale.
    case tag(EntryTag, group: String, soft: Bool)
    /// A group was cleared, or nobody knows any more what of it was changed.
    case group(String)
    /// Nobody knows any more what was changed.
    case everything

    /// The group that it is about; `nil`: all.
    package var group: String? {
        switch self {
        case .key(_, let group), .tag(_, let group, _), .group(let group): group
        case .everything: nil
        }
    }

    /// What it counts against limits, in bytes: what it names, and what keeping it costs beside that.
    package var size: Int {
        switch self {
        case .key(let key, let group): 64 + key.bytes.count + group.utf8.count
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
public enum ChangeWait: Sendable, Hashable {
    /// When the owner has it. Nodes that follow the owner serve what was there before for as long as the promise says, at the most.
    case owner
    /// When no node that follows the owner serves what was there before: each has said so, or what it holds has come to its end.
    case applied
}

/// A pool that writes down what its node changes, and tells other nodes.
package protocol RecordingPeers: PeerPicker {
    /// `nil`: nobody follows this node, and its changes cost nothing. A group asks once, when it begins.
    var recorder: (any ChangeRecorder)? { get }

    /// Makes a change of a tag or of a whole group at every other node, as that node's own, and returns when each of them has made and recorded it.
    /// Who cannot be reached is told before anything else is asked of it.
    ///
    /// - Throws: `notDelivered` with the nodes that have not heard; `cannotFollow` with those that never will.
    func spread(_ change: Change, wait: ChangeWait) async throws(GroupCacheError)
}

/// A group that can be told what another node has changed.
package protocol ChangeListener: PeerServing {
    /// What this node has copied of what was changed goes, and what is being loaded of it is not kept. Not for changes of this node. O(1) for a key and a
    /// tag, else O(entries).
    func heard(_ change: Change)
    /// Makes a change, which concerns more nodes than this one, as this node's own: what it holds of it goes, and it is recorded.
    func made(_ change: Change)
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
    /// Something was recorded, and the lock has been let go: time to wake those who wait for it.
    func wake()
    /// Returns when no node serves what was there before the change of that sequence.
    ///
    /// - Throws: `notDelivered` with the nodes that may, when the time is over; `cannotFollow` with those of which nobody can say.
    func applied(_ sequence: UInt64) async throws(GroupCacheError)
}
