// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers

/// A watch that opens itself again, at the version where it was, whenever it ends: for one who wants only changes and needs no list.
///
/// It ends when going on could lose something: the version is too old (410, however the source says it), an object has no version, an event is of
/// an unknown type, or the source refuses access (401, 403). Then the last event is an error. Bookmarks move the version and are not passed on.
/// A stream that tells nothing for too long is opened again as well: a connection can be dead for a day without anybody being told.
public final class RetryWatcher<Source: ListerWatcher>: WatchSource {
    private struct State {
        var resourceVersion: String
        var stream: WatchStream<Source.Object>?
        /// When to open the next stream, at the earliest.
        var notBefore: Duration?
        var isClosed = false
    }

    private let source: Source
    private let clock: InformerClock
    private let idleLimit: Duration?
    private let logger: Logger?
    private let state: NIOLockedValueBox<State>
    private let closed = Wakeup()
    private static var minimumInterval: Duration { .seconds(1) }

    private init(_ source: Source, resourceVersion: String, idleLimit: Duration?, clock: InformerClock, logger: Logger?) {
        self.source = source
        self.idleLimit = idleLimit
        self.clock = clock
        self.logger = logger
        self.state = NIOLockedValueBox(State(resourceVersion: resourceVersion))
    }

    /// A stream of what changes after `resourceVersion`.
    ///
    /// - Parameters:
    ///   - source: What to watch.
    ///   - resourceVersion: Where to begin.
    ///   - idleLimit: After how long without an event, bookmarks included, a stream is given up and opened again; `nil`: never.
    ///   - clock: The clock of everything that waits.
    ///   - logger: Is told of errors.
    /// - Throws: ``WatchError`` `.invalidArgument` for the versions `""` and `"0"`, which mean "from anywhere".
    public static func watch(
        _ source: Source,
        from resourceVersion: String,
        idleLimit: Duration? = .seconds(600),
        clock: InformerClock = .continuous,
        logger: Logger? = nil
    ) throws(WatchError) -> WatchStream<Source.Object> {
        guard resourceVersion != "", resourceVersion != "0" else {
            throw WatchError(.invalidArgument, "a watch that is to be resumed needs a resource version to start from")
        }
        return WatchStream(RetryWatcher(source, resourceVersion: resourceVersion, idleLimit: idleLimit, clock: clock, logger: logger))
    }

    /// The next event; `nil` when stopped.
    public func next() async throws -> WatchEvent<Source.Object>? {
        while !Task.isCancelled {
            guard let stream = try await self.openStream() else { return nil }
            while let event = await self.next(of: stream) {
                switch event.change {
                case .added, .modified, .deleted:
                    guard let version = event.resourceVersion, !version.isEmpty else { throw WatchError(.missingResourceVersion) }
                    self.state.withLockedValue { $0.resourceVersion = version }
                    return event
                case .bookmark:
                    guard let version = event.resourceVersion, !version.isEmpty else { throw WatchError(.missingResourceVersion) }
                    self.state.withLockedValue { $0.resourceVersion = version }
                    continue
                case .error(let status):
                    if status.isExpired { throw status }
                    self.logger?.debug("watch failed, is opened again", metadata: ["code": "\(status.code)"])
                    self.rest(status.retryAfter)
                case .unknown, .foreign:
                    throw WatchError(.unknownEventType, "unknown event: going on could skip something")
                }
                break
            }
            self.dropStream()
        }
        return nil
    }

    /// The next event of a stream, which is stopped if it tells nothing for too long.
    private func next(of stream: WatchStream<Source.Object>) async -> WatchEvent<Source.Object>? {
        guard let idleLimit else { return await stream.next() }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await self.clock.sleep(for: idleLimit) } catch { return }
                self.logger?.debug("watch is silent, is opened again")
                stream.stop()
            }
            defer { group.cancelAll() }
            return await stream.next()
        }
    }

    /// Ends a pending ``next()`` and the watch that is open.
    public func close() {
        let stream = self.state.withLockedValue { state in
            state.isClosed = true
            return state.stream.take()
        }
        stream?.stop()
        self.closed.signal()
    }

    /// The open stream, or a new one; `nil` when closed. Throws what ends the watch for good.
    private func openStream() async throws -> WatchStream<Source.Object>? {
        while true {
            let (stream, pause, version) = self.state.withLockedValue { state in
                (state.stream, (state.notBefore ?? self.clock.now) - self.clock.now, state.resourceVersion)
            }
            if let stream { return stream }
            // The signal of a close that came while the last try ended is used up: look before waiting.
            if self.state.withLockedValue({ $0.isClosed }) { return nil }
            if pause > .zero { _ = await self.unlessClosed { try await self.clock.sleep(for: pause) } }
            if self.state.withLockedValue({ $0.isClosed }) || Task.isCancelled { return nil }
            self.state.withLockedValue { $0.notBefore = self.clock.now + Self.minimumInterval }
            let options = WatchOptions(resourceVersion: version, allowBookmarks: true)
            switch await self.unlessClosed({ try await self.source.watch(options) }) {
            case .success(let stream):
                let isClosed = self.state.withLockedValue { state in
                    if !state.isClosed { state.stream = stream }
                    return state.isClosed
                }
                if isClosed { stream.stop() }
            case .failure(let status as Status) where status.isExpired || status.code == 401 || status.code == 403:
                throw status
            case .failure(let error):
                self.logger?.debug("watch could not be opened, is tried again", metadata: ["error": "\(type(of: error))"])
                self.rest((error as? Status)?.retryAfter)
            }
        }
    }

    private func dropStream() {
        self.state.withLockedValue { $0.stream.take() }?.stop()
    }

    private func rest(_ duration: Duration?) {
        guard let duration else { return }
        self.state.withLockedValue { $0.notBefore = max($0.notBefore ?? .zero, self.clock.now + duration) }
    }

    /// Runs `body`, and cancels it when the watch is closed meanwhile.
    private func unlessClosed<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async -> Result<Value, any Error> {
        await withTaskGroup(of: Result<Value, any Error>?.self) { group in
            group.addTask {
                do { return .success(try await body()) } catch { return .failure(error) }
            }
            group.addTask {
                await self.closed.wait()
                return nil
            }
            var result: Result<Value, any Error>?
            for await ended in group {
                if let ended { result = ended }
                group.cancelAll()
            }
            return result ?? .failure(CancellationError())
        }
    }
}
