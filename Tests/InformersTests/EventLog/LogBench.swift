// SPDX-License-Identifier: Apache-2.0

import InformersTesting

@testable import Informers

/// What the logs of these tests hold.
struct LogChange: Sendable, Hashable {
    var topic: String?
    var number: Int
}

/// A log on a simulation's clock, which runs its bookmarks.
struct LogBench {
    let simulation: Simulation
    let log: EventLog<LogChange>
    let timer: SimulatedTask<Void>

    init(seed: UInt64? = nil, _ change: (inout EventLogConfiguration) -> Void = { _ in }) {
        var configuration = EventLogConfiguration()
        configuration.epoch = 0xabc
        change(&configuration)
        self.simulation = seed.map { Simulation(seed: $0) } ?? Simulation()
        let log = EventLog<LogChange>(
            configuration: configuration,
            clock: InformerClock(self.simulation.clock),
            topic: { $0.topic },
            size: { _ in 10 }
        )
        self.log = log
        self.timer = self.simulation.spawn { await log.run() }
    }

    /// Reads to the end in a task.
    func watch(
        after version: String = "",
        topic: String? = nil,
        heartbeat: Duration? = nil,
        where isWanted: (@Sendable (LogChange) -> Bool)? = nil
    ) throws -> LogReading {
        let steps = Recorder<EventLogStep<LogChange>>()
        let log = self.log
        let opened = Latch()
        let task = self.simulation.spawn {
            let cursor = try log.cursor(after: version, topic: topic, heartbeat: heartbeat, where: isWanted)
            opened.open()
            for try await step in cursor { steps.record(step) }
        }
        self.simulation.settle()
        if let error = task.error { throw error }
        return LogReading(steps: steps, task: task)
    }

    func append(_ topic: String? = nil, _ numbers: Int...) {
        for number in numbers { self.log.append(LogChange(topic: topic, number: number)) }
        self.simulation.settle()
    }
}

struct LogReading {
    let steps: Recorder<EventLogStep<LogChange>>
    let task: SimulatedTask<Void>

    var numbers: [Int] {
        self.steps.all.flatMap { step in
            if case .entries(let entries, _) = step { entries.map(\.event.number) } else { [Int]() }
        }
    }

    var bookmarks: [String] {
        self.steps.all.compactMap { step in
            if case .bookmark(let version, let elapsed) = step { "\(version) \(elapsed / .milliseconds(1))" } else { nil }
        }
    }
}
