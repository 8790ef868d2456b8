// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers

/// Collects the answers of a peer: by tag, the values or the codes.
final class Answers: PeerCaller {
    private let answers = NIOLockedValueBox<[Int: [String]]>([:])

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        let text: String
        switch result {
        case .success(let entry): text = entry.value.count > 100 ? "\(entry.value.count) bytes" : entry.value.string
        case .failure(let error): text = error.code.description
        }
        self.answers.withLockedValue { $0[tag, default: []].append(text) }
    }

    var all: [Int: [String]] { self.answers.withLockedValue { $0 } }
    var count: Int { self.answers.withLockedValue { $0.values.reduce(0) { $0 + $1.count } } }
}

/// Steele, Lea and Flood's generator, so that a failure can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
