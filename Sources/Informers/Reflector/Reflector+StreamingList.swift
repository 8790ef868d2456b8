internal import Logging
internal import NIOConcurrencyHelpers

extension Reflector {
    /// Lists by a watch that begins with everything there is; the stream goes on as a watch. `nil`: cancelled.
    func streamingList() async throws -> Opened? {
        while !Task.isCancelled {
            var opened: Opened
            do {
                opened = try await self.open(from: self.state.withLockedValue { $0.version.rewatch }, sendInitialEvents: true)
            } catch {
                try await self.prepareRetry(after: error)
                continue
            }
            do {
                if let (objects, version) = try await self.collect(opened) {
                    try await self.replace(objects, version)
                    // What comes now are changes, in order: their versions count, those of additions too.
                    opened.from = version
                    return opened
                }
                opened.stream.stop()
                // It broke off in the middle. What has come so far is of no use: without the end nobody knows what is missing.
                if !Task.isCancelled { await self.backOff() }
            } catch let failure as StoreFailure {
                opened.stream.stop()
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
    private func collect(_ opened: Opened) async throws -> (objects: [Source.Object], version: String)? {
        var found: (objects: [Source.Object], version: String)?
        try await self.watched(opened) { heard in
            let ticker = InitialEventsTicker(clock: self.clock, logger: self.logger)
            found = try await ticker.run { heardByTicker in
                var initial = InitialEvents<Source.Object>()
                var count = 0
                while let event = await opened.stream.next() {
                    heard()
                    heardByTicker()
                    do {
                        count += 1
                        if let version = try initial.receive(event, store: self.store) { return (initial.objects, version) }
                    } catch let status as Status { throw status } catch { throw StoreFailure(cause: error) }
                }
                try self.checkLength(of: opened, events: count)
                return nil
            }
        }
        return found
    }

    private func replace(_ objects: [Source.Object], _ version: String) async throws {
        self.state.withLockedValue { $0.version.listed() }
        do { try await self.store.replace(transformed: objects, resourceVersion: version) } catch { throw StoreFailure(cause: error) }
        self.state.withLockedValue { $0.version.advance(to: version) }
    }
}
