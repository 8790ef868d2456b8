// SPDX-License-Identifier: Apache-2.0

internal import GroupCacheHTTP

/// What lists of who is ready say of this node: a value.
struct ReadinessFence: Sendable {
    /// Who this node is.
    let identity: NodeIdentity
    /// How long after a question that was answered a list may still be right, in milliseconds; `nil`: for ever.
    let silence: Int64?

    /// - Parameter asked: When the last question was sent that the source has answered: what it said is no older.
    /// - Returns: `nil`: nothing.
    func word(_ list: Result<[Member], DiscoveryError>, asked: Int64) -> OwnerFence.Word? {
        guard self.identity.isServing, case .success(let members) = list else { return nil }
        let own: Member?
        // Who cannot find itself for sure has not heard anything of itself.
        do throws(DiscoveryError) { own = try self.identity.find(in: members) } catch { return nil }
        switch own?.state {
        case .ready:
            // What was out and in again while nothing was heard nobody tells: no tenure.
            guard let silence else { return .member(until: .max / 4, tenure: nil) }
            return .member(until: asked == .min ? .min : asked + silence, tenure: nil)
        // It ends, and that is not taken back.
        case .draining: return .leaving
        case .joining, .gone, nil: return .out
        }
    }
}

extension Duration {
    /// Rounded down.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        return seconds * 1_000 + milliseconds - (attoseconds < 0 && attoseconds % 1_000_000_000_000_000 != 0 ? 1 : 0)
    }
}
