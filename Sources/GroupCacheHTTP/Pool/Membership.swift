// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
package import NIOCore
internal import Synchronization

extension HTTPPool {
    /// What a source of members has told of the cluster, for `/v1/members` and `/readyz`. The ring goes by ``HTTPPool/setPeers(_:self:)`` alone.
    package struct Membership: Sendable {
        /// A node as the source has it.
        package struct Node: Sendable, Hashable {
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

        /// What keeps a node that others took over for from acting as an owner.
        package enum Fence: Sendable, Hashable {
            /// Nothing: it goes on until it hears of it.
            case none
            /// It is in the list only while it is ready.
            case readiness
            /// It is in the list only while it has a lease, which it knows to be its own until then; `nil`: it has none.
            case lease(until: NIODeadline?)
        }

        /// Which source, as it was asked for.
        package var source: String
        /// By id.
        package var nodes: [Node]
        /// What is wrong with what the source said since ``lastWord``.
        package var problem: String?
        /// When the source last said something that could be used; `nil`: it never has.
        package var lastWord: NIODeadline?
        /// What the source fences by.
        package var fence: Fence
        /// Whether the node may be asked: it knows who the others are.
        package var isReady: Bool

        package init(
            source: String,
            nodes: [Node] = [],
            problem: String? = nil,
            lastWord: NIODeadline? = nil,
            fence: Fence = .none,
            isReady: Bool = false
        ) {
            self.source = source
            self.nodes = nodes
            self.problem = problem
            self.lastWord = lastWord
            self.fence = fence
            self.isReady = isReady
        }
    }

    /// From now on `/v1/members` shows this, and `/readyz` goes by it.
    package func show(_ membership: Membership) {
        self.core.membership.withLockedValue { $0 = membership }
        self.core.memberLog.update { self.core.memberNodes() }
    }

    /// A number of this process's pool by which `/livez?life=…` tells whether the right one was reached, as text.
    package var life: String { PoolCore.text(of: self.core.life) }

    /// Calls `body` when the pool has served its last request, before ``run()`` returns. `body` ends within a few seconds, whatever happens.
    package func whenStopped(_ body: @escaping @Sendable () async -> Void) {
        self.core.lastWords.withLockedValue { $0.append(body) }
    }

    /// Calls what ``whenStopped(_:)`` was given. In a task of its own: the one that calls may be cancelled, and this is for then, too.
    func sayLastWords() async {
        let bodies = self.core.lastWords.withLockedValue { bodies in
            defer { bodies = [] }
            return bodies
        }
        await Task { for body in bodies { await body() } }.value
    }
}

extension PoolCore {
    static func text(of life: UInt64) -> String { String(life, radix: 16) }

    /// What `/readyz` answers.
    var readiness: Response {
        if self.isDraining.load(ordering: .relaxed) { return .text(503, "draining\n") }
        if let membership = self.membership.withLockedValue({ $0 }), !membership.isReady {
            return .text(503, "there has been no list of members yet\n")
        }
        return .text(200, "ok\n")
    }

    /// What `/livez` answers. `?life=…` asks for one certain node, which some other may stand in front of.
    func liveness(query: Range<Int>, _ bytes: Span<UInt8>) -> Response {
        guard !query.isEmpty, let life = Query.value("life", query, bytes) else { return .text(200, "ok\n") }
        return life.elementsEqual(Self.text(of: self.life).utf8) ? .text(200, "ok\n") : .text(421, "another node\n")
    }
}
