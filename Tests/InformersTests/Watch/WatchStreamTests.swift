// SPDX-License-Identifier: Apache-2.0

import Foundation
import InformersTesting
import NIOConcurrencyHelpers
import Testing

@testable import Informers

@Suite("Watch streams")
struct WatchStreamTests {
    static let lines = [
        #"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"},"value":1}}"#,
        #"{"type":"MODIFIED","object":{"metadata":{"name":"a","resourceVersion":"2"},"value":2}}"#,
        #"{"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"3"},"value":2}}"#,
        #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"4"}}}"#,
    ]
    static let events: [Event] = [
        .added(Item("a", 1, version: "1"), resourceVersion: "1"),
        .modified(Item("a", 2, version: "2"), resourceVersion: "2"),
        .deleted(Item("a", 2, version: "3"), resourceVersion: "3"),
        .bookmark(resourceVersion: "4"),
    ]

    static func stream(
        _ chunks: Chunks,
        framing: DecodedWatchSource<Chunks, Item>.Framing = .jsonValues,
        maximumLength: Int = 1000
    ) -> WatchStream<Item> {
        WatchStream(
            DecodedWatchSource(chunks, framing: framing, maximumLength: maximumLength) { bytes in
                try JSONDecoder().decode(Event.self, from: Data(bytes))
            }
        )
    }

    static func all(_ stream: WatchStream<Item>) async -> [Event] {
        var events: [Event] = []
        for await event in stream { events.append(event) }
        return events
    }

    @Test("StreamWatcher: events come decoded and in order, then the stream ends silently with its source")
    func streamWatcher() async {
        let stream = Self.stream(Chunks(Self.lines.map { $0 + "\n" }))
        #expect(await Self.all(stream) == Self.events)
        #expect(stream.isStopped)
        #expect(await stream.next() == nil)
    }

    @Test("StreamWatcherError: nonsense is one ERROR event, then the stream is over, and its source closed once")
    func streamWatcherError() async throws {
        let stream = Self.stream(Chunks([Self.lines[0], "nonsense", Self.lines[1]]))
        let events = await Self.all(stream)
        #expect(events.count == 2)
        #expect(events.first == Self.events[0])
        guard case .error(let status) = events.last?.change else {
            Issue.record("the last event is no error")
            return
        }
        #expect(status.code == 500)

        let fake = FakeWatch<Item>()
        fake.end(RecordingStore.Refused())
        let failing = fake.stream
        #expect(await Self.all(failing).count == 1)
        #expect(fake.closes == 1)
    }

    @Test("StreamWatcherError: whoever makes the stream decides what its reader is told of an error")
    func reporter() async throws {
        let fake = FakeWatch<Item>()
        fake.end(RecordingStore.Refused())
        #expect(await Self.all(WatchStream(fake) { _ in Status(.forbidden) }) == [.error(Status(.forbidden))])
        let silent = FakeWatch<Item>()
        silent.end(RecordingStore.Refused())
        #expect(await Self.all(WatchStream(silent) { _ in nil }) == [])
    }

    @Test("S-2: a connection that breaks, even within an event, ends the stream as silently as an end")
    func unexpectedEnd() async {
        #expect(await Self.all(Self.stream(Chunks([Self.lines[0], #"{"type":"ADD"#]))) == [Self.events[0]])
        for code in [WatchError.Code.unexpectedEnd, .timedOut, .connectionRefused] {
            let fake = FakeWatch<Item>()
            fake.end(WatchError(code))
            #expect(await Self.all(fake.stream) == [])
        }
    }

    @Test("StreamWatcherRace: an event or an error that nobody has read does not come after the stop", .timeLimit(.minutes(5)))
    func stoppedWithUnread() async throws {
        for error in [nil, RecordingStore.Refused()] as [(any Error)?] {
            let fake = FakeWatch<Item>()
            if error == nil { try fake.offer(Self.events[0]) }
            fake.end(error)
            let stream = fake.stream
            stream.stop()
            #expect(await stream.next() == nil)
            #expect(fake.closes == 1)
        }
        // What was read ahead: the rest of a chunk, and the chunk after it.
        let ahead = Self.stream(Chunks([Self.lines[0] + Self.lines[1], "nonsense"]))
        #expect(await ahead.next() == Self.events[0])
        ahead.stop()
        #expect(await ahead.next() == nil)
    }

    @Test("StreamWatcherRace: stopping with an unread event leaks neither the event nor the task that reads", .timeLimit(.minutes(5)))
    func streamWatcherRace() async throws {
        let token = Token()
        do {
            let chunks = TrackedChunks(token: token)
            let stream = WatchStream(
                DecodedWatchSource(chunks) { _ in throw WatchError(.malformed) } as DecodedWatchSource<TrackedChunks, Item>
            )
            // A reader that never comes back for the next event.
            let reader = Task { await stream.next() }
            await token.waitUntilReading()
            stream.stop()
            stream.stop()
            #expect(await reader.value == nil)
        }
        // The reading task holds the iterator, and that the token: when it is gone, so are both.
        await token.waitUntilGone()
    }

    @Test("S-1, Stop: nothing comes after it, a pending read ends, and the source is closed exactly once however often it is called")
    func stopEndsPendingRead() throws {
        let simulation = Simulation()
        let fake = FakeWatch<Item>()
        let stream = fake.stream
        let reader = simulation.spawn { await stream.next() }
        simulation.settle()
        #expect(!reader.isDone)
        stream.stop()
        stream.stop()
        simulation.settle()
        #expect(reader.value == .some(nil))
        #expect(fake.closes == 1)
    }

    @Test("S-1: stopping without ever having read closes the source; so does dropping the stream")
    func stopUnread() throws {
        let fake = FakeWatch<Item>()
        fake.stream.stop()
        #expect(fake.closes == 1)
        let dropped = FakeWatch<Item>()
        do { _ = dropped.stream }
        #expect(dropped.closes == 1)
    }

    @Test("A cancelled reader gets nothing more, and the stream can still be stopped")
    func cancelledReader() throws {
        let simulation = Simulation()
        let fake = FakeWatch<Item>()
        let stream = fake.stream
        let reader = simulation.spawn { await stream.next() }
        simulation.settle()
        reader.cancel()
        simulation.settle()
        #expect(reader.value == .some(nil))
        stream.stop()
        #expect(fake.closes == 1)
    }

    @Test("EmptyWatch: over from the start, Stop does nothing")
    func emptyWatch() async {
        let stream = WatchStream<Item>.empty
        #expect(await stream.next() == nil)
        stream.stop()
        #expect(await stream.next() == nil)
    }

    @Test("ProxyWatcher: passes on what its source tells, and the stop to the source")
    func proxyWatcher() async throws {
        let fake = FakeWatch<Item>()
        for event in Self.events { try fake.offer(event) }
        let stream = WatchStream(fake)
        for event in Self.events { #expect(await stream.next() == event) }
        #expect(!stream.isStopped)
        stream.stop()
        #expect(stream.isStopped)
        #expect(fake.isClosed)
        #expect(await stream.next() == nil)
    }
}

/// Tells when somebody reads and when he is gone.
private final class Token: Sendable {
    private struct State {
        var isReading = false
        var isGone = false
    }

    private let state = NIOLockedValueBox(State())
    private let wakeup = Wakeup()

    func reading() {
        self.state.withLockedValue { $0.isReading = true }
        self.wakeup.signal()
    }

    func gone() {
        self.state.withLockedValue { $0.isGone = true }
        self.wakeup.signal()
    }

    func waitUntilReading() async { while !self.state.withLockedValue({ $0.isReading }), !Task.isCancelled { await self.wakeup.wait() } }
    func waitUntilGone() async { while !self.state.withLockedValue({ $0.isGone }), !Task.isCancelled { await self.wakeup.wait() } }
}

/// Silent bytes, whose iterator says when it goes.
private struct TrackedChunks: AsyncSequence, Sendable {
    final class Lifetime {
        let token: Token
        init(_ token: Token) { self.token = token }
        deinit { self.token.gone() }
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let lifetime: Lifetime

        mutating func next() async throws -> [UInt8]? {
            self.lifetime.token.reading()
            let never = AsyncStream<Never> { _ in }
            for await _ in never {}
            throw CancellationError()
        }
    }

    let token: Token

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(lifetime: Lifetime(self.token)) }
}
