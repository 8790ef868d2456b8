internal import GroupCache
internal import Informers
internal import NIOCore

/// What can be watched: a log, which of it, and how it is written. One implementation for all that there is to watch.
struct Watched<Event: Sendable>: Sendable {
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
}

/// One who watches. It holds a place in the log and nothing else while it waits: what is told is read when there is room for it, and written at the pace
/// of its connection. So a slow one costs the others nothing, and when the log has gone past it, it is told so.
struct Watch<Event: Sendable>: Sendable {
    let watched: Watched<Event>
    let query: WatchQuery
    let form: WatchForm
    private let start: ResourceVersion

    /// A piece is handed over when this much has gathered.
    private static var pieceSize: Int { 64 << 10 }

    /// - Throws: for a place from which nobody can go on, and when there is nothing to be watched any more.
    init(_ watched: Watched<Event>, _ query: WatchQuery, _ form: WatchForm) throws(Status) {
        self.watched = watched
        self.query = query
        self.form = form
        // Where everybody is who has everything: read before what there is, so that what comes meanwhile is told after it.
        let place = try watched.log.cursor(after: query.version, topic: watched.topic).version
        self.start = query.sendsInitialEvents ? watched.log.version : place
    }

    /// Tells what happens, until the task is cancelled: because the client has gone, or its time is over.
    ///
    /// - Parameter send: suspends while the client reads more slowly than things happen.
    func run(_ send: @escaping @Sendable (ByteBuffer) async -> Void) async {
        var output = WatchOutput(self.form, epoch: self.start.epoch)
        let cursor: EventCursor<Event>
        do {
            cursor = try self.watched.log.cursor(
                after: self.start.description,
                topic: self.watched.topic,
                heartbeat: self.query.heartbeat,
                where: self.watched.isWanted
            )
        } catch {
            output.error(Failure(error))
            return await send(output.take())
        }
        var knowsAll = !self.query.sendsInitialEvents
        do {
            if !knowsAll { knowsAll = await self.tellInitial(send) }
            while let step = try await cursor.next() {
                switch step {
                case .entries(let entries, _):
                    var index = 0
                    while index < entries.count {
                        self.write(entries, &index, &output)
                        await send(output.take())
                    }
                case .bookmark(let version, let elapsed):
                    self.write(version.sequence, elapsed, &output)
                    await send(output.take())
                }
            }
        } catch let status as Status {
            output.error(Failure(status))
            await send(output.take())
        } catch {
            // Its time is over, if anybody reads this: what it has not been told because it did not ask for it is passed, too.
            guard self.query.hasBookmarks, knowsAll else { return }
            output.bookmark(cursor.version.sequence, kind: self.watched.kind)
            await send(output.take())
        }
    }

    /// As many entries as make a piece, one at least: values may be large.
    private func write(_ entries: [EventLogEntry<Event>], _ index: inout Int, _ output: inout WatchOutput) {
        repeat {
            let entry = entries[index]
            output.event(entry.sequence) { self.watched.write(entry.event, $0, &$1) }
            index += 1
        } while index < entries.count && output.count < Self.pieceSize
    }

    private func write(_ sequence: UInt64, _ elapsed: Duration, _ output: inout WatchOutput) {
        if self.query.hasBookmarks {
            output.bookmark(sequence, kind: self.watched.kind, elapsed: elapsed)
        } else {
            output.keepAlive(sequence)
        }
    }

    /// - Returns: Whether everything was told.
    private func tellInitial(_ send: (ByteBuffer) async -> Void) async -> Bool {
        var output = WatchOutput(self.form, epoch: self.start.epoch)
        var place: String?
        repeat {
            // They have no order: nobody can go on from one of them.
            place = self.watched.initial(place) { body in output.event(self.start.sequence, canResume: false, body) }
            if output.count >= Self.pieceSize || place == nil {
                if place == nil {
                    if self.query.marksInitialEnd {
                        output.bookmark(self.start.sequence, kind: self.watched.kind, endsInitialEvents: true)
                    } else if self.form == .eventStream {
                        output.keepAlive(self.start.sequence)
                    }
                }
                let piece = output.take()
                // An empty piece would be the end of a chunked body.
                if piece.readableBytes > 0 { await send(piece) }
            }
            // What nobody wants to be told costs no wait: others are to have their turn.
            await Task.yield()
        } while place != nil && !Task.isCancelled
        return place == nil
    }
}
