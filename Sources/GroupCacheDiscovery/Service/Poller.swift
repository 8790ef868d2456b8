// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// Asks a source again and again, and hands on what it says.
struct Poller: Sendable {
    let source: any MemberSource
    /// Between an answer and the next question, give or take a tenth: many nodes must not ask in step.
    let interval: Duration
    let clock: InformerClock
    let take: @Sendable (Result<[Member], DiscoveryError>) -> Void

    /// Until the task is cancelled. One question at a time, however long it takes.
    func run() async {
        while !Task.isCancelled {
            let result: Result<[Member], DiscoveryError>
            do throws(DiscoveryError) {
                result = .success(try await self.source.members())
            } catch {
                result = .failure(error)
            }
            // What a question says that was broken off is nothing about the source.
            if Task.isCancelled { return }
            self.take(result)
            try? await self.clock.sleep(for: self.interval * Double.random(in: 0.9...1.1))
        }
    }
}
