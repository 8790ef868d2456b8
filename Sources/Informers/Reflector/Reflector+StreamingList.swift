internal import Logging
internal import NIOConcurrencyHelpers

extension Reflector {
    /// Lists by a watch that begins with everything there is; the stream goes on as a watch. `nil`: cancelled.
    ///
    /// It is given up when its end has not come in time: some sources never say that this was everything, some connections always break before.
    func streamingList() async throws -> Opened? {
        var deadline: Duration?
        while !Task.isCancelled {
            var opened: Opened
            do {
                opened = try await self.open(from: self.state.withLockedValue { $0.version.rewatch }, sendInitialEvents: true)
            } catch {
                try await self.prepareRetry(after: error)
                continue
            }
            let end = deadline ?? opened.since + self.configuration.streamingListDeadline
            deadline = end
            do {
                if let (initial, version) = try await self.collect(opened, until: end) {
                    try await self.replace(initial, version)
                    // What comes now are changes, in order: their versions count, those of additions too.
                    opened.from = version
                    return opened
                }
                opened.stream.stop()
                // It broke off in the middle. What has come so far is of no use: without the end nobody knows what is missing.
                if Task.isCancelled { return nil }
                guard self.clock.now < end else { throw StreamingListFailure.late }
                await self.backOff()
            } catch let failure as StoreFailure {
                opened.stream.stop()
                throw failure
            } catch let failure as StreamingListFailure {
                opened.stream.stop()
                // For a while it is not tried again.
                self.state.withLockedValue { $0.streamsAgain = self.clock.now + self.configuration.streamingListPause }
                throw failure
            } catch {
                opened.stream.stop()
                try await self.prepareRetry(after: error)
            }
        }
        return nil
    }

    /// Throws if another streaming list would fail as well.
    private func prepareRetry(after error: any Error) async throws {
        if let pause = Self.retry(error) {
            await self.backOff(atLeast: pause)
        } else if let status = error as? Status, status.isExpired || status.isTooLargeResourceVersion,
            self.state.withLockedValue({ !$0.version.isUnavailable })
        {
            self.state.withLockedValue { $0.version.refused() }
        } else {
            throw StreamingListFailure(cause: error)
        }
    }

    /// What a stream tells until it says that this was everything; `nil`: it ended before.
    private func collect(_ opened: Opened, until deadline: Duration) async throws -> (
        initial: InitialEvents<Source.Object>, version: String
    )? {
        var found: (initial: InitialEvents<Source.Object>, version: String)?
        try await self.watched(opened) { heard in
            let ticker = InitialEventsTicker(clock: self.clock, logger: self.logger, deadline: deadline) { opened.stream.stop() }
            found = try await ticker.run { heardByTicker in
                var initial = InitialEvents<Source.Object>()
                var count = 0
                while let event = await opened.stream.next() {
                    heard()
                    heardByTicker()
                    count += 1
                    if let version = try initial.receive(event, store: self.store) { return (initial, version) }
                }
                guard Task.isCancelled || self.clock.now < deadline else { throw StreamingListFailure.late }
                try self.checkLength(of: opened, events: count)
                return nil
            }
        }
        return found
    }

    private func replace(_ initial: InitialEvents<Source.Object>, _ version: String) async throws {
        let (objects, leftOut) = (initial.objects, initial.leftOut)
        // That nothing at all can be transformed is no fault of the objects.
        if objects.isEmpty, let cause = leftOut.cause { throw StoreFailure(cause: cause) }
        self.state.withLockedValue { $0.version.listed() }
        do { try await self.store.replace(transformed: objects, resourceVersion: version) } catch { throw StoreFailure(cause: error) }
        self.report(leftOut)
        self.state.withLockedValue { $0.version.advance(to: version) }
    }
}
