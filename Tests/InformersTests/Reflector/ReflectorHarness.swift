// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Logging
import NIOConcurrencyHelpers

@testable import Informers

/// A reflector over a fake source, in a simulation.
struct ReflectorHarness {
    let simulation: Simulation
    let source: FakeSource<Item>
    let store: RecordingStore
    let reflector: Reflector<FakeSource<Item>, RecordingStore>
    let errors = ErrorLog()

    init(
        simulation: Simulation = Simulation(),
        source: FakeSource<Item> = .things(),
        store: RecordingStore = RecordingStore(),
        logger: Logger = .silent,
        _ configure: (inout ReflectorConfiguration) -> Void = { _ in }
    ) {
        self.simulation = simulation
        self.source = source
        self.store = store
        var configuration = ReflectorConfiguration()
        configuration.backoff.jitter = 0
        configuration.rewatchJitter = .zero
        configuration.resyncJitter = 0
        configuration.generator = SeededGenerator(seed: 1)
        configuration.onError = { [errors] in errors.add($0) }
        configure(&configuration)
        self.reflector = Reflector(
            source,
            store: store,
            configuration: configuration,
            clock: InformerClock(simulation.clock),
            logger: logger
        )
    }

    /// Starts the reflector and lets it do what it can.
    @discardableResult
    func run() -> SimulatedTask<Void> {
        let task = self.simulation.spawn { [reflector] in await reflector.run() }
        self.simulation.settle()
        return task
    }

    /// Starts a single round.
    func round() -> SimulatedTask<Void> {
        let task = self.simulation.spawn { [reflector] in try await reflector.listAndWatch() }
        self.simulation.settle()
        return task
    }

    func settle() { self.simulation.settle() }
    func advance(_ duration: Duration) { self.simulation.advance(by: duration) }

    var listVersions: [String] { self.source.lists.map(\.resourceVersion) }
    var watchVersions: [String] { self.source.watches.map(\.resourceVersion) }
    /// What the source has.
    var truth: [String: Int] { self.source.objects.mapValues(\.value) }
}

/// Remembers errors.
final class ErrorLog: Sendable {
    private let state = NIOLockedValueBox<[any Error]>([])

    var all: [any Error] { self.state.withLockedValue { $0 } }
    /// The codes of statuses and the names of other errors.
    var codes: [String] {
        self.all.map { error in
            if let status = error as? Status { return "\(status.code)" }
            if let error = error as? WatchError { return "\(error.code)" }
            return "\(type(of: error))"
        }
    }

    func add(_ error: any Error) { self.state.withLockedValue { $0.append(error) } }
}
