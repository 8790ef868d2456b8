// SPDX-License-Identifier: Apache-2.0

/// Whether what another node answers may be kept as a copy: a value, that is made before the node is asked and told what is heard meanwhile.
///
/// The answer is on its way while changes are told on a stream of their own, and either may overtake the other:
///
/// 1. A node answers with the old value, and the place 7 of its log, which it read before.
/// 2. The key is removed there: place 8.
/// 3. The asker hears 8, and has nothing to drop.
/// 4. The asker gets the answer. Kept, it would be served for ever: 8 has been heard.
///
/// So 8 is noted here, and the answer, which knows of no more than 7, is not kept. Had 4 come before 3, hearing 8 would have dropped the copy. (Memcached
/// at Facebook calls such a marker a lease, NSDI 2013.)
package struct Fill: Sendable, Equatable {
    /// What the answer must at least know of.
    private var latest: UInt64
    private let epoch: UInt64
    private let run: UInt64

    /// Before a node is asked that `follower` follows. `nil`: it is not followed now, and its answers are no copies.
    package init?(_ follower: Follower) {
        guard follower.isOpen, let position = follower.position else { return nil }
        // What was heard before leaves no mark; so an answer must know of all of it, as one that is made after the question does.
        self.latest = position.sequence
        self.epoch = position.epoch
        self.run = follower.run
    }

    /// A change of what was asked for, or of its tag or group, has been heard.
    package mutating func heard(_ sequence: UInt64) { self.latest = max(self.latest, sequence) }

    /// Whether to keep an answer that was made at `place`.
    package func keeps(_ place: StreamPosition, _ follower: Follower) -> Bool {
        // A stream that was broken off may have told its marks to nobody.
        follower.isOpen && follower.run == self.run && place.epoch == self.epoch && place.sequence >= self.latest
    }
}
