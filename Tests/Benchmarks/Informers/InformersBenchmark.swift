// SPDX-License-Identifier: Apache-2.0

import Informers

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The benchmarks of `Informers`: `swift run -c release InformersBenchmark [--quick] [--json] [idle] [list] [log] [queue] [handler] [events]`.
///
/// Without a name, all of them. Each figure is printed by name; with `--json` as one object. Exit code 1: a figure that has a bar has missed it.
@main
struct InformersBenchmark {
    static func main() async throws {
        var names = Set(CommandLine.arguments.dropFirst())
        let isQuick = names.remove("--quick") != nil
        let scale = isQuick ? 10 : 1
        var report = Report(isJSON: names.remove("--json") != nil)
        guard names.isSubset(of: ["idle", "list", "log", "queue", "handler", "events"]) else {
            print("usage: InformersBenchmark [--quick] [--json] [idle] [list] [log] [queue] [handler] [events]")
            return
        }
        let isWanted = { (name: String) in names.isEmpty || names.contains(name) }
        // What measures memory comes first: freed memory would be used again, and not be seen.
        if isWanted("idle") { try await Self.idleWatchers(10_000 / scale, &report) }
        // Never fewer: of a small list, what the rest of the process takes would be a large part.
        if isWanted("list") { try await Self.peakOfList(100_000, &report) }
        if isWanted("list") { try await Self.largeList(100_000 / scale, &report) }
        if isWanted("log") { try await Self.appends(1_000_000 / scale, &report) }
        if isWanted("log") {
            // In the quick run, which machines make that do much else, only what is a fault: work for each watcher. A mere look at each of
            // 1,000 would take a microsecond, five times what an append takes.
            let bar = isQuick ? 4.0 : 1.5
            try await Self.appendsBesideWatchers(200_000 / scale, watchers: 10_000 / scale, atMost: bar, &report)
        }
        if isWanted("queue") { try await Self.workQueue(1_000_000 / scale, &report) }
        if isWanted("handler") {
            try await Self.events(500_000 / scale, handlers: 1, delivery: .coalescing, "1 handler, coalescing", &report)
            try await Self.events(500_000 / scale, handlers: 1, delivery: .everyChange(limit: .max), "1 handler, every change", &report)
        }
        if isWanted("events") {
            let count = isQuick ? 2000 : 100_000
            try await Self.events(count, handlers: 100, delivery: .coalescing, "100 handlers, coalescing", &report)
            try await Self.events(
                count,
                handlers: 100,
                delivery: .everyChange(limit: .max),
                "100 handlers, every change",
                &report
            )
            try await Self.controllerEvents(500_000 / scale, &report)
        }
        report.finish()
        for missed in report.missed { print("missed: \(missed)") }
        if !report.missed.isEmpty { exit(1) }
    }

    // MARK: Events

    /// Reflector → queue → indexer → handlers: until each handler has been told of the last event.
    private static func events(
        _ count: Int,
        handlers: Int,
        delivery: HandlerDelivery,
        _ name: String,
        _ report: inout Report
    ) async throws {
        let source = ScriptedSource(objects: 10_000, events: count)
        let informer = SharedInformer(source, key: { $0.name }, indexers: ["zone": { [$0.zone] }])
        let ready = Countdown(handlers)
        let last = Record(ScriptedSource.last, value: 1).name
        var registrations: [HandlerRegistration] = []
        for _ in 0..<handlers {
            let registration = try informer.addHandler(delivery: delivery) { event in
                if case .added(let record, _) = event, record.name == last { ready.count() }
            }
            registrations.append(registration)
        }
        let running = Task { await informer.run() }
        for registration in registrations { try await registration.waitUntilSynced() }
        let (start, processor) = (ContinuousClock.now, ProcessTime.now)
        source.start.open()
        await ready.done.wait()
        let time = ContinuousClock.now - start
        let processorTime = ProcessTime.now - processor
        let handled = registrations.reduce(0) { $0 + $1.statistics.handled } - handlers * 10_000
        report.add("events/s, \(name)", Double(count) / (time / .seconds(1)), "events/s")
        report.add("processor time of an event, \(name)", processorTime / .nanoseconds(count), "ns")
        report.add("callbacks/s, \(name)", Double(handled) / (time / .seconds(1)), "callbacks/s")
        running.cancel()
        await running.value
    }

    /// Reflector → DeltaFIFO → indexer → one consumer.
    private static func controllerEvents(_ count: Int, _ report: inout Report) async throws {
        let source = ScriptedSource(objects: 10_000, events: count)
        let store = Indexer<Record>(key: { $0.name }, indexers: ["zone": { [$0.zone] }])
        let ready = Countdown(1)
        let last = Record(ScriptedSource.last, value: 1).name
        let queue = DeltaFIFO<Record>(key: { $0.name }, knownObjects: store)
        let controller = Controller(source, queue: queue) { deltas, isInInitialList in
            try store.apply(deltas, isInInitialList: isInInitialList) { event in
                if case .added(let record, _) = event, record.name == last { ready.count() }
            }
        }
        let running = Task { await controller.run() }
        try await queue.waitUntilSynced()
        let (start, processor) = (ContinuousClock.now, ProcessTime.now)
        source.start.open()
        await ready.done.wait()
        let time = ContinuousClock.now - start
        let processorTime = ProcessTime.now - processor
        report.add("events/s, controller on a DeltaFIFO", Double(count) / (time / .seconds(1)), "events/s")
        report.add("processor time of an event, controller on a DeltaFIFO", processorTime / .nanoseconds(count), "ns")
        running.cancel()
        await running.value
    }

    // MARK: The log

    /// Tasks that wait for a log, each with a heartbeat: what they weigh, and how long one event takes to reach them all.
    private static func idleWatchers(_ count: Int, _ report: inout Report) async throws {
        let log = EventLog<Int>(size: { _ in 8 })
        let timer = Task { await log.run() }
        let before = Memory.resident
        let told = Countdown(count)
        let watchers = (0..<count).map { _ in
            Task {
                for try await step in try log.cursor(after: "", heartbeat: .seconds(60)) {
                    if case .entries = step { told.count() }
                }
            }
        }
        while log.statistics.parked < count { await Task.yield() }
        if let before, let after = Memory.resident {
            report.add("memory of an idle watcher, its task included", Double(after - before) / Double(count), "B")
        }
        let start = ContinuousClock.now
        log.append(1)
        let appended = ContinuousClock.now - start
        await told.done.wait()
        report.add("one append that wakes \(count) watchers", appended / .milliseconds(1), "ms")
        report.add("until all of them have been told", (ContinuousClock.now - start) / .milliseconds(1), "ms")
        log.close()
        for watcher in watchers { try await watcher.value }
        timer.cancel()
    }

    private static func appends(_ count: Int, _ report: inout Report) async throws {
        let log = EventLog<Int>(size: { _ in 8 })
        var start = ContinuousClock.now
        for number in 0..<count { log.append(number) }
        report.add("append without a watcher", (ContinuousClock.now - start) / .nanoseconds(1) / Double(count), "ns")
        let read = Task {
            var last = 0
            for try await step in try log.cursor(after: "\(log.version)") {
                if case .entries(let entries, _) = step { last = entries.last?.event ?? last }
                if last == count - 1 { break }
            }
        }
        while log.statistics.watchers < 1 { await Task.yield() }
        start = ContinuousClock.now
        for number in 0..<count {
            log.append(number)
            if number % 1000 == 0 { await Task.yield() }
        }
        // It may have been overtaken, which is no failure here: the writer does not wait.
        _ = await read.result
        report.add("append with a watcher that reads along", (ContinuousClock.now - start) / .nanoseconds(1) / Double(count), "ns")
    }

    /// What an append costs while so many wait for other topics, against what it costs alone: turn by turn, in many short rounds.
    private static func appendsBesideWatchers(_ count: Int, watchers: Int, atMost bar: Double, _ report: inout Report) async throws {
        let log = EventLog<Int>(topic: { $0 < 0 ? "quiet-\(-$0)" : "busy" }, size: { _ in 8 })
        let alone = EventLog<Int>(topic: { $0 < 0 ? "quiet-\(-$0)" : "busy" }, size: { _ in 8 })
        let waiting = (0..<watchers).map { number in
            Task {
                for try await step in try log.cursor(after: "", topic: "quiet-\(number % 1000 + 1)") {
                    if case .entries = step { return true }
                }
                return false
            }
        }
        while log.statistics.parked < watchers { await Task.yield() }
        let median = Self.appendTimes(alone, log, count)
        report.add("append about a topic that nobody watches", median.alone / .nanoseconds(1), "ns")
        report.add("the same beside \(watchers) watchers of other topics", median.crowded / .nanoseconds(1), "ns")
        report.add("the one as a multiple of the other", median.crowded / median.alone, atMost: bar)
        report.add("watchers that were overtaken", Double(log.statistics.overtaken), atMost: 0)
        log.close()
        for watcher in waiting { _ = try await watcher.value }
    }

    /// The medians over the rounds. It does not wait anywhere, so it stays on one thread, and what others do on other threads is not in its time.
    private static func appendTimes(_ alone: EventLog<Int>, _ crowded: EventLog<Int>, _ count: Int) -> (alone: Duration, crowded: Duration)
    {
        let rounds = 101
        var times: [(alone: Duration, crowded: Duration)] = []
        for _ in 0..<rounds {
            let start = ProcessTime.ofThread
            for number in 0..<count / rounds { alone.append(number) }
            let middle = ProcessTime.ofThread
            for number in 0..<count / rounds { crowded.append(number) }
            times.append((middle - start, ProcessTime.ofThread - middle))
        }
        let half = { (times: [Duration]) in times.sorted()[rounds / 2] / (count / rounds) }
        return (half(times.map(\.alone)), half(times.map(\.crowded)))
    }

    // MARK: Size

    /// The memory of an informer with two indices and a handler that takes in a list: at its most, and when it has it.
    private static func peakOfList(_ count: Int, _ report: inout Report) async throws {
        let indexers: [String: IndexFunction<Record>] = ["zone": { [$0.zone] }, "value": { ["\($0.value % 1000)"] }]
        let informer = SharedInformer(ScriptedSource(objects: count, events: 0), key: { $0.name }, indexers: indexers)
        let registration = try informer.addHandler { _ in }
        Memory.trim()
        guard let before = Memory.resident, Memory.resetPeak() else { return }
        let running = Task { await informer.run() }
        try await registration.waitUntilSynced()
        let peak = Memory.peak
        Memory.trim()
        if let peak, let after = Memory.resident {
            report.add("memory of a list of \(count) objects when it is there", Double(after - before) / 1_048_576, "MiB")
            report.add("memory at its most while it came", Double(peak - before) / 1_048_576, "MiB")
            report.add("the most as a multiple of what stays", Double(peak - before) / Double(after - before), atMost: 2)
        }
        running.cancel()
        await running.value
    }

    private static func largeList(_ count: Int, _ report: inout Report) async throws {
        let indexers: [String: IndexFunction<Record>] = ["zone": { [$0.zone] }, "value": { ["\($0.value % 1000)"] }]
        let records = (0..<count).map { Record($0, value: $0) }
        let store = Indexer<Record>(key: { $0.name }, indexers: indexers)
        let before = Memory.resident
        var start = ContinuousClock.now
        try store.replace(records, resourceVersion: "1")
        report.add("replace of \(count) objects with 2 indices", (ContinuousClock.now - start) / .milliseconds(1), "ms")
        if let before, let after = Memory.resident {
            report.add(
                "memory of an object in a store with 2 indices, its own strings left out",
                Double(after - before) / Double(count),
                "B"
            )
        }
        start = ContinuousClock.now
        var found = 0
        for zone in 0..<100 { found += try store.objects(index: "zone", value: "zone-\(zone)").count }
        guard found == count else { return print("the index found \(found) of \(count) objects") }
        report.add("finding all of them by index", (ContinuousClock.now - start) / .milliseconds(1), "ms")

        let source = ScriptedSource(objects: count, events: 0)
        var configuration = SharedInformerConfiguration<Record>()
        configuration.defaultResyncPeriod = .seconds(1)
        let informer = SharedInformer(source, key: { $0.name }, indexers: indexers, configuration: configuration)
        let resynced = Countdown(count)
        let registration = try informer.addHandler { event in
            if case .updated = event { resynced.count() }
        }
        start = ContinuousClock.now
        let running = Task { await informer.run() }
        try await registration.waitUntilSynced()
        report.add("list of \(count) objects, indexed twice, told to a handler", (ContinuousClock.now - start) / .milliseconds(1), "ms")
        start = ContinuousClock.now
        await resynced.done.wait()
        report.add("resync of them, the second until it is due included", (ContinuousClock.now - start) / .milliseconds(1), "ms")
        running.cancel()
        await running.value
    }
}
