// SPDX-License-Identifier: Apache-2.0

import GroupCacheHTTP
import Testing

@testable import GroupCacheDiscovery

/// What a list of who is ready says of this node.
@Suite struct ReadinessFenceTests {
    private static let away = DiscoveryError(.unavailable, "away")

    @Test func aListSaysWhetherThisNodeMayAct() {
        let fence = ReadinessFence(identity: NodeIdentity(id: "n1"), silence: 60_000)
        let others = [Member.named("n2"), .named("n3")]
        #expect(fence.word(.success(others + [.named("n1")]), asked: 5) == .member(until: 60_005, tenure: nil))
        #expect(fence.word(.success(others + [.named("n1", state: .joining)]), asked: 5) == .out)
        #expect(fence.word(.success(others + [.named("n1", state: .gone)]), asked: 5) == .out)
        #expect(fence.word(.success(others), asked: 5) == .out)
        #expect(fence.word(.success([]), asked: 5) == .out)
        // It ends: it hands over, and that is no reason to stop before.
        #expect(fence.word(.success(others + [.named("n1", state: .draining)]), asked: 5) == .leaving)
        // Silence says nothing, and neither does nonsense.
        #expect(fence.word(.failure(Self.away), asked: 5) == nil)
        // A list that nobody has asked for proves nothing of now.
        #expect(fence.word(.success([.named("n1")]), asked: .min) == .member(until: .min, tenure: nil))
    }

    @Test func whoDoesNotServeIsNoOwner() {
        let fence = ReadinessFence(identity: NodeIdentity(isServing: false), silence: 60_000)
        #expect(fence.word(.success([.named("n2")]), asked: 5) == nil)
    }

    @Test func silenceMayLastForEver() {
        let fence = ReadinessFence(identity: NodeIdentity(id: "n1"), silence: nil)
        guard case .member(let until, nil) = fence.word(.success([.named("n1")]), asked: 5) else {
            Issue.record("no member")
            return
        }
        #expect(until > 1 << 60)
    }

    @Test(arguments: [
        (Duration.seconds(2), Int64(2_000)), (.milliseconds(1_500), 1_500), (.nanoseconds(1_999_999), 1), (.zero, 0),
        (.nanoseconds(-1), -1), (.milliseconds(-1_500), -1_500), (.nanoseconds(-1_500_001), -2),
    ])
    func millisecondsAreRoundedDown(duration: Duration, milliseconds: Int64) { #expect(duration.wholeMilliseconds == milliseconds) }
}
