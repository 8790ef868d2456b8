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
    /// Whose changes count; `nil`: anybody's.
    private let cluster: String?
    /// Who tells it, for messages.
    private let name: String

    init(after revision: Int64, cluster: String? = nil, name: String = "etcd") {
        self.revision = revision
        self.cluster = cluster
        self.name = name
    }

    /// The events of one line, in order.
    mutating func take(_ line: EtcdMessage.WatchLine) -> [WatchEvent<EtcdEntry>] {
        guard let result = line.result else {
            guard let failure = line.error else {
                return [.error(Status(.unknown, message: "\(self.name) sends a line that says nothing"))]
            }
            return [.error(Self.status(failure, name: self.name))]
        }
        if let cluster = self.cluster, let other = result.header?.cluster_id, other != cluster {
            return [.error(Status(.unknown, message: "\(self.name) answers for another cluster than the others"))]
        }
        let revision = result.header?.revision?.value ?? 0
        if result.canceled == true {
            let reason = result.cancel_reason ?? ""
            // What changed since our revision has been forgotten: there is nothing but to list again.
            if (result.compact_revision?.value ?? 0) > 0 || reason.contains("compacted") { return [.error(.expired(reason))] }
            return [.error(Status(.unknown, message: "\(self.name) has ended the watch: \(Member.shown(reason))"))]
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
                return [.error(Status(.unknown, message: "\(self.name) tells of a change without a readable key or value"))]
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
    static func status(_ failure: EtcdMessage.Failure, name: String) -> Status {
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
        var advice = ""
        if message.contains("user name is empty") { advice = ": it wants to know who asks; see --discovery-user" }
        if reason == .forbidden { advice = ": the user needs a role that may read and write below the prefix" }
        return Status(reason, message: "\(name) says \(Member.shown(message))\(advice)")
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
    private let failed: @Sendable () -> Void

    /// - Parameters:
    ///   - name: who tells them.
    ///   - cluster: whose changes count; `nil`: anybody's.
    ///   - opened: told once, when etcd has taken the watch.
    ///   - failed: told that etcd has ended it, and not because of what it was asked for.
    init<Chunks: AsyncSequence & Sendable>(
        _ chunks: Chunks,
        of name: String = "etcd",
        after revision: Int64,
        cluster: String? = nil,
        opened: @escaping @Sendable () -> Void = {},
        failed: @escaping @Sendable () -> Void = {}
    ) where Chunks.Element: Sequence<UInt8> & Sendable {
        self.opened = opened
        self.failed = failed
        self.lines = DecodedWatchSource(chunks) { bytes in
            .added(try JSONDecoder().decode(EtcdMessage.WatchLine.self, from: Data(bytes)), resourceVersion: nil)
        }
        self.state = NIOLockedValueBox(State(watch: EtcdWatchState(after: revision, cluster: cluster, name: name)))
    }

    func next() async throws -> WatchEvent<EtcdEntry>? {
        while true {
            if let event = self.state.withLockedValue({ $0.pending.popFirst() }) { return event }
            guard let line = try await self.lines.next()?.object else { return nil }
            let (isOpenNow, isOver) = self.state.withLockedValue { state in
                let wasOpen = state.watch.isOpen
                state.pending = state.watch.take(line)[...]
                var isOver = false
                if case .error(let status)? = state.pending.last?.change { isOver = !status.isExpired }
                return (state.watch.isOpen && !wasOpen, isOver)
            }
            if isOpenNow { self.opened() }
            if isOver { self.failed() }
        }
    }

    func close() { self.lines.close() }
}
