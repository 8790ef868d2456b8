// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import Testing

@testable import Informers

/// Bookmarks.
extension EventLogTests {
    @Test("A-7: an idle watcher gets a bookmark each heartbeat, with the place it has passed and the time since it began")
    func bookmarks() throws {
        let bench = LogBench()
        bench.append("dogs", 1)
        bench.simulation.advance(by: .seconds(5))
        let watch = try bench.watch(topic: "cats", heartbeat: .seconds(10))
        bench.simulation.advance(by: .seconds(9))
        #expect(watch.bookmarks.isEmpty)
        bench.append("dogs", 2)
        bench.simulation.advance(by: .seconds(1))
        #expect(watch.bookmarks == ["abc.2 10000.0"])
        bench.simulation.advance(by: .seconds(25))
        #expect(watch.bookmarks == ["abc.2 10000.0", "abc.2 20000.0", "abc.2 30000.0"])
        #expect(watch.numbers.isEmpty)
    }

    @Test("A-7: under steady traffic, too, there is one bookmark a heartbeat, and it comes after all that was there at its time")
    func bookmarksUnderTraffic() throws {
        let bench = LogBench()
        let watch = try bench.watch(heartbeat: .seconds(10))
        for number in 0..<350 {
            bench.append(nil, number)
            bench.simulation.advance(by: .milliseconds(100))
        }
        #expect(watch.numbers == Array(0..<350))
        #expect(watch.bookmarks.count == 3)
        // 10 seconds after the start the 101st entry was there or about to come.
        #expect(watch.bookmarks.first == "abc.100 10000.0")
    }

    @Test("A-7: the stamp is taken before the end of the log is read, and told once the cursor has come there")
    func stampBeforeEnd() {
        var ring = EventRing<Int>(maximumEntries: 100, maximumBytes: .max, minimumAge: .zero)
        var cursor = CursorState(position: 0, heartbeat: .seconds(10), now: .seconds(100))
        for number in 0..<3 { _ = ring.append(number, bytes: 1, now: .seconds(100)) }
        var told: [String] = []
        for now in [Duration.seconds(110), .seconds(111), .seconds(112), .seconds(113)] {
            switch cursor.look(ring, isClosed: false, now: now, entries: 2, bytes: 100) {
            case .entries(let entries): told.append("entries to \(entries.last?.sequence ?? 0)")
            case .bookmark(let elapsed): told.append("bookmark \(elapsed / .seconds(1)) at \(cursor.position)")
            case .idle(let until): told.append("idle until \((until ?? .zero) / .seconds(1))")
            case .overtaken, .end: told.append("end")
            }
            // Comes after the stamp: the bookmark must not wait for it.
            _ = ring.append(9, bytes: 1, now: now)
        }
        #expect(told == ["entries to 2", "entries to 4", "bookmark 10.0 at 4", "entries to 6"])
    }

    @Test("a watcher without a heartbeat gets no bookmarks, and nothing runs for it")
    func noHeartbeat() throws {
        let bench = LogBench()
        let watch = try bench.watch()
        bench.simulation.advance(by: .seconds(1000))
        #expect(watch.steps.count == 0)
        #expect(bench.simulation.clock.sleepers == 0)
    }

    @Test("a shorter heartbeat that comes later is kept, and a watcher that leaves is not waited for")
    func severalHeartbeats() throws {
        let bench = LogBench()
        let slow = try bench.watch(heartbeat: .seconds(60))
        let quick = try bench.watch(heartbeat: .seconds(5))
        bench.simulation.advance(by: .seconds(60))
        #expect(slow.bookmarks.count == 1)
        #expect(quick.bookmarks.count == 12)
        quick.task.cancel()
        slow.task.cancel()
        bench.simulation.settle()
        #expect(slow.task.error is CancellationError)
        #expect(bench.log.statistics.watchers == 0)
        #expect(bench.log.statistics.parked == 0)
        bench.timer.cancel()
        bench.simulation.settle()
        #expect(bench.timer.isDone)
    }
}
