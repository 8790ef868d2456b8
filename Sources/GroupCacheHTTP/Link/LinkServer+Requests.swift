// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// From requests to replies.
extension LinkServer {
    private static let overloaded = GroupCacheError(.overloaded, "too many loads are running for one link", retryAfter: .seconds(1))

    func answer(_ request: LinkRequest, _ bytes: Span<UInt8>) throws {
        // An id in use twice: nobody could tell the answers apart.
        guard !self.state.isRunning(request.id) else { throw WebSocketCloseCode.protocolError }
        switch request.verb {
        case .follow: return self.follow(request, bytes)
        case .make: return self.make(request, bytes)
        case .moved: return self.moved(request, bytes)
        default: break
        }
        guard let group = self.state.open?.groups[Int(request.group)] else {
            return self.refuse(request, GroupCacheError(.noSuchGroup, "this node has no group of that name"))
        }
        guard request.keys.isEmpty else { return self.answerMany(request, group, bytes) }
        let range = request.key.range
        if let error = Key.error(length: range.count, limit: self.core.configuration.limits.keySize) { return self.refuse(request, error) }
        // What is cached may be past its time.
        if request.verb == .get, request.freshOnly == 0, let served = group.serveCached(bytes.extracting(range), for: .peer) {
            return self.write(request.id, 0, .entry(served))
        }
        let key = Key(bytes: bytes.array(range))
        var asked = PeerRequest(group: group.name, key: key, timeout: LinkTime.timeout(request.timeout))
        asked.allowStale = request.freshOnly == 0
        asked.trace = self.trace(of: request, bytes)
        asked.schema = Self.schema(of: request, bytes)
        asked.trail = Self.trail(of: request, bytes)
        switch request.verb {
        case .get, .reload:
            asked.reload = request.verb == .reload
            let serve = { @Sendable [asked] () async -> LinkReplies.Reply.Content in
                do throws(GroupCacheError) {
                    return .entry(try await group.serve(asked, for: .peer))
                } catch {
                    return Self.failure(error)
                }
            }
            self.run(request) { [trace = asked.trace] in if let trace { await trace.continued(serve) } else { await serve() } }
        case .peek:
            asked.isPeek = true
            self.run(request) { [asked] in
                do throws(GroupCacheError) {
                    return .entry(try await group.serve(asked, for: .peer))
                } catch {
                    // Only what is held is too large for the link; a load that failed so is the asker's own to repeat.
                    return .failure(error.code == .valueTooLarge ? .notHeld : error)
                }
            }
        case .set:
            let value = ByteView(copying: bytes.extracting(request.value.range))
            var entry = PeerEntry(value: value, ttl: LinkTime.requestTTL(request.ttl))
            entry.schema = asked.schema
            if let attributes = LinkAttributes(request.attributes, bytes) { entry.attributes = attributes.ofEntry }
            let terms = LinkMarks(rawValue: request.marks).terms
            let turn = asked.trail
            guard self.core.turns.takes(turn) else { return self.refuse(request, SetTurns.tooLate) }
            self.run(request) { [entry, turns = self.core.turns] in
                do throws(GroupCacheError) {
                    let terms = try turns.terms(terms, of: turn)
                    let outcome =
                        if let group = group as? any ChangeListener {
                            try await group.serveSet(key, to: entry, if: nil, terms, for: .peer)
                        } else {
                            try await group.serveSet(key, to: entry, if: nil, for: .peer)
                        }
                    return outcome == .created ? .created : .done
                } catch {
                    return .failure(error)
                }
            }
        case .remove:
            var asking = LinkMarks(rawValue: request.marks).terms
            asking.settle = LinkTime.requestTTL(request.ttl) ?? .zero
            let terms = asking
            self.run(request) {
                do throws(GroupCacheError) {
                    if let group = group as? any ChangeListener {
                        try await group.serveRemove(key, if: nil, terms, for: .peer)
                    } else {
                        try await group.serveRemove(key, for: .peer)
                    }
                    return .done
                } catch {
                    return .failure(error)
                }
            }
        case .unknown, .follow, .make, .moved:
            self.refuse(request, GroupCacheError(.badRequest, "the verb is of a later version"))
        }
    }

    /// A get has failed. That its value was too large for somebody is told by GET, as a value is that is too large for the link.
    private static func failure(_ error: GroupCacheError) -> LinkReplies.Reply.Content {
        error.code == .valueTooLarge ? .tooLarge(error) : .failure(error)
    }

    private func trace(of request: LinkRequest, _ bytes: Span<UInt8>) -> PeerTrace? {
        guard !request.traceparent.isEmpty else { return nil }
        return PeerTrace(traceparent: bytes.string(request.traceparent.range), tracestate: bytes.string(request.tracestate.range))
    }

    private static func schema(of request: LinkRequest, _ bytes: Span<UInt8>) -> String? {
        request.schema.isEmpty ? nil : bytes.string(request.schema.range)
    }

    static func trail(of request: LinkRequest, _ bytes: Span<UInt8>) -> [UInt64] {
        var cursor = LinkCursor(request.trail.range)
        var trail: [UInt64] = []
        // Whole numbers: the reader has seen to it.
        while !cursor.isAtEnd, let load = try? cursor.fixed64(bytes) { trail.append(load) }
        return trail
    }

    func run(_ request: LinkRequest, _ operation: @escaping @Sendable () async -> LinkReplies.Reply.Content) {
        let (id, replies) = (request.id, self.replies)
        let isRunning = self.begin(id, keys: 1) { await replies.add(LinkReplies.Reply(id: id, serial: $0, content: await operation())) }
        if !isRunning { self.refuse(request, Self.overloaded) }
    }

    private func begin(_ id: UInt32, keys: Int, _ work: @escaping @Sendable (UInt64) async -> Void) -> Bool {
        self.state.run(id, keys: keys) { serial in Task { await work(serial) } }
    }

    // MARK: Many keys

    private func answerMany(_ request: LinkRequest, _ group: any PeerServing, _ bytes: Span<UInt8>) {
        if request.verb == .peek { return self.peekMany(request, group, bytes) }
        guard request.verb == .get || request.verb == .reload else {
            return self.refuse(request, GroupCacheError(.badRequest, "many keys can only be got"))
        }
        var keys = request.keys
        var index: UInt32 = 0
        // A key may be there twice, and is loaded once.
        var missing: [Key: [UInt32]] = [:]
        while let range = keys.next(bytes) {
            defer { index += 1 }
            if let error = Key.error(length: range.count, limit: self.core.configuration.limits.keySize) {
                self.write(request.id, index, .failure(error))
                continue
            }
            // While the peer does not read, a task waits with what would be at hand.
            if request.verb == .get, request.freshOnly == 0, self.state.takesAnswers,
                let served = group.serveCached(bytes.extracting(range), for: .peer)
            {
                self.write(request.id, index, .entry(served))
            } else {
                missing[Key(bytes: bytes.array(range)), default: []].append(index)
            }
        }
        guard !missing.isEmpty else { return }
        let (id, replies, wanted) = (request.id, self.replies, missing)
        var batch = PeerBatch(group: group.name, timeout: LinkTime.timeout(request.timeout))
        batch.allowStale = request.freshOnly == 0
        batch.trace = self.trace(of: request, bytes)
        batch.schema = Self.schema(of: request, bytes)
        batch.trail = Self.trail(of: request, bytes)
        let isRunning = self.begin(id, keys: missing.count) { [batch] serial in
            let serve = {
                await group.serve(Array(wanted.keys), of: batch, for: .peer) { key, result in
                    let content: LinkReplies.Reply.Content =
                        switch result {
                        case .success(let entry): .entry(entry)
                        case .failure(let error): Self.failure(error)
                        }
                    for index in wanted[key] ?? [] {
                        await replies.add(LinkReplies.Reply(id: id, serial: serial, index: index, content: content))
                    }
                }
            }
            if let trace = batch.trace { await trace.continued(serve) } else { await serve() }
            await replies.add(LinkReplies.Reply(id: id, serial: serial, content: .end))
        }
        if isRunning { return }
        for index in wanted.values.joined() { self.write(request.id, index, .failure(Self.overloaded)) }
    }

    /// What is cached of many keys: all of it at once, so that no task waits.
    private func peekMany(_ request: LinkRequest, _ group: any PeerServing, _ bytes: Span<UInt8>) {
        var keys = request.keys
        var index: UInt32 = 0
        while let range = keys.next(bytes) {
            // A peer that does not read gets no values that would gather here.
            let held = self.state.takesAnswers ? group.servePeek(Key(bytes: bytes.array(range))) : nil
            self.write(request.id, index, held.map { .entry($0) } ?? .failure(.notHeld))
            index += 1
        }
    }

    // MARK: Replies

    func refuse(_ request: LinkRequest, _ error: GroupCacheError) {
        let count = max(1, request.keys.count)
        for index in 0..<count { self.write(request.id, UInt32(index), .failure(error)) }
    }

    func write(_ id: UInt32, _ index: UInt32, _ content: LinkReplies.Reply.Content) {
        // One request may ask for a thousand large values, and the peer accepts no message larger than ``LinkLimits/messageSize``.
        defer { self.flushIfLarge() }
        switch content {
        case .end: break
        case .created:
            self.state.open?.writer.payload.writeLinkReply(id: id, status: .done, version: PeerCall.created, index: index)
        case .done: self.state.open?.writer.payload.writeLinkReply(id: id, status: .done, index: index)
        case .applied: self.state.open?.writer.payload.writeLinkReply(id: id, status: .done, index: index, marks: .applied)
        case .entry(let entry):
            let ttl = LinkTime.replyTTL(entry.ttl)
            guard let value = entry.value else {
                self.state.open?.writer.payload.writeLinkReply(id: id, status: .notFound, ttl: ttl, index: index)
                return
            }
            guard value.count <= LinkLimits().valueSize else {
                // What was not loaded for this very request is in the cache.
                let number = entry.source == .loaded ? self.core.handOver(.success(entry)) : 0
                self.state.open?.writer.payload.writeLinkReply(id: id, status: .tooLarge, index: index, handover: number)
                return
            }
            let marks = self.marks(of: entry)
            self.state.open?.writer.payload.writeLinkReply(
                id: id,
                value: value,
                ttl: ttl,
                version: entry.version,
                index: index,
                schema: LinkLimits.schema(entry.schema),
                marks: marks,
                age: UInt64(max(0, entry.ageInMilliseconds)),
                attributes: LinkAttributes(entry.attributes)
            )
        case .tooLarge(let error):
            let number = self.core.handOver(.failure(error))
            self.state.open?.writer.payload.writeLinkReply(id: id, status: .tooLarge, index: index, handover: number)
        case .failure(let error):
            self.state.open?.writer.payload.writeLinkReply(
                id: id,
                status: LinkStatus(error),
                ttl: error.code == .notFound ? LinkTime.replyTTL(error.retryAfter) : 0,
                index: index,
                retryAfter: LinkTime.timeout(error.retryAfter),
                message: error.message
            )
        }
    }

    private func marks(of entry: ServedEntry) -> LinkMarks {
        var marks = LinkMarks(of: entry)
        if marks.contains(.handedOver), !self.core.handsOver(to: self.state.open?.ring ?? 0) { marks.remove(.handedOver) }
        return marks
    }
}
