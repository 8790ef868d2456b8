// SPDX-License-Identifier: Apache-2.0

@testable import Informers

/// A queue as most tests want it: lists come as `sync`, as in the older versions.
func deltaFIFO(_ known: Known? = nil, replaced: Bool = false) -> DeltaFIFO<Thing> {
    DeltaFIFO(key: nameOf, knownObjects: known, tellsReplaced: replaced)
}

extension DeltaFIFO {
    /// What comes next.
    func next() async throws -> [Delta<Object>] { try await self.pop { _, _ in } }

    /// All that is queued.
    func drain() async throws -> [[Delta<Object>]] {
        self.close()
        var all: [[Delta<Object>]] = []
        do {
            while true { all.append(try await self.next()) }
        } catch let error as InformerError where error.code == .queueClosed {
            return all
        }
    }
}
