internal import NIOConcurrencyHelpers
package import NIOCore

extension HTTPPool {
    /// What a source of members has told of the cluster, for `/v1/members`. The ring goes by ``HTTPPool/setPeers(_:self:)`` alone.
    package struct Membership: Sendable {
        /// A node as the source has it.
        package struct Node: Sendable {
            package var id: String
            package var url: String
            package var zone: String?
            package var weight: Int
            package var state: String
            package var epoch: UInt64?
            package var isSelf: Bool

            package init(id: String, url: String, zone: String?, weight: Int, state: String, epoch: UInt64?, isSelf: Bool) {
                self.id = id
                self.url = url
                self.zone = zone
                self.weight = weight
                self.state = state
                self.epoch = epoch
                self.isSelf = isSelf
            }
        }

        /// Which source, as it was asked for.
        package var source: String
        /// By id.
        package var nodes: [Node]
        /// What is wrong with what the source said since ``lastWord``.
        package var problem: String?
        /// When the source last said something that could be used; `nil`: it never has.
        package var lastWord: NIODeadline?

        package init(source: String, nodes: [Node], problem: String?, lastWord: NIODeadline?) {
            self.source = source
            self.nodes = nodes
            self.problem = problem
            self.lastWord = lastWord
        }
    }

    /// From now on `/v1/members` shows this.
    package func show(_ membership: Membership) {
        self.core.membership.withLockedValue { $0 = membership }
    }
}
