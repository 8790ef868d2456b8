// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore

extension Pages {
    /// All members, with what their source says of them; without a source, those of the ring.
    static func members(_ core: PoolCore, now: NIODeadline = .now()) -> ByteBuffer {
        let list = core.memberLog.list
        let members = core.members.withLockedValue { $0 }
        let membership = core.membership.withLockedValue { $0 }
        return self.page { json in
            json.string("kind", "MemberList")
            json.string("source", membership?.source ?? "static")
            json.string("ring", self.hexadecimal(members.ring.version))
            json.string("self", members.selfID(core.configuration.dialect))
            if let membership {
                if let lastWord = membership.lastWord {
                    json.number("ageSeconds", Double(max(0, (now - lastWord).nanoseconds / 1_000_000)) / 1_000)
                } else {
                    json.string("ageSeconds", nil)
                }
                json.string("problem", membership.problem)
            }
            self.fence(membership?.fence ?? .none, isFenced: core.isFenced, now, &json)
            json.array("items") { json in
                for node in list.nodes { json.object { self.fields(of: node, &$0) } }
            }
            // A watch goes on from there.
            json.object("metadata") { $0.string("resourceVersion", "\(list.version)") }
        }
    }

    /// The fields of a member, in lists and in what is told to those who watch.
    static func fields(of node: HTTPPool.Membership.Node, _ json: inout JSONWriter) {
        json.string("id", node.id)
        json.string("url", node.url)
        json.string("zone", node.zone)
        json.number("weight", node.weight)
        json.string("state", node.state)
        // As text: a program that reads numbers as doubles would get another one.
        json.string("epoch", node.epoch.map { String($0) })
        json.bool("self", node.isSelf)
    }

    private static func fence(_ fence: HTTPPool.Membership.Fence, isFenced: Bool, _ now: NIODeadline, _ json: inout JSONWriter) {
        json.object("fence") { json in
            // Whether this node may act as the owner of keys.
            json.bool("acts", !isFenced)
            switch fence {
            case .none: json.string("kind", "none")
            case .readiness: json.string("kind", "readiness")
            case .lease(let until):
                json.string("kind", "lease")
                let left = until.map { Double(($0 - now).nanoseconds / 1_000_000) / 1_000 } ?? 0
                json.number("secondsLeft", max(0, left))
            }
        }
    }
}
