// SPDX-License-Identifier: Apache-2.0

@testable import Informers

extension OrderedQueue {
    func next() async throws -> [OrderedChange<Object>] { try await self.pop { _, _ in } }

    func batch() async throws -> [OrderedChange<Object>] { try await self.popBatch { _, _ in } }

    /// The deltas that are queued, one by one.
    func drain() async throws -> [Delta<Object>] {
        self.close()
        var all: [Delta<Object>] = []
        do {
            while true {
                for change in try await self.next() {
                    if case .delta(let delta, _) = change.kind { all.append(delta) }
                }
            }
        } catch let error as InformerError where error.code == .queueClosed {
            return all
        }
    }
}
