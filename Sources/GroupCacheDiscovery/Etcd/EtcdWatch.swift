// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Informers
internal import NIOConcurrencyHelpers

/// What the lines of an etcd watch mean. A value without a connection.
struct EtcdWatchState: Sendable {
    /// Everything up to here has been told; the watch began after it.
    private(set) var revision: Int64
    /// Whether etcd has taken the watch: it goes on from there.
    private(set) var isOpen = false

    init(after revision: Int64) { self.revision = revision }

    /// The events of one line, in order.
    mutating func take(_ line: EtcdMessage.WatchLine) -> [WatchEvent<EtcdEntry>] {
        guard let result = line.result else {
            guard let failure = line.error else { return [.error(Status(.unknown, message: "etcd sends a line that says nothing"))] }
            return [.error(Self.status(failure))]
        }
        let revision = result.header?.revision?.value ?? 0
        if result.canceled == true {
            let reason = result.cancel_reason ?? ""
            // What changed since our revision has been forgotten: there is nothing but to list again.
            if (result.compact_revision?.value ?? 0) > 0 || reason.contains("compacted") { return [.error(.expired(reason))] }
            return [.error(Status(.unknown, message: "the watch was cancelled: \(Member.shown(reason))"))]
        }
        if result.created == true {
            // The store is behind what we have seen of it: it is another one, or has been restored from a backup. It would let us wait for
            // revisions that mean something else when they come.
            if revision < self.revision { return [.error(.expired("the store's revision has gone back"))] }
            self.isOpen = true
            // The revision in here is not one that everything has been told of: what came since ours follows.
            guard let events = result.events, !events.isEmpty else { return [] }
            return self.events(events, revision)
        }
        guard let events = result.events, !events.isEmpty else {
            // Progress.
            guard revision > self.revision else { return [] }
            self.revision = revision
            return [.bookmark(resourceVersion: "\(revision)")]
        }
        return self.events(events, revision)
    }

    /// A message has whole revisions, and may have several. Only its last event carries a revision to go on from: in the midst of a message the
    /// rest of a revision would be lost.
    private mutating func events(_ events: [EtcdMessage.Event], _ revision: Int64) -> [WatchEvent<EtcdEntry>] {
        var result: [WatchEvent<EtcdEntry>] = []
        var last = self.revision
        for event in events {
            guard let keyValue = event.kv, let key = keyValue.keyText, let value = keyValue.valueBytes else {
                // A change that nobody can read: the list has to be read anew.
                return [.error(Status(.unknown, message: "etcd tells of a change without a readable key or value"))]
            }
            last = max(last, keyValue.mod_revision?.value ?? 0)
            if event.type == "DELETE" {
                result.append(.deleted(EtcdEntry(key: key, value: []), resourceVersion: nil))
                continue
            }
            let entry = EtcdEntry(key: key, value: value)
            let isNew = keyValue.create_revision == keyValue.mod_revision
            result.append(isNew ? .added(entry, resourceVersion: nil) : .modified(entry, resourceVersion: nil))
        }
        guard last > self.revision else { return result }
        self.revision = last
        if !result.isEmpty { result[result.count - 1].resourceVersion = "\(last)" }
        return result
    }

    /// An error of gRPC as a status.
    static func status(_ failure: EtcdMessage.Failure) -> Status {
        let message = failure.text
        if message.contains("compacted") { return .expired(message) }
        let reason: Status.Reason =
            switch failure.code ?? failure.grpc_code {
            case 16: .unauthorized
            case 7: .forbidden
            case 8: .tooManyRequests
            case 14: .serviceUnavailable
            case 4: .timeout
            default: .unknown
            }
        return Status(reason, message: "etcd says \(Member.shown(message))")
    }
}

/// The events of an etcd watch, one by one.
final class EtcdWatchSource: WatchSource {
    private struct State: Sendable {
        var watch: EtcdWatchState
        /// Of the last line: a line has as many as one message of etcd, and the next is read when they are gone.
        var pending: ArraySlice<WatchEvent<EtcdEntry>> = []
    }

    private let lines: any WatchSource<EtcdMessage.WatchLine>
    private let state: NIOLockedValueBox<State>
    private let opened: @Sendable () -> Void

    /// - Parameter opened: told once, when etcd has taken the watch.
    init<Chunks: AsyncSequence & Sendable>(_ chunks: Chunks, after revision: Int64, opened: @escaping @Sendable () -> Void = {})
    where Chunks.Element: Sequence<UInt8> & Sendable {
        self.opened = opened
        self.lines = DecodedWatchSource(chunks) { bytes in
            .added(try JSONDecoder().decode(EtcdMessage.WatchLine.self, from: Data(bytes)), resourceVersion: nil)
        }
        self.state = NIOLockedValueBox(State(watch: EtcdWatchState(after: revision)))
    }

    func next() async throws -> WatchEvent<EtcdEntry>? {
        while true {
            if let event = self.state.withLockedValue({ $0.pending.popFirst() }) { return event }
            guard let line = try await self.lines.next()?.object else { return nil }
            let isOpenNow = self.state.withLockedValue { state in
                let wasOpen = state.watch.isOpen
                state.pending = state.watch.take(line)[...]
                return state.watch.isOpen && !wasOpen
            }
            if isOpenNow { self.opened() }
        }
    }

    func close() { self.lines.close() }
}
