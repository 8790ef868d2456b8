// SPDX-License-Identifier: Apache-2.0

import Informers
import Synchronization

/// A source in memory: a list, then one watch that has its events ready as soon as it is told to go.
final class ScriptedSource: ListerWatcher {
    private struct Script: WatchSource {
        let source: ScriptedSource
        let position = Position()

        func next() async throws -> WatchEvent<Record>? {
            // What is ready is handed out at once: of what is measured the source is to be a small part.
            if self.source.start.isOpen, let event = self.source.event(self.position.next()) { return event }
            return await withTaskCancellationHandler {
                await self.source.start.wait()
                if let event = self.source.event(self.position.next()) { return event }
                await self.source.end.wait()
                return nil
            } onCancel: {
                self.close()
            }
        }

        func close() {
            self.source.start.open()
            self.source.end.open()
        }
    }

    private final class Position: Sendable {
        private let number = Atomic<Int>(0)
        func next() -> Int { self.number.wrappingAdd(1, ordering: .relaxed).oldValue }
    }

    private let objects: Int
    private let events: Int
    let start = Signal()
    private let end = Signal()

    /// The last event's object: whoever is told of it has been told of all.
    static let last = -1

    init(objects: Int, events: Int) {
        self.objects = objects
        self.events = events
    }

    func list(_ options: ListOptions) async throws -> ListResult<Record> {
        ListResult((0..<self.objects).map { Record($0, value: 0) }, resourceVersion: "1")
    }

    func watch(_ options: WatchOptions) async throws -> WatchStream<Record> { WatchStream(Script(source: self)) }

    /// Updates of records in an order that looks like chance; at the end one new record.
    private func event(_ number: Int) -> WatchEvent<Record>? {
        if number > self.events { return nil }
        let version = "\(number + 2)"
        if number == self.events { return .added(Record(Self.last, value: 1), resourceVersion: version) }
        return .modified(Record(Int(UInt(number) &* 2_654_435_761 % UInt(self.objects)), value: number + 1), resourceVersion: version)
    }
}
