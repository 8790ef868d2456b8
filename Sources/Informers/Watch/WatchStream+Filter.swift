extension WatchStream {
    /// The stream of nothing: it ends at once.
    public static var empty: WatchStream { WatchStream(EmptyWatchSource()) }

    /// The events of this stream that `include` lets through, perhaps changed. Stopping the new stream stops this one.
    ///
    /// A filter sees one event at a time: when a change takes an object out of its view, it can drop the `modified` event but does not know that
    /// the consumer should be told `deleted`. Filter by what never changes, or at the source.
    public func filtered(_ include: @escaping @Sendable (WatchEvent<Object>) -> WatchEvent<Object>?) -> WatchStream {
        WatchStream(FilteredWatchSource(stream: self, include: include))
    }

    /// The same events; `recorder` gets each as it passes. Stopping the new stream stops this one.
    public func recorded(by recorder: WatchRecorder<Object>) -> WatchStream {
        self.filtered { event in
            recorder.record(event)
            return event
        }
    }
}

private struct EmptyWatchSource<Object: Sendable>: WatchSource {
    func next() async throws -> WatchEvent<Object>? { nil }
    func close() {}
}

private struct FilteredWatchSource<Object: Sendable>: WatchSource {
    let stream: WatchStream<Object>
    let include: @Sendable (WatchEvent<Object>) -> WatchEvent<Object>?

    func next() async throws -> WatchEvent<Object>? {
        while let event = await self.stream.next() {
            if let event = self.include(event) { return event }
        }
        return nil
    }

    func close() { self.stream.stop() }
}
