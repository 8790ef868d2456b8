// SPDX-License-Identifier: Apache-2.0

internal import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird
internal import Informers
internal import NIOCore

// `/v1/operations`: what takes its time can be asked for, looked at, waited for, watched and stopped.
extension Admin {
    func addOperations(to routes: inout AdminRoutes) {
        let operations = self.operations
        routes.on(.post, "/v1/operations", .change) { request in
            try request.allowParameters("wait")
            let wait = try request.duration("wait")
            let asked = try await request.json(
                OperationRequest.self,
                as: "an operation: {\"kind\":\"warm\",\"group\":\"scores\",\"keys\":[\"Tom\"]}"
            )
            let operation = try operations.submit(asked)
            return operations.response(try await operations.wait(for: operation.id, timeout: wait ?? .zero), isNew: true)
        }
        routes.on(.get, "/v1/operations", .read) { request in
            if try request.watches() { return try operations.watch(request) }
            try request.allowParameters("watch")
            return operations.listResponse()
        }
        routes.on(.get, "/v1/watch/operations", .read) { request in try operations.watch(request) }
        routes.on(.get, "/v1/operations/:id", .read) { request in
            try request.allowParameters("wait")
            let wait = try request.duration("wait")
            return operations.response(try await operations.wait(for: try request.operation(), timeout: wait ?? .zero))
        }
        routes.on(.delete, "/v1/operations/:id", .change) { request in
            try request.allowParameters("wait")
            let wait = try request.duration("wait")
            let operation = try operations.cancel(try request.operation())
            return operations.response(try await operations.wait(for: operation.id, timeout: wait ?? .zero))
        }
    }
}

extension AdminRequest {
    /// The id in the path.
    fileprivate func operation() throws -> UInt64 {
        guard let id = UInt64(self.name("id")), "\(id)" == self.name("id") else { throw Status.noOperation }
        return id
    }

    fileprivate func watches() throws -> Bool {
        try Self.refusing { () throws(Failure) in try QueryParameters(self.pairs).flag("watch") ?? false }
    }

    fileprivate var pairs: [(name: String, value: String)] {
        self.query.flatMap { name, values in values.map { (name, $0) } }
    }

    fileprivate static func refusing<R>(_ body: () throws(Failure) -> R) throws -> R {
        do throws(Failure) { return try body() } catch { throw error.status }
    }

    /// A time such as `500ms`, `2s`, `1m`, of at most five minutes; `nil`: none was given.
    func duration(_ name: String) throws -> Duration? {
        guard let text = try self.parameter(name) else { return nil }
        for (suffix, unit) in [("ms", Duration.milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60))] where text.hasSuffix(suffix) {
            let digits = text.dropLast(suffix.count)
            guard (1...9).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int(digits) else {
                break
            }
            return min(unit * count, .seconds(300))
        }
        throw AdminFailure.badRequest("\(name) is a time such as 500ms, 2s or 1m")
    }
}

extension Operations {
    /// An operation: 202 while it has not ended, then 200, whatever it came to: its own failure stands in the body.
    fileprivate func response(_ operation: OperationState, isNew: Bool = false) -> Response {
        var json = JSONWriter()
        self.write(operation, nil, &json)
        json.newline()
        var response = Response(
            status: operation.isFinished ? .ok : .accepted,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: json.buffer)
        )
        if isNew { response.headers[.location] = "/v1/operations/\(operation.id)" }
        return response
    }

    fileprivate func listResponse() -> Response {
        let (operations, version) = self.list
        var json = JSONWriter()
        json.object { json in
            json.string("kind", "OperationList")
            json.object("metadata") { $0.string("resourceVersion", "\(version)") }
            json.array("kinds") { json in for kind in self.kindNames { json.string(nil, kind) } }
            json.array("items") { json in for operation in operations { self.write(operation, nil, &json) } }
        }
        json.newline()
        return Response(
            status: .ok,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: json.buffer)
        )
    }

    /// What there is to watch, told as members and keys are.
    private var watched: Watched<Event> {
        Watched(
            log: self.log,
            topic: nil,
            kind: "Operation",
            isWanted: { _ in true },
            write: { event, version, json in self.write(event, version, &json) },
            initial: { _, event in
                for operation in self.list.operations {
                    event { version, json in self.write(Event(kind: .added, operation: operation), version, &json) }
                }
                return nil
            }
        )
    }

    fileprivate func watch(_ request: AdminRequest) throws -> Response {
        if request.query["prefix"] != nil { throw AdminFailure.badRequest("operations are watched all together: prefix is for keys") }
        let query = try AdminRequest.refusing { () throws(Failure) in
            let parameters = QueryParameters(request.pairs)
            return try WatchQuery(parameters, lastEventID: request.head.headerFields[.lastEventID], keySize: 0)
        }
        guard let form = WatchForm(accept: request.head.headerFields[values: .accept]) else {
            throw Status(.notAcceptable, message: "a watch is told as application/json or text/event-stream")
        }
        let watch = try Watch(self.watched, query, form)
        return Response(
            status: .ok,
            headers: [.contentType: "\(form.contentType)", .cacheControl: "no-store"],
            body: ResponseBody(asyncSequence: TimedPieces(pieces: watch.pieces, clock: self.clock, end: self.clock.now + query.timeout))
        )
    }

    private func write(_ event: Event, _ version: WatchVersion, _ json: inout JSONWriter) {
        json.object { json in
            json.string("type", event.kind.rawValue)
            json.key("object")
            self.write(event.operation, version, &json)
        }
    }

    private func write(_ operation: OperationState, _ version: WatchVersion?, _ json: inout JSONWriter) {
        let now = self.clock.now
        json.object { json in
            json.string("kind", "Operation")
            json.object("metadata") { json in
                json.string("name", "\(operation.id)")
                version?.write(&json)
            }
            json.number("id", Int(clamping: operation.id))
            json.string("operation", operation.kind)
            if let group = operation.group { json.string("group", group) }
            json.string("phase", operation.phase.rawValue)
            json.string("status", operation.isFinished ? (operation.phase == .succeeded ? "Success" : "Failure") : "Working")
            json.number("code", operation.isFinished ? operation.failure?.code ?? (operation.phase == .succeeded ? 200 : 499) : 202)
            if let failure = operation.failure {
                json.string("reason", failure.reason)
                json.string("message", failure.message)
            }
            json.object("details") { json in
                json.string("id", "\(operation.id)")
                json.string("kind", "operation")
            }
            json.number("createdMs", Int(operation.moment))
            json.number("ageMs", Int(operation.age(now: operation.ended ?? now) / .milliseconds(1)))
            json.number("done", operation.done)
            json.number("total", operation.total)
            if let percent = operation.percent { json.number("percent", percent) }
            if let left = operation.timeLeft(now: now) { json.number("remainingMs", Int(left / .milliseconds(1))) }
            if operation.phase == .succeeded {
                json.object("result") { json in
                    for (name, number) in operation.result.sorted(by: { $0.key < $1.key }) { json.number(name, number) }
                }
            }
        }
    }
}

extension HTTPField.Name {
    fileprivate static var lastEventID: Self { Self("Last-Event-ID") ?? .accept }
}

/// What one who watches is told until their time is over. There is a sign of life once a minute at least, so nobody watches much longer than they may.
private struct TimedPieces<Event: Sendable>: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let pieces: WatchPieces<Event>
    let clock: InformerClock
    let end: Duration

    struct Iterator: AsyncIteratorProtocol {
        var pieces: WatchPieces<Event>.Iterator
        let clock: InformerClock
        let end: Duration

        mutating func next() async throws -> ByteBuffer? {
            if self.clock.now >= self.end { return nil }
            return await self.pieces.next()
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(pieces: self.pieces.makeAsyncIterator(), clock: self.clock, end: self.end) }
}
