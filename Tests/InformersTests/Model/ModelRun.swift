import GroupCacheTesting
import Synchronization

@testable import Informers

/// One run of a schedule: the same schedule is the same run.
struct ModelRun {
    private let schedule: ModelSchedule
    private let simulation: Simulation
    private let source: FakeSource<Item>
    private let tapped: TappedSource
    private let pipeline: any ModelPipeline
    private var violations: [String] = []
    private var lastVersion = FakeVersion(epoch: 0, sequence: 0)
    private var wasSynced = false
    private var nextValue = 1

    /// What was violated in a run of `schedule`; empty: nothing.
    static func violations(of schedule: ModelSchedule) -> [String] {
        var run = ModelRun(schedule)
        run.execute()
        return run.violations
    }

    private init(_ schedule: ModelSchedule) {
        self.schedule = schedule
        self.simulation = Simulation(seed: schedule.seed)
        self.source = .things(expiredForm: schedule.expiredByEvent ? .event : .refusal)
        self.source.forcePages(of: schedule.forcedPages)
        self.tapped = TappedSource(self.source)
        let clock = InformerClock(self.simulation.clock)
        switch schedule.kind {
        case .deltaFIFO: self.pipeline = DeltaFIFOPipeline(self.tapped, schedule.configuration, clock)
        case .orderedQueue: self.pipeline = OrderedQueuePipeline(self.tapped, schedule.configuration, clock)
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
        self.violations += self.tapped.checkOrder()
        for notes in self.pipeline.notes {
            self.violations += notes.violations
            self.violations += notes.checkOrder(self.source.history)
        }
    }

    /// when nothing happens any more, the store is the source, and so is what each handler made of what it was told.
    private mutating func comeToRest() {
        self.source.lag(by: 0)
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
        self.look()
    }

    /// What must hold at any time.
    private mutating func look() {
        // nobody goes back in time.
        if let version = FakeVersion(self.pipeline.version) {
            if version < self.lastVersion { self.violations.append("Q-4: the reflector went from \(self.lastVersion) back to \(version)") }
            self.lastVersion = version
        }
        // once synced, always synced, and not before everything in the first list was in the store and told.
        let isSynced = self.pipeline.hasSynced
        if self.wasSynced, !isSynced { self.violations.append("Q-8: hasSynced became false again") }
        if isSynced, !self.wasSynced {
            let first = self.pipeline.firstList
            if first == nil { self.violations.append("Q-8: synced before anything was listed") }
            for notes in self.pipeline.notes {
                let missing = (first ?? []).subtracting(notes.told)
                if !missing.isEmpty { self.violations.append("Q-8: synced before \(missing) were in the store") }
            }
        }
        self.wasSynced = isSynced
    }

    private mutating func perform(_ step: ModelStep) {
        switch step {
        case .put(let key): self.put(key)
        case .delete(let key): self.source.delete("k\(key)")
        case .drop: self.source.dropWatches()
        case .dropAndPut(let key):
            self.put(key, silently: true)
            self.source.dropWatches()
        case .dropAndDelete(let key):
            self.source.delete("k\(key)", silently: true)
            self.source.dropWatches()
        case .reset: self.source.resetWatch()
        case .compact(let kept): self.source.compact(keeping: kept)
        case .epoch: self.source.changeEpoch()
        case .bookmark: self.source.bookmark()
        case .failList(let failure): self.source.failLists(failure.error)
        case .failWatch(let failure): self.source.failWatches(failure.error)
        case .errorEvent(let failure): self.source.inject(.error(failure.status))
        case .lag(let changes): self.source.lag(by: changes)
        case .turns(let count):
            for _ in 0..<count {
                self.simulation.settle(atMost: 1)
                self.look()
            }
        case .pass(let milliseconds):
            if !self.simulation.advance(by: .milliseconds(milliseconds)) { self.violations.append("it runs in circles") }
        case .addHandler, .removeHandler, .slow: break
        }
    }

    private mutating func put(_ key: Int, silently: Bool = false) {
        self.source.add(Item("k\(key)", self.nextValue), silently: silently)
        self.nextValue += 1
    }
}
