// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import NIOCore

/// Lists that can be watched, and those who watch them.
extension Router {
    /// `GET …/keys`: a list, or with `?watch=true` what changes.
    func keyList(of group: any PeerServing, _ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        self.refusing { () throws(Failure) in
            let parameters = try QueryParameters(head.query, bytes)
            if try parameters.flag("watch") == true { return try self.watchKeys(of: group, key: nil, parameters, head, bytes) }
            guard let feed = self.core.feed else { throw .noLog }
            guard let group = group as? any ListedGroup else { throw .notListed }
            if let refusal = self.refuseHostOfList(head, bytes) { throw refusal }
            let list = try KeyList(group, feed.log, parameters, keySize: self.keySize)
            // Not on the event loop: values may have to be encoded.
            return .later(.load) { .json(list.page) }
        }
    }

    /// `GET /v1/watch/groups/{group}`.
    func watchGroup(_ group: any PeerServing, _ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        self.refusing { () throws(Failure) in
            try self.watchKeys(of: group, key: nil, try QueryParameters(head.query, bytes), head, bytes)
        }
    }

    /// `GET …/keys/{key}?watch=true`; `nil`: that is not asked.
    func watchKey(_ head: RequestHead, _ bytes: Span<UInt8>, of group: any PeerServing, key range: Range<Int>) -> Answer? {
        // Most gets have no query, and of most others nobody wants to know more than this.
        guard !head.query.isEmpty, head.method == .get || head.method == .head, Query.has("watch", head.query, bytes) else {
            return nil
        }
        do throws(Failure) {
            let parameters = try QueryParameters(head.query, bytes)
            guard try parameters.flag("watch") == true else { return nil }
            var decoded: [UInt8] = []
            guard PercentEncoding.decode(range, bytes, plusIsSpace: false, into: &decoded) else { throw .badEscape }
            if let error = Key.error(length: decoded.count, limit: self.keySize) { throw Failure(error) }
            if parameters["prefix"] != nil { throw Failure(400, "one key is watched: prefix is for many", .request) }
            return try self.watchKeys(of: group, key: Key(bytes: decoded), parameters, head, bytes)
        } catch {
            return .now(.failure(error))
        }
    }

    /// `GET /v1/members`: a list, or with `?watch=true` what changes.
    func members(_ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        self.refusing { () throws(Failure) in
            let parameters = try QueryParameters(head.query, bytes)
            guard try parameters.flag("watch") == true else { return .now(.json(Pages.members(self.core))) }
            return try self.watchMembers(parameters, head, bytes)
        }
    }

    /// `GET /v1/watch/members`.
    func watchMembers(_ head: RequestHead, _ bytes: Span<UInt8>) -> Answer {
        self.refusing { () throws(Failure) in try self.watchMembers(try QueryParameters(head.query, bytes), head, bytes) }
    }

    private func watchMembers(_ parameters: QueryParameters, _ head: RequestHead, _ bytes: Span<UInt8>) throws(Failure) -> Answer {
        if parameters["prefix"] != nil { throw Failure(400, "members are watched all together: prefix is for keys", .request) }
        return try self.watch(parameters, head, bytes) { _ throws(Failure) in self.core.memberLog.watched }
    }

    private func watchKeys(
        of group: any PeerServing,
        key: Key?,
        _ parameters: QueryParameters,
        _ head: RequestHead,
        _ bytes: Span<UInt8>
    ) throws(Failure) -> Answer {
        guard let feed = self.core.feed else { throw .noLog }
        guard let group = group as? any ListedGroup else { throw .notListed }
        if let refusal = self.refuseHostOfList(head, bytes) { throw refusal }
        return try self.watch(parameters, head, bytes) { query throws(Failure) in KeyEvents.watched(feed.log, group, key: key, query) }
    }

    /// The one way in which things are watched: JSON lines, the stream of events that browsers read, or a WebSocket.
    private func watch<Event: Sendable>(
        _ parameters: QueryParameters,
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        _ watched: (WatchQuery) throws(Failure) -> Watched<Event>
    ) throws(Failure) -> Answer {
        let lastEventID = HeadFields.values("last-event-id", bytes, length: head.length).last
        let query = try WatchQuery(parameters, lastEventID: lastEventID, keySize: self.keySize)
        var form = WatchForm.frames
        if head.asksForWebSocket {
            guard self.mayOpenSocket(head, bytes) else { throw .foreignSocket }
            if head.wantsOtherWebSocket { return .now(.otherWebSocket) }
            guard head.webSocketKey != nil else { throw .noKeyOfWebSocket }
        } else {
            guard let accepted = WatchForm(accept: HeadFields.values("accept", bytes, length: head.length)) else { throw .notAcceptable }
            guard head.minorVersion == 1 else { throw .noStreams }
            form = accepted
        }
        let watch: Watch<Event>
        let source = try watched(query)
        do throws(Status) { watch = try Watch(source, query, form) } catch { throw Failure(error) }
        let stream = Response.Stream(
            run: { await watch.run($0) },
            watch: .init(timeout: .init(query.timeout), isSocket: form == .frames)
        )
        var response = Response(status: form == .frames ? 101 : 200, body: head.method == .head ? .none : .stream(stream))
        if let key = head.webSocketKey, form == .frames {
            response.fields.webSocketAccept = WebSocketKey.accept(bytes.string(key))
            return .now(response)
        }
        response.fields.contentType = form.contentType
        response.fields.isOfThatType = true
        response.fields.isForNow = true
        response.fields.isTold = true
        return .now(response)
    }

    private func refusing(_ body: () throws(Failure) -> Answer) -> Answer {
        do throws(Failure) { return try body() } catch { return .now(.failure(error)) }
    }
}
