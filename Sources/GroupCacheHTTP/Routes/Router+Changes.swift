// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Sets and removes, of clients and of peers.
extension Router {
    func setKey(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>, key range: Range<Int>, body: ByteBuffer) -> Answer {
        self.withKey(bytes, group: name, key: range) { group, key in
            guard body.readableBytes <= self.core.configuration.limits.valueSize else { return .now(.failure(Failure(.bodyTooLarge))) }
            let control = head.cacheControl
            if control.noStore { return .now(.failure(Failure(400, "a value that must not be stored cannot be set", .request))) }
            if control.isMalformed {
                return .now(.failure(Failure(400, "max-age and s-maxage are whole numbers of seconds", .request)))
            }
            if control.lifetime == 0 {
                return .now(.failure(Failure(400, "max-age=0: a value that is stale at once cannot be set", .request)))
            }
            return self.withTerms(head, bytes) { terms in
                guard let attributes = Self.attributes(head, bytes) else {
                    return .now(.failure(Failure(400, "Content-Type is one media type of at most 256 printable characters", .request)))
                }
                return self.ifAsked(head, bytes, isSet: true) { condition in
                    let ttl: Duration? = control.lifetime.map { .seconds($0) }
                    var entry = PeerEntry(value: ByteView(copying: body.readableBytesUInt8Span), ttl: ttl)
                    entry.attributes = attributes
                    if head.hasTags {
                        do throws(GroupCacheError) {
                            entry.attributes = try attributes.adding(tags: CacheTags.names(bytes, length: head.length))
                        } catch {
                            return .now(.failure(Failure(400, error.message, .request)))
                        }
                    }
                    return Serving.set(group, key, to: entry, if: condition, terms, for: .client, .client)
                }
            }
        }
    }

    func removeKey(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>, key range: Range<Int>) -> Answer {
        self.withKey(bytes, group: name, key: range) { group, key in
            self.withTerms(head, bytes) { terms in
                self.ifAsked(head, bytes, isSet: false) { Serving.remove(group, [key], if: $0, terms, for: .client, .client) }
            }
        }
    }

    /// `?soft=true`, `?wait=applied`.
    func removeTag(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>, tag range: Range<Int>) -> Answer {
        self.withGroup(name, bytes) { group in
            var decoded: [UInt8] = []
            guard PercentEncoding.decode(range, bytes, plusIsSpace: false, into: &decoded) else { return .now(.failure(.badEscape)) }
            guard EntryTag(bytes: decoded) != nil, let tag = String(validating: decoded, as: UTF8.self) else {
                return .now(.failure(Failure(400, "a tag is text of 1 to \(EntryTag.maximumLength) bytes", .request)))
            }
            return self.withTerms(head, bytes) { terms in
                switch Query.value("soft", head.query, bytes) {
                case nil, Array("false".utf8): return Serving.remove(group, tag: tag, soft: false, wait: terms.wait)
                case Array("true".utf8): return Serving.remove(group, tag: tag, soft: true, wait: terms.wait)
                default: return .now(.failure(Failure(400, "soft is true or false", .request)))
                }
            }
        }
    }

    /// `?wait=applied`.
    func clear(_ head: RequestHead, _ bytes: Span<UInt8>, group name: Range<Int>) -> Answer {
        self.withGroup(name, bytes) { group in
            self.withTerms(head, bytes) { Serving.clear(group, wait: $0.wait) }
        }
    }

    private func withTerms(_ head: RequestHead, _ bytes: Span<UInt8>, _ body: (ChangeTerms) -> Answer) -> Answer {
        do throws(Failure) { return body(try Self.terms(head, bytes)) } catch { return .now(.failure(error)) }
    }

    /// When a client's change is done: `?wait=owner`, which is the default, or `?wait=applied`, and then perhaps `&timeoutSeconds=2`.
    private static func terms(_ head: RequestHead, _ bytes: Span<UInt8>) throws(Failure) -> ChangeTerms {
        guard Query.has("wait", head.query, bytes) else { return ChangeTerms() }
        let wait = Query.value("wait", head.query, bytes) ?? []
        if wait.elementsEqual("owner".utf8) { return ChangeTerms() }
        guard wait.elementsEqual("applied".utf8) else { throw .unknownWait }
        guard Query.has("timeoutSeconds", head.query, bytes) else { return ChangeTerms(wait: .applied) }
        let seconds = Query.value("timeoutSeconds", head.query, bytes) ?? []
        guard let number = seconds.span.decimal(0..<seconds.count), number <= 86_400 else {
            throw Failure(400, "timeoutSeconds is a whole number of seconds, at most 86400", .request)
        }
        return ChangeTerms(wait: .applied(within: .seconds(number)))
    }

    /// What a client says of a value beside its bytes: its media type, unless that is the one which is given back without. `nil`: it is none.
    private static func attributes(_ head: RequestHead, _ bytes: Span<UInt8>) -> EntryAttributes? {
        guard let type = head.contentType, !type.isEmpty, !bytes.matches(type, "application/octet-stream") else {
            return EntryAttributes.none
        }
        guard !head.hasManyContentTypes, type.count <= 256 else { return nil }
        return try? EntryAttributes(contentType: bytes.string(type))
    }

    /// With what a change depends on, if it depends on anything.
    private func ifAsked(_ head: RequestHead, _ bytes: Span<UInt8>, isSet: Bool, _ body: (ChangeCondition?) -> Answer) -> Answer {
        guard head.hasConditions else { return body(nil) }
        let conditions = RequestConditions(bytes, length: head.length)
        do throws(Refusal) {
            // RFC 9110 §14.5: a part is not the whole, and a set is of the whole.
            if isSet, conditions.hasContentRange { throw .badRequest("a part of a value cannot be set: Content-Range is not for PUT here") }
            return body(try conditions.changing())
        } catch {
            return .now(.failure(Failure(error)))
        }
    }

    /// Group and key of a public path.
    private func withKey(
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key range: Range<Int>,
        _ body: (any PeerServing, Key) -> Answer
    ) -> Answer {
        self.withGroup(name, bytes) { group in
            var decoded: [UInt8] = []
            guard PercentEncoding.decode(range, bytes, plusIsSpace: false, into: &decoded) else { return .now(.failure(.badEscape)) }
            let key = Key(bytes: decoded)
            if let error = Key.error(length: key.bytes.count, limit: self.keySize) { return .now(.failure(Failure(error))) }
            return body(group, key)
        }
    }

    // MARK: Peers

    func peerChange(
        _ handler: Route.Handler,
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group name: Range<Int>,
        key range: Range<Int>,
        body: RequestBody
    ) -> Answer {
        let dialect = self.core.configuration.dialect
        self.compareRings(head)
        guard let group = self.find(name, bytes, plusIsSpace: dialect.plusIsSpace) else { return .now(self.noSuchPeerGroup) }
        var decoded: [UInt8] = []
        guard PercentEncoding.decode(range, bytes, plusIsSpace: dialect.plusIsSpace, into: &decoded) else { return .now(self.malformed) }
        switch handler {
        case .peerSet:
            guard
                let (key, entry) = self.setRequest(
                    head,
                    bytes,
                    group: group.name,
                    pathKey: decoded,
                    body: body.bytes.readableBytesUInt8Span
                )
            else {
                return .now(self.malformed)
            }
            if let error = Key.error(length: key.bytes.count, limit: self.keySize) { return .now(self.peerFailure(error)) }
            guard entry.value.count <= self.core.configuration.limits.valueSize else {
                return .now(self.peerFailure(GroupCacheError(.valueTooLarge, "the value is too large")))
            }
            guard let condition = self.peerCondition(head, bytes) else { return .now(self.malformed) }
            let fields = head.hasPeerFields ? PeerFields(bytes, length: head.length) : PeerFields()
            let (turn, terms) = (fields.turn, ChangeTerms(as: fields.role))
            guard self.core.turns.takes(turn) else { return .now(self.peerFailure(SetTurns.tooLate)) }
            return Serving.set(group, key, to: entry, if: condition.of, terms, for: .peer, .peer(dialect)) {
                [turns = self.core.turns, time = head.timeout.flatMap(Dialect.ttl)] terms throws(GroupCacheError) in
                try turns.terms(terms, of: turn, within: time)
            }
        case .peerRemoveMany:
            guard decoded == Array("_remove-keys/".utf8) else { return .now(.peerMethod(RouteTable.peerMethods(dialect))) }
            // groupcache-go v3 removes many keys at once with JSON, although its messages are protocol buffers.
            guard let list = body.keys, list.finish(allowingRefused: true) == nil, list.group == group.name else {
                return .now(self.malformed)
            }
            return .later(.change) { await Self.remove(list, of: group, dialect) }
        default:
            let key = Key(bytes: decoded)
            if let error = Key.error(length: key.bytes.count, limit: self.keySize) { return .now(self.peerFailure(error)) }
            guard let condition = self.peerCondition(head, bytes) else { return .now(self.malformed) }
            let role = head.hasPeerFields ? PeerFields(bytes, length: head.length).role : .owner
            return Serving.remove(group, [key], if: condition.of, ChangeTerms(as: role), for: .peer, .peer(dialect))
        }
    }

    /// What a peer's change depends on; `nil`: it is not understood. Only our own nodes compare.
    private func peerCondition(_ head: RequestHead, _ bytes: Span<UInt8>) -> (of: ChangeCondition?, Void)? {
        guard head.hasConditions else { return (nil, ()) }
        guard let condition = try? RequestConditions(bytes, length: head.length).changing() else {
            return RequestConditions(bytes, length: head.length).isWithoutTags ? (nil, ()) : nil
        }
        return self.core.configuration.dialect == .native ? (condition, ()) : nil
    }

    /// Removes all keys that are keys, and names the others by their places in the list: a key that nobody can have must not keep its neighbours
    /// from being removed. How many there are is bounded by the size of the body.
    private static func remove(_ list: KeysReader, of group: any PeerServing, _ dialect: Dialect) async -> Response {
        do throws(GroupCacheError) {
            for key in list.keys { try await group.serveRemove(key, for: .peer) }
        } catch {
            return .peerFailure(error, dialect)
        }
        if list.refusedCount == 0 { return .empty }
        var response = Response.peerFailure(GroupCacheError(.badRequest, "bad request"), dialect)
        let named = list.refused.map { "number \($0.place) (\($0.error.message))" }.joined(separator: ", ")
        let more = list.refusedCount - list.refused.count
        let rest = more > 0 ? " and \(more) more" : ""
        response.body = .bytes(ByteBuffer(string: "removed \(list.keys.count) keys; not \(named)\(rest)\n"))
        return response
    }

    /// Key and value of a set. In mailgun's dialect the key stands in the body, and the one of the path is only for logs.
    private func setRequest(
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        group: String,
        pathKey: [UInt8],
        body: Span<UInt8>
    ) -> (Key, PeerEntry)? {
        guard self.core.configuration.dialect.hasExpire else {
            // A lifetime that is not understood is not one without end.
            if head.hasMalformedTTL { return nil }
            var entry = PeerEntry(value: ByteView(copying: body), ttl: Dialect.ttl(head.ttl))
            if head.hasPeerFields {
                let fields = PeerFields(bytes, length: head.length)
                (entry.schema, entry.attributes) = (fields.schema, fields.attributes)
            }
            return (Key(bytes: pathKey), entry)
        }
        guard let message = try? Protobuf.setRequest(body), body.equals(message.group, group) else { return nil }
        let now = HTTPDate.unixNanoseconds()
        let ttl: Duration? = message.expire == 0 ? nil : message.expire <= now ? .zero : .nanoseconds(message.expire - now)
        return (Key(bytes: body.array(message.key)), PeerEntry(value: ByteView(copying: body.extracting(message.value)), ttl: ttl))
    }
}
