// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Messages with random damage. The fuzzer of Tests/Fuzz looks further; this is what runs with every test run.
@Suite struct LinkMutationTests {
    @Test(
        "No damage makes the reader trap; what it still reads, a plain second reader does; it is written and read the same",
        .timeLimit(.minutes(5))
    )
    func mutations() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of LinkMutationTests.mutations: \(seed)")
        var random = SeededGenerator(seed)
        let whole = LinkContent.write(LinkSamples.short)
        let reference = LinkReference(limits: LinkLimits())
        var (read, refused) = (0, 0)
        for round in 0..<20_000 {
            var message = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) { Self.damage(&message, &random) }
            let result = LinkContent.result(message)
            #expect((try? result.get()) == reference.read(message), "seed \(seed), round \(round)")
            guard case .success(let contents) = result else {
                refused += 1
                continue
            }
            read += 1
            // What is not UTF-8 becomes longer as text.
            let again = LinkContent.result(LinkContent.write(contents), limits: LinkLimits(schemaLength: .max, attributesSize: .max))
            #expect(again == .success(contents), "seed \(seed), round \(round)")
        }
        // Damage to a key or a value goes unnoticed, damage to a length hardly ever does: else this tests nothing.
        #expect(read > 1_000 && refused > 1_000, "\(read) read, \(refused) refused")
    }

    private static func damage(_ message: inout [UInt8], _ random: inout SeededGenerator) {
        guard !message.isEmpty else { return }
        let index = Int.random(in: 0..<message.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: message[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: message[index] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
        case 2: message.insert(UInt8.random(in: 0...255, using: &random), at: index)
        case 3: message.remove(at: index)
        case 4: message.removeLast(message.count - index)
        default:
            let other = Int.random(in: index..<message.count, using: &random)
            message.insert(contentsOf: message[index...other], at: Int.random(in: 0...message.count, using: &random))
        }
    }
}
