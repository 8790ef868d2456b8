import GroupCacheTesting
import Synchronization

@testable import Informers

/// Notes what goes over the wire.
final class TappedSource<Source: ModelSource>: ListerWatcher {
    private struct Watch: Sendable {
        var options: WatchOptions
        var events: [Event] = []
    }

    private struct State {
        var watches: [Watch] = []
    }

    private let source: Source
    private let state = Mutex(State())

    init(_ source: Source) { self.source = source }

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
        let changes = self.source.changes
        for watch in self.state.withLock({ $0.watches }) where !watch.options.sendInitialEvents {
            guard let start = ResourceVersion(watch.options.resourceVersion) else { continue }
            var expected = changes.filter { $0.epoch == start.epoch && $0.sequence > start.sequence }[...]
            var last = start
            for event in watch.events {
                guard let version = event.resourceVersion.flatMap(ResourceVersion.init) else { continue }
                if event.object != nil {
                    if version != expected.popFirst() { violations.append("Q-4: \(version) is not what comes after \(last)") }
                } else if let next = expected.first, version.epoch != start.epoch || version.sequence >= next.sequence {
                    violations.append("Q-4: a bookmark at \(version) before \(next) was told")
                }
                if version.sequence < last.sequence { violations.append("Q-4: \(version) after \(last)") }
                last = version
            }
        }
        return violations
    }
}
