import GroupCacheTesting
import Synchronization

@testable import Informers

/// Notes what goes over the wire.
final class TappedSource: ListerWatcher {
    struct Watch: Sendable {
        var options: WatchOptions
        var events: [Event] = []
    }

    private struct State {
        var watches: [Watch] = []
    }

    private let source: FakeSource<Item>
    private let state = Mutex(State())

    init(_ source: FakeSource<Item>) { self.source = source }

    /// What was told in each watch.
    var watches: [Watch] { self.state.withLock { $0.watches } }

    func list(_ options: ListOptions) async throws -> ListResult<Item> { try await self.source.list(options) }

    func watch(_ options: WatchOptions) async throws -> WatchStream<Item> {
        let stream = try await self.source.watch(options)
        let number = self.state.withLock { state in
            state.watches.append(Watch(options: options))
            return state.watches.count - 1
        }
        return stream.filtered { [self] event in
            self.state.withLock { $0.watches[number].events.append(event) }
            return event
        }
    }

    /// a watch from a version tells exactly the changes after it, none twice, none left out, and no version goes back within a life.
    func checkOrder() -> [String] {
        var violations: [String] = []
        for watch in self.watches where !watch.options.sendInitialEvents {
            guard var last = FakeVersion(watch.options.resourceVersion) else { continue }
            for event in watch.events {
                guard let text = event.resourceVersion, let version = FakeVersion(text) else { continue }
                let isChange = event.object != nil
                let expected = isChange ? FakeVersion(epoch: last.epoch, sequence: last.sequence + 1) : max(last, version)
                if version != expected {
                    violations.append("Q-4: \(version) after \(last) in a watch from \(watch.options.resourceVersion)")
                }
                last = version
            }
        }
        return violations
    }
}
