// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import NIOCore

// What nodes tell each other of changes: over links only.
extension HTTPGetter {
    /// Asks what the peer has changed.
    func follow(_ question: ChangeQuestion) async throws(GroupCacheError) -> ChangeList {
        let answer = try await self.call(.changes(.follow, question.encoded, [], .zero), timeout: Int64(question.wait) + 2_000)
        do throws(LinkFault) {
            return try Self.read(answer.value)
        } catch {
            throw GroupCacheError(.peerFailed, "the peer's answer is no list of changes", cause: error)
        }
    }

    private static func read(_ value: ByteView) throws(LinkFault) -> ChangeList {
        let result = value.withSpan { bytes -> Result<ChangeList, LinkFault> in
            do throws(LinkFault) { return .success(try ChangeList(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Has the peer make changes as its own.
    ///
    /// - Parameters:
    ///   - changes: in order; none: only to wait.
    ///   - node: The id of one that cannot be reached: the peer is to tell that one of them, and makes none itself; empty: it makes them.
    ///   - wait: Returns when everybody who follows the peer has heard of these and of all before.
    func make(_ changes: [Change], for node: String = "", wait: ChangeWait, standInTTL: Duration = .zero) async throws(GroupCacheError) {
        var list = ChangeList(changes, for: node)
        list.within = wait.within.map { min(Int64($0.milliseconds), Self.longestWait) }
        // As long as anybody may serve anything, if it has to wait; or as it is told to, and the way there and back.
        let timeout = wait.isApplied ? list.within.map { $0 + Self.wayBack } ?? Self.longestWait : 5_000
        let marks: LinkMarks = wait.isApplied ? .waits : []
        let answer: PeerEntry
        do throws(GroupCacheError) {
            answer = try await self.call(.changes(.make, list.encoded, marks, standInTTL), timeout: timeout)
        } catch {
            switch error.code {
            case .unsupported, .badRequest, .noSuchGroup: throw GroupCacheError.cannotFollow.about([self.id])
            default: throw error
            }
        }
        guard wait.isApplied, !answer.isApplied else { return }
        // It names who has not heard; or it is of a version that does not know what is asked.
        let unheard = try? Self.unheard(answer.value)
        throw unheard.map { .unheard(by: $0.ids.isEmpty ? [self.id] : $0.ids) } ?? GroupCacheError.cannotFollow.about([self.id])
    }

    /// For how long a peer waits until others have heard, in milliseconds, at the most.
    private static let longestWait: Int64 = 120_000
    /// How much longer its answer may take than it waits, in milliseconds.
    private static let wayBack: Int64 = 500

    private static func unheard(_ value: ByteView) throws(LinkFault) -> UnheardNodes? {
        if value.isEmpty { return nil }
        let result = value.withSpan { bytes -> Result<UnheardNodes, LinkFault> in
            do throws(LinkFault) { return .success(try UnheardNodes(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Removes a value, and what the peer loads within a time from now on it does not keep. Over a link only, and only at who knows of that.
    public func remove(_ request: PeerRequest, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError) {
        guard settle > .zero else { return try await self.remove(request, if: condition) }
        guard condition == nil, self.standing.stream.ability == .follows else {
            throw GroupCacheError(.unsupported, "the peer cannot let loads settle after it removes")
        }
        var request = request
        request.terms.settle = settle
        try await self.remove(request)
    }

    /// Waits, if that is asked for, until everybody who follows the peer has heard of a change that it has made.
    func finish(_ request: PeerRequest) async throws(GroupCacheError) {
        guard request.terms.wait.isApplied else { return }
        do throws(GroupCacheError) {
            try await self.make([], wait: request.terms.wait, standInTTL: request.terms.standInTTL)
        } catch {
            // The change is made: who takes this for a change that may not be would have the owner drop it again.
            switch error.code {
            case .peerFailed, .deadlineExceeded, .shutDown, .overloaded, .cancelled:
                var failure = GroupCacheError.unheard(by: [self.id])
                failure.cause = error
                throw failure
            default: throw error
            }
        }
    }
}
