// SPDX-License-Identifier: Apache-2.0

import InformersTesting

@testable import Informers

/// What happens in a run of the model, all of it made of a seed.
struct ModelSchedule: Sendable, CustomStringConvertible {
    /// What is tested.
    enum Kind: String, Sendable {
        case deltaFIFO, orderedQueue, informer
    }

    /// What is followed.
    enum Source: String, Sendable {
        case fake, log
    }

    let seed: UInt64
    var kind: Kind
    var source: Source
    var expiredByEvent: Bool
    var streams: Bool
    var pageSize: Int
    var forcedPages: Int
    var resyncs: Bool
    var idleLimit: Bool
    var retriesInternalErrors: Bool
    /// Whether it is stopped after the last step, rather than after everything has come to rest.
    var stopsInTheMiddle: Bool
    var steps: [ModelStep]

    init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        self.seed = seed
        self.kind = [.deltaFIFO, .orderedQueue, .informer, .informer].randomElement(using: &generator) ?? .informer
        self.source = Int.random(in: 0..<3, using: &generator) == 0 ? .log : .fake
        self.expiredByEvent = Bool.random(using: &generator)
        self.streams = Int.random(in: 0..<3, using: &generator) == 0
        self.pageSize = [0, 0, 2].randomElement(using: &generator) ?? 0
        self.forcedPages = [0, 0, 3].randomElement(using: &generator) ?? 0
        self.resyncs = Bool.random(using: &generator)
        self.idleLimit = Int.random(in: 0..<4, using: &generator) == 0
        self.retriesInternalErrors = Bool.random(using: &generator)
        self.stopsInTheMiddle = Int.random(in: 0..<4, using: &generator) == 0
        self.steps = []
        for _ in 0..<Int.random(in: 4...40, using: &generator) { self.steps.append(.random(using: &generator)) }
    }

    var configuration: ReflectorConfiguration {
        var configuration = ReflectorConfiguration()
        configuration.generator = SeededGenerator(seed: self.seed)
        configuration.usesStreamingList = self.streams
        configuration.pageSize = self.pageSize
        configuration.resyncPeriod = self.resyncs ? .seconds(7) : .zero
        configuration.idleLimit = self.idleLimit ? .seconds(25) : nil
        configuration.internalErrorRetry = self.retriesInternalErrors ? .seconds(5) : .zero
        configuration.onError = { _ in }
        return configuration
    }

    func pipeline(_ source: some ListerWatcher<Item>, _ simulation: Simulation) -> any ModelPipeline {
        let clock = InformerClock(simulation.clock)
        return switch self.kind {
        case .deltaFIFO: DeltaFIFOPipeline(source, self.configuration, clock)
        case .orderedQueue: OrderedQueuePipeline(source, self.configuration, clock)
        case .informer: InformerPipeline(source, self.configuration, simulation)
        }
    }

    var description: String {
        """
        seed \(self.seed), \(self.kind), \(self.source), expiredByEvent \(self.expiredByEvent), streams \(self.streams), pageSize \(self.pageSize), \
        forcedPages \(self.forcedPages), resyncs \(self.resyncs), idleLimit \(self.idleLimit), \
        retriesInternalErrors \(self.retriesInternalErrors), stopsInTheMiddle \(self.stopsInTheMiddle)
        steps \(self.steps.map { ".\($0)" }.joined(separator: ", "))
        """
    }
}
