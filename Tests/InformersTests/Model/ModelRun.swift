// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers

@testable import Informers

/// One run of a schedule: the same schedule is the same run.
struct ModelRun {
    private let schedule: ModelSchedule
    private let simulation: Simulation
    private let source: any ModelSource
    private let checkOrder: () -> [String]
    private let firstList: () -> Set<String>?
    private let pipeline: any ModelPipeline
    private var violations: [String] = []
    private var lastVersion = ResourceVersion(epoch: 0, sequence: 0)
    private var wasSynced = false
    private var nextValue = 1

    /// What was violated in a run of `schedule`; empty: nothing.
    static func violations(of schedule: ModelSchedule) -> [String] {
        var run = ModelRun(schedule)
        run.execute()
        return run.violations
    }

    private init(_ schedule: ModelSchedule) {
        let simulation = Simulation(seed: schedule.seed)
        let clock = InformerClock(simulation.clock)
        self.schedule = schedule
        self.simulation = simulation
        func build(_ source: some ModelSource) -> (any ModelSource, () -> [String], () -> Set<String>?, any ModelPipeline) {
            let tapped = TappedSource(source)
            return (source, tapped.checkOrder, { tapped.firstList }, schedule.pipeline(tapped, simulation))
        }
        switch schedule.source {
        case .fake:
            let fake = FakeSource.things(expiredForm: schedule.expiredByEvent ? .event : .refusal)
            fake.forcePages(of: schedule.forcedPages)
            (self.source, self.checkOrder, self.firstList, self.pipeline) = build(fake)
        case .log:
            (self.source, self.checkOrder, self.firstList, self.pipeline) = build(LogSource(clock: clock, capacity: 6))
        }
    }

    private mutating func execute() {
        let task = self.simulation.spawn { [pipeline = self.pipeline] in await pipeline.run() }
        for step in self.schedule.steps {
            self.perform(step)
            self.look()
        }
        if !self.schedule.stopsInTheMiddle { self.comeToRest() }
        task.cancel()
        self.simulation.advance(by: .seconds(1))
        //
        if !task.isDone { self.violations.append("Q-9: it runs on after being stopped") }
        if self.source.opened != self.source.closed {
            self.violations.append("Q-9: \(self.source.opened) watches were opened, \(self.source.closed) stopped")
        }
        if self.simulation.clock.sleepers > 0 { self.violations.append("Q-9: somebody still sleeps") }
        self.violations += self.checkOrder()
        self.violations += self.pipeline.violations
        for notes in self.pipeline.notes {
            self.violations += notes.violations
            self.violations += notes.checkOrder(self.source.history)
        }
    }

    /// when nothing happens any more, the store is the source, and so is what each handler made of what it was told.
    private mutating func comeToRest() {
        self.source.lag(by: 0)
        self.pipeline.releaseHandlers()
        let (source, pipeline) = (self.source, self.pipeline)
        let arrives = self.simulation.run(atMost: .seconds(3600)) {
            pipeline.items == source.objects && pipeline.hasSynced && pipeline.notes.allSatisfy { $0.view == source.objects }
        }
        if !arrives { self.violations.append("Q-1: store \(pipeline.items), source \(source.objects), synced \(pipeline.hasSynced)") }
        self.simulation.advance(by: .seconds(10))
        if pipeline.items != source.objects { self.violations.append("Q-1: the store went away from the source again") }
        for notes in pipeline.notes where notes.view != pipeline.items {
            self.violations.append("Q-2: the notes add up to \(notes.view), the store to \(pipeline.items)")
        }
        for view in pipeline.filtered where view != FilteredFold.View(pipeline.items.values) {
            self.violations.append("Q-2: behind a filter the notes add up to \(view.objects), the store to \(pipeline.items)")
        }
        self.look()
    }

    /// What must hold at any time.
    private mutating func look() {
        // nobody goes back in time.
        if let version = ResourceVersion(self.pipeline.version) {
            if (version.epoch, version.sequence) < (self.lastVersion.epoch, self.lastVersion.sequence) {
                self.violations.append("Q-4: the reflector went from \(self.lastVersion) back to \(version)")
            }
            self.lastVersion = version
        }
        // once synced, always synced, and not before everything in the first list was in the store and told.
        let isSynced = self.pipeline.hasSynced
        if self.wasSynced, !isSynced { self.violations.append("Q-8: hasSynced became false again") }
        if isSynced, !self.wasSynced {
            let first = self.firstList()
            if first == nil { self.violations.append("Q-8: synced before anything was listed") }
            // What is not there has been, and was deleted since.
            let present = Set(self.pipeline.items.keys)
            let missing = (first ?? []).subtracting(present).filter { !self.source.history(of: $0).contains(nil) }
            if !missing.isEmpty { self.violations.append("Q-8: synced before \(missing.sorted()) were in the store") }
        }
        self.pipeline.look()
        self.wasSynced = isSynced
    }

    private mutating func perform(_ step: ModelStep) {
        switch step {
        case .put(let key): self.source.put(self.item(key))
        case .delete(let key): self.source.remove("k\(key)")
        case .drop: self.source.dropWatches()
        case .dropAndPut(let key):
            self.source.putAndDrop(self.item(key))
        case .dropAndDelete(let key):
            self.source.removeAndDrop("k\(key)")
        case .reset: self.source.resetWatch()
        case .compact(let kept): self.source.compact(keeping: kept)
        case .epoch: self.source.changeEpoch()
        case .bookmark: self.source.bookmark()
        case .failList(let failure): self.source.fail(list: failure.error)
        case .failWatch(let failure): self.source.fail(watch: failure.error)
        case .errorEvent(let failure): self.source.sendError(failure.status)
        case .lag(let changes): self.source.lag(by: changes)
        case .turns(let count):
            for _ in 0..<count {
                self.simulation.settle(atMost: 1)
                self.look()
            }
        case .pass(let milliseconds):
            if !self.simulation.advance(by: .milliseconds(milliseconds)) { self.violations.append("it runs in circles") }
        case .addHandler: self.pipeline.addHandler()
        case .removeHandler(let number): self.pipeline.removeHandler(number)
        case .slow(let number): self.pipeline.slow(number)
        }
    }

    private mutating func item(_ key: Int) -> Item {
        defer { self.nextValue += 1 }
        return Item("k\(key)", self.nextValue)
    }
}
