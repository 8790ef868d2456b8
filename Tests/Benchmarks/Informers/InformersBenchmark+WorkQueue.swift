// SPDX-License-Identifier: Apache-2.0

import Informers

extension InformersBenchmark {
    /// Keys through a work queue: one by one, by workers, and what stays in memory of many.
    static func workQueue(_ count: Int, _ report: inout Report) async throws {
        let queue = WorkQueue<String>("benchmark")
        let before = Memory.resident
        var resident: [Int] = []
        for round in 0..<5 {
            // Other keys each time, and nobody else keeps them. Short ones, which need no memory of their own.
            for number in 0..<count { queue.add("\(round)/\(number)") }
            var worker: WorkQueue<String>.AsyncIterator? = queue.makeAsyncIterator()
            for _ in 0..<count { _ = await worker?.next() }
            worker = nil
            // What the allocator keeps for itself is not the queue's doing.
            Memory.trim()
            if let memory = Memory.resident { resident.append(memory) }
        }
        if let before, let first = resident.first, let last = resident.last {
            report.add("memory that stays when \(count) keys have been worked on", Double(first - before) / 1e6, "MB")
            // Less than the smallest place in a table for each key that was there.
            let bar = Double(4 * count * 16) / 1e6
            report.add("growth of it in MB when four times as many others have been", Double(last - first) / 1e6, atMost: bar)
        }
        guard queue.statistics.depth + queue.statistics.working == 0 else { return print("the queue holds keys that have been worked on") }

        let keys = (0..<100).map { "key-\($0)" }
        var worker = queue.makeAsyncIterator()
        var start = ProcessTime.now
        for number in 0..<count {
            queue.add(keys[number % 100])
            _ = await worker.next()
        }
        report.add("one key: added, taken, worked on, done (CPU time)", (ProcessTime.now - start) / .nanoseconds(1) / Double(count), "ns")

        let many = WorkQueue<String>("benchmark")
        for number in 0..<count { many.add("key-\(number)") }
        many.shutDown()
        start = ProcessTime.now
        try await many.run(workers: 4) { _ in }
        report.add(
            "one of \(count) keys: worked on by 4 workers (CPU time)",
            (ProcessTime.now - start) / .nanoseconds(1) / Double(count),
            "ns"
        )
    }
}
