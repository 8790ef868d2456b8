// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("Fakes, filters and recorders of watches")
struct FakeWatchTests {
    private let events = WatchStreamTests.events

    @Test("Fake: a sender waits until its event has been read; Stop lets it go; Reset revives")
    func fake() throws {
        let simulation = Simulation()
        let fake = FakeWatch<Item>()
        let (first, second) = (self.events[0], self.events[1])
        let sender = simulation.spawn {
            await fake.send(first)
            await fake.send(second)
        }
        simulation.settle()
        #expect(!sender.isDone)
        #expect(fake.pending == 1, "the second is not sent before the first is read")
        let stream = fake.stream
        let reader = simulation.spawn { await stream.next() }
        simulation.settle()
        #expect(reader.value == first)
        #expect(!sender.isDone)
        stream.stop()
        stream.stop()
        simulation.settle()
        #expect(sender.isDone, "nobody is left waiting behind a stopped watch")
        #expect(fake.closes == 1)
        fake.reset()
        #expect(!fake.isClosed)
        try fake.offer(first)
        let again = fake.stream
        let revived = simulation.spawn { await again.next() }
        simulation.settle()
        #expect(revived.value == first)
    }

    @Test("RaceFreeFake: a full buffer is an error, and what is sent after the stop is ignored")
    func raceFreeFake() throws {
        let fake = FakeWatch<Item>(capacity: 2)
        try fake.offer(self.events[0])
        try fake.offer(self.events[1])
        #expect(throws: FakeWatch<Item>.Full.self) { try fake.offer(self.events[2]) }
        fake.close()
        try fake.offer(self.events[0])
        #expect(fake.pending == 0)
    }

    @Test("Filter: events are left out or changed by a predicate, order is kept")
    func filter() async throws {
        let fake = FakeWatch<Item>()
        for event in self.events { try fake.offer(event) }
        fake.end()
        let filtered = fake.stream.filtered { event in
            if case .modified = event.change { return nil }
            guard case .deleted(let thing) = event.change else { return event }
            return .deleted(Item(thing.name, 99), resourceVersion: event.resourceVersion)
        }
        let seen = await WatchStreamTests.all(filtered)
        #expect(seen == [self.events[0], .deleted(Item("a", 99), resourceVersion: "3"), self.events[3]])
    }

    @Test("FilterStop: stopping the filtered stream stops the source, also while a read waits")
    func filterStop() throws {
        let simulation = Simulation()
        let fake = FakeWatch<Item>()
        let filtered = fake.stream.filtered { $0 }
        let reader = simulation.spawn { await filtered.next() }
        simulation.settle()
        filtered.stop()
        simulation.settle()
        #expect(reader.value == .some(nil))
        #expect(fake.closes == 1)
    }

    @Test("Recorder: every event is remembered as it passes, the last ones of too many")
    func recorder() async throws {
        let fake = FakeWatch<Item>()
        for event in self.events { try fake.offer(event) }
        fake.end()
        let (recorder, short) = (WatchRecorder<Item>(), WatchRecorder<Item>(limit: 2))
        let seen = await WatchStreamTests.all(fake.stream.recorded(by: recorder).recorded(by: short))
        #expect(seen == self.events)
        #expect(recorder.events == self.events)
        #expect(short.events == Array(self.events.suffix(2)))
    }

    @Test("Fake: what is sent comes in order, an error too, then the end")
    func fakeInOrder() throws {
        let simulation = Simulation()
        let fake = FakeWatch<Item>()
        let events = self.events + [.error(Status(.unknown))]
        let stream = fake.stream
        let reader = simulation.spawn { await WatchStreamTests.all(stream) }
        simulation.spawn {
            for event in events { await fake.send(event) }
            fake.end()
        }
        simulation.settle()
        #expect(reader.value == events)
    }
}
