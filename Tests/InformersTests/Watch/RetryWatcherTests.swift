// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("RetryWatcher")
struct RetryWatcherTests {
    private let simulation = Simulation()
    private let source = FakeSource.things()

    private func start(from version: String? = nil) throws -> (WatchStream<Item>, SimulatedTask<[Event]>) {
        let clock = InformerClock(self.simulation.clock)
        let stream = try RetryWatcher.watch(self.source, from: version ?? "\(self.source.version)", clock: clock)
        let reader = self.simulation.spawn { await WatchStreamTests.all(stream) }
        self.simulation.settle()
        return (stream, reader)
    }

    private func names(_ events: [Event]?) -> [String] { (events ?? []).compactMap { $0.object?.name } }

    @Test("S-5: refuses to start from anywhere", arguments: ["", "0"])
    func refusesAnywhere(_ version: String) {
        #expect(throws: WatchError.self) { try RetryWatcher.watch(self.source, from: version) }
    }

    @Test("S-5: goes on where it was after every end, an event each, a second apart at least")
    func resumes() throws {
        self.source.add(Item("a"))
        let (stream, reader) = try self.start()
        self.source.add(Item("b"))
        self.simulation.settle()
        self.source.dropWatches()
        self.source.add(Item("c"))
        self.simulation.settle()
        #expect(self.source.watches.count == 1, "not at once")
        self.simulation.advance(by: .seconds(1))
        #expect(self.source.watches.map(\.resourceVersion) == ["1.1", "1.2"])
        stream.stop()
        self.simulation.settle()
        #expect(self.names(reader.value) == ["b", "c"])
        #expect(self.source.opened == 2 && self.source.closed == 2)
    }

    @Test("S-5: a 410 event is passed on and ends it")
    func expiredEvent() throws {
        self.source.add(Item("a"))
        let (_, reader) = try self.start()
        self.source.inject(.error(.expired()))
        self.simulation.settle()
        #expect(reader.value == [.error(.expired())])
    }

    @Test("S-5: a plain 410 on opening ends it, too, instead of being tried again for ever at the same version")
    func expiredOnOpening() throws {
        self.source.add(Item("a"))
        let (_, reader) = try self.start()
        self.source.add(Item("b"), silently: true)
        self.source.resetWatch()
        self.simulation.advance(by: .seconds(1))
        #expect(reader.value == [.error(.expired())])
        #expect(self.source.watches.count == 2)
    }

    @Test("S-5: 401 and 403 on opening end it", arguments: [Status.Reason.unauthorized, .forbidden])
    func refused(_ reason: Status.Reason) throws {
        self.source.add(Item("a"))
        self.source.failWatches(Status(reason))
        let (_, reader) = try self.start()
        #expect(reader.value == [.error(Status(reason))])
    }

    @Test("S-5: any other error is tried again, and not before the source allows it")
    func otherErrors() throws {
        self.source.add(Item("a"))
        self.source.failWatches(WatchError(.connectionRefused), Status(.internalError))
        let (stream, reader) = try self.start()
        #expect(self.source.watches.count == 1)
        self.simulation.advance(by: .seconds(1))
        #expect(self.source.watches.count == 2)
        self.simulation.advance(by: .seconds(1))
        #expect(self.source.opened == 1)
        self.source.inject(.error(Status(.tooManyRequests, details: .init(retryAfterSeconds: 7))))
        self.simulation.advance(by: .milliseconds(6900))
        #expect(self.source.opened == 1)
        self.simulation.advance(by: .milliseconds(100))
        #expect(self.source.opened == 2)
        self.source.add(Item("b"))
        self.simulation.settle()
        stream.stop()
        self.simulation.settle()
        #expect(self.names(reader.value) == ["b"])
    }

    @Test("S-5: an object without a version, or an event of an unknown type, ends it: going on could skip data")
    func unusableEvents() throws {
        for event in [
            Event.added(Item("x"), resourceVersion: nil), .modified(Item("x"), resourceVersion: ""),
            Event(.unknown(type: "X"), resourceVersion: "9"),
        ] {
            self.source.add(Item("a"))
            let (_, reader) = try self.start()
            self.source.inject(event)
            self.simulation.settle()
            #expect(reader.value?.count == 1)
            guard case .error = reader.value?.first?.change else {
                Issue.record("no error")
                continue
            }
        }
    }

    @Test("S-5: bookmarks move the version and are not passed on")
    func bookmarks() throws {
        self.source.add(Item("a"))
        let (stream, reader) = try self.start()
        self.source.inject(.bookmark(resourceVersion: "1.1000"))
        self.simulation.settle()
        self.source.dropWatches()
        self.simulation.advance(by: .seconds(1))
        #expect(self.source.watches.map(\.resourceVersion) == ["1.1", "1.1000"])
        stream.stop()
        self.simulation.settle()
        #expect(reader.value == [])
    }

    @Test("a stream that is silent for too long is opened again where it was; an event, or a bookmark, counts")
    func idleLimit() throws {
        self.source.add(Item("a"))
        let (stream, reader) = try self.start()
        self.simulation.advance(by: .seconds(500))
        self.source.bookmark()
        self.simulation.advance(by: .seconds(500))
        self.source.add(Item("b"))
        self.simulation.advance(by: .seconds(599))
        #expect(self.source.opened == 1)
        self.simulation.advance(by: .seconds(1))
        #expect(self.source.watches.map(\.resourceVersion) == ["1.1", "1.2"])
        self.simulation.advance(by: .seconds(86_400))
        #expect(self.source.opened == 146)
        #expect(self.source.closed == 145)
        self.source.add(Item("c"))
        self.simulation.settle()
        stream.stop()
        self.simulation.settle()
        #expect(self.names(reader.value) == ["b", "c"])
        #expect(self.simulation.clock.sleepers == 0)
    }

    @Test("Stop ends it at once, whether it reads, waits for its next try or opens a watch", arguments: [UInt64](1...30))
    func stops(_ seed: UInt64) throws {
        let simulation = Simulation(seed: seed)
        let source = FakeSource.things()
        source.add(Item("a"))
        if seed % 3 == 0 { source.failWatches(Status(.internalError)) }
        let stream = try RetryWatcher.watch(source, from: "1.1", clock: InformerClock(simulation.clock))
        let reader = simulation.spawn { await WatchStreamTests.all(stream) }
        let stopper = simulation.spawn {
            for _ in 0..<seed { await Task.yield() }
            stream.stop()
        }
        #expect(simulation.settle())
        #expect(stopper.isDone)
        #expect(reader.value == [])
        #expect(source.opened == source.closed)
        #expect(simulation.clock.sleepers == 0)
    }
}
