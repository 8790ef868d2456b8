// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers

@testable import Informers

/// Notes what goes over the wire.
final class TappedSource<Source: ModelSource>: ListerWatcher {
    private struct Watch: Sendable {
        var options: WatchOptions
        var events: [Event] = []
    }

    private struct State {
        var watches: [Watch] = []
        /// What has come of the first list.
        var names: Set<String> = []
        var isListed = false
    }

    private let source: Source
    private let state = NIOLockedValueBox(State())

    init(_ source: Source) { self.source = source }

    /// The names in the first list that was complete; `nil`: there is none yet.
    var firstList: Set<String>? { self.state.withLockedValue { $0.isListed ? $0.names : nil } }

    func list(_ options: ListOptions) async throws -> ListResult<Item> {
        let result = try await self.source.list(options)
        self.state.withLockedValue { state in
            guard !state.isListed else { return }
            if options.continueToken.isEmpty { state.names = [] }
            state.names.formUnion(result.items.map(\.name))
            state.isListed = result.continueToken.isEmpty
        }
        return result
    }

    func watch(_ options: WatchOptions) async throws -> WatchStream<Item> {
        let stream = try await self.source.watch(options)
        let number = self.state.withLockedValue { state in
            state.watches.append(Watch(options: options))
            if !state.isListed { state.names = [] }
            return state.watches.count - 1
        }
        return stream.filtered { [self] event in
            self.state.withLockedValue { state in
                state.watches[number].events.append(event)
                guard options.sendInitialEvents, !state.isListed else { return }
                if case .bookmark(let bookmark) = event.change { state.isListed = bookmark.isInitialEventsEnd }
                if case .deleted(let item) = event.change {
                    state.names.remove(item.name)
                } else if let item = event.object {
                    state.names.insert(item.name)
                }
            }
            return event
        }
    }

    /// a watch from a version tells exactly the changes after it, none twice, none left out, and no version goes back within a life.
    func checkOrder() -> [String] {
        var violations: [String] = []
        let changes = self.source.changes
        for watch in self.state.withLockedValue({ $0.watches }) where !watch.options.sendInitialEvents {
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
