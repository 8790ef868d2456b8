// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
package import Informers
package import NIOCore

/// What can be watched: a log, which of it, and how it is written. One implementation for all that there is to watch.
package struct Watched<Event: Sendable>: Sendable {
    let log: EventLog<Event>
    /// What it is about; `nil`: all.
    let topic: String?
    /// What objects are called.
    let kind: String
    let isWanted: @Sendable (Event) -> Bool
    /// Writes an event as a JSON object, `{"type":…,"object":…}`.
    let write: @Sendable (Event, WatchVersion, inout JSONWriter) -> Void
    /// Writes what there is, a page of it, as events.
    ///
    /// - Parameters:
    ///   - place: where the page begins; `nil`: the first.
    ///   - event: writes one.
    /// - Returns: where the next page begins; `nil`: this was the last.
    let initial: @Sendable (_ place: String?, _ event: (_ body: (WatchVersion, inout JSONWriter) -> Void) -> Void) -> String?

    package init(
        log: EventLog<Event>,
        topic: String?,
        kind: String,
        isWanted: @escaping @Sendable (Event) -> Bool,
        write: @escaping @Sendable (Event, WatchVersion, inout JSONWriter) -> Void,
        initial: @escaping @Sendable (_ place: String?, _ event: (_ body: (WatchVersion, inout JSONWriter) -> Void) -> Void) -> String?
    ) {
        self.log = log
        self.topic = topic
        self.kind = kind
        self.isWanted = isWanted
        self.write = write
        self.initial = initial
    }
}

/// One who watches. It holds a place in the log and nothing else while it waits: what is told is read when there is room for it, and written at the pace
/// of its connection. So a slow one costs the others nothing, and when the log has gone past it, it is told so.
package struct Watch<Event: Sendable>: Sendable {
    let watched: Watched<Event>
    let query: WatchQuery
    let form: WatchForm
    private let start: ResourceVersion

    /// A piece is handed over when this much has gathered.
    private static var pieceSize: Int { 64 << 10 }

    /// - Throws: for a place from which nobody can go on, and when there is nothing to be watched any more.
    package init(_ watched: Watched<Event>, _ query: WatchQuery, _ form: WatchForm) throws(Status) {
        self.watched = watched
        self.query = query
        self.form = form
        do throws(Status) {
            // Where everybody is who has everything: read before what there is, so that what comes meanwhile is told after it.
            let place = try watched.log.cursor(after: query.version, topic: watched.topic).version
            self.start = query.sendsInitialEvents ? watched.log.version : place
        } catch {
            // A browser that goes on by itself takes no other answer than 200, and gives up for ever. It is told as the first event, and that it is to
            // forget its place.
            guard form == .eventStream, query.isResumed, let place = ResourceVersion(query.version) else { throw error }
            self.start = place
        }
    }

    /// Tells what happens, until the task is cancelled: because the client has gone, or its time is over.
    ///
    /// - Parameter send: suspends while the client reads more slowly than things happen.
    func run(_ send: @escaping @Sendable (ByteBuffer) async -> Void) async {
        var pieces = self.pieces.makeAsyncIterator()
        while let piece = await pieces.next() { await send(piece) }
    }

    /// The same for who asks for it piece by piece, as fast as they are read.
    package var pieces: WatchPieces<Event> { WatchPieces(watch: self) }

    fileprivate func cursor() throws -> EventCursor<Event> {
        try self.watched.log.cursor(
            after: self.start.description,
            topic: self.watched.topic,
            heartbeat: self.query.heartbeat,
            where: self.watched.isWanted
        )
    }

    fileprivate func output() -> WatchOutput { WatchOutput(self.form, epoch: self.start.epoch) }

    /// As many entries as make a piece, one at least: values may be large.
    fileprivate func write(_ entries: [EventLogEntry<Event>], _ index: inout Int, _ output: inout WatchOutput) {
        repeat {
            let entry = entries[index]
            output.event(entry.sequence) { self.watched.write(entry.event, $0, &$1) }
            index += 1
        } while index < entries.count && output.count < Self.pieceSize
    }

    fileprivate func write(_ sequence: UInt64, _ elapsed: Duration, _ output: inout WatchOutput) {
        if self.query.hasBookmarks {
            output.bookmark(sequence, kind: self.watched.kind, elapsed: elapsed)
        } else {
            output.keepAlive(sequence)
        }
    }

    fileprivate func write(_ status: Status, _ output: inout WatchOutput) { output.error(Failure(status)) }

    /// A page of what there is.
    ///
    /// - Returns: whether a piece has gathered, and where the next page begins.
    fileprivate func writeInitial(_ place: String?, _ output: inout WatchOutput) -> (isPiece: Bool, next: String?) {
        // They have no order: nobody can go on from one of them.
        let next = self.watched.initial(place) { body in output.event(self.start.sequence, canResume: false, body) }
        guard next == nil else { return (output.count >= Self.pieceSize, next) }
        if self.query.marksInitialEnd {
            output.bookmark(self.start.sequence, kind: self.watched.kind, endsInitialEvents: true)
        } else if self.form == .eventStream {
            output.keepAlive(self.start.sequence)
        }
        return (true, nil)
    }
}

/// What one who watches is told, in pieces.
package struct WatchPieces<Event: Sendable>: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    fileprivate let watch: Watch<Event>

    package func makeAsyncIterator() -> Iterator { Iterator(self.watch) }

    /// For one task. When that is cancelled there is, for who wants bookmarks, one more.
    package struct Iterator: AsyncIteratorProtocol {
        private enum Phase {
            case begins
            case initial(String?)
            case events(EventCursor<Event>)
            case ended
        }

        private let watch: Watch<Event>
        private var output: WatchOutput
        private var phase = Phase.begins
        private var cursor: EventCursor<Event>?
        /// What was read of the log, and how much of it is told.
        private var entries: [EventLogEntry<Event>] = []
        private var index = 0

        init(_ watch: Watch<Event>) {
            self.watch = watch
            self.output = watch.output()
        }

        /// The next piece, never an empty one; `nil`: that was all.
        package mutating func next() async -> ByteBuffer? {
            while true {
                if self.index < self.entries.count { return self.told() }
                switch self.phase {
                case .begins: if let piece = self.begin() { return piece }
                case .initial(let place):
                    // What nobody wants to be told costs no wait: others are to have their turn.
                    await Task.yield()
                    if Task.isCancelled { return self.end() }
                    if let piece = self.initial(place) { return piece }
                case .events(let cursor):
                    let step: Result<EventLogStep<Event>?, any Error>
                    do { step = .success(try await cursor.next()) } catch { step = .failure(error) }
                    if let piece = self.take(step, cursor) { return piece }
                case .ended: return nil
                }
            }
        }

        private mutating func told() -> ByteBuffer {
            self.watch.write(self.entries, &self.index, &self.output)
            if self.index == self.entries.count { (self.entries, self.index) = ([], 0) }
            return self.output.take()
        }

        private mutating func begin() -> ByteBuffer? {
            do {
                // Before what there is: what comes meanwhile is told after it.
                let cursor = try self.watch.cursor()
                self.cursor = cursor
                self.phase = self.watch.query.sendsInitialEvents ? .initial(nil) : .events(cursor)
                return nil
            } catch {
                self.phase = .ended
                self.watch.write(Status(error), &self.output)
                return self.output.take()
            }
        }

        private mutating func initial(_ place: String?) -> ByteBuffer? {
            let (isPiece, next) = self.watch.writeInitial(place, &self.output)
            if let next { self.phase = .initial(next) } else { self.phase = self.cursor.map { .events($0) } ?? .ended }
            guard isPiece else { return nil }
            // An empty piece would be the end of a chunked body.
            let piece = self.output.take()
            return piece.readableBytes > 0 ? piece : nil
        }

        private mutating func take(_ step: Result<EventLogStep<Event>?, any Error>, _ cursor: EventCursor<Event>) -> ByteBuffer? {
            switch step {
            case .success(.entries(let entries, _)):
                self.entries = entries
                return nil
            case .success(.bookmark(let version, let elapsed)):
                self.watch.write(version.sequence, elapsed, &self.output)
                return self.output.take()
            case .success(nil):
                self.phase = .ended
                return nil
            case .failure(let status as Status):
                self.phase = .ended
                self.watch.write(status, &self.output)
                return self.output.take()
            case .failure:
                // Its time is over, if anybody reads this: what it has not been told because it did not ask for it is passed, too.
                self.phase = .ended
                guard self.watch.query.hasBookmarks else { return nil }
                self.output.bookmark(cursor.version.sequence, kind: self.watch.watched.kind)
                return self.output.take()
            }
        }

        private mutating func end() -> ByteBuffer? {
            self.phase = .ended
            return nil
        }
    }
}
