// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import HTTPTypes
internal import Logging
public import NIOCore

extension ResponseCache {
    /// A request that the cache has no answer to, until its response is there.
    ///
    /// Those who wait for the same wait until it is known that the response is not kept, or until its ``Recorder`` has finished; or until both are gone.
    public struct Exchange: Sendable {
        /// What is to be done with a response.
        public enum Reception: Sendable {
            /// Send it, with this head.
            case pass(HTTPResponse)
            /// Send it, with this head, and show its body to the recorder.
            case keep(HTTPResponse, Recorder)
            /// Send this in its place: the response is an error, and there is one of before that may be served.
            case replace(HTTPResponse, ByteBuffer)
        }

        private let cache: ResponseCache
        private let request: HTTPRequest
        private let terms: RequestTerms
        private let why: String
        private let found: Found?
        private let turn: ResponseTurns.Turn?
        private let began: Int64

        init(
            _ cache: ResponseCache,
            _ request: HTTPRequest,
            _ terms: RequestTerms,
            why: String,
            found: Found? = nil,
            turn: ResponseTurns.Turn? = nil
        ) {
            (self.cache, self.request, self.terms, self.why, self.found, self.turn) = (cache, request, terms, why, found, turn)
            self.began = cache.now()
        }

        /// The response of the handler has come.
        ///
        /// - Parameters:
        ///   - response: its status and fields.
        ///   - contentLength: of its body; `nil`: that is not known yet.
        public func receive(_ response: HTTPResponse, contentLength: Int? = nil) async -> Reception {
            var head = response
            if self.terms.use == .change { await self.removeTarget(response.status.code) }
            if [500, 502, 503, 504].contains(response.status.code), let (head, body) = self.staleAnswer() {
                self.turn?.finish()
                return .replace(head, body)
            }
            let received = self.cache.now()
            let rules = StoringRules(
                response,
                for: self.terms,
                defaultTTL: self.cache.settings.defaultTTL,
                requestTime: self.began,
                responseTime: received
            )
            guard let rules, let key = self.terms.key, contentLength ?? 0 <= self.cache.settings.maximumBodySize else {
                head.headerFields.append(HTTPField(name: .cacheStatus, value: "GroupCache; fwd=\(self.why)"))
                self.turn?.finish()
                return .pass(head)
            }
            head.headerFields.append(HTTPField(name: .cacheStatus, value: "GroupCache; fwd=\(self.why); stored"))
            let recorder = Recorder(
                self.cache,
                self.request,
                key,
                self.found?.seen,
                rules,
                status: response.status.code,
                received,
                self.turn
            )
            return .keep(head, recorder)
        }

        /// The handler has thrown: what may be served instead; `nil`: nothing.
        public func fail() -> (head: HTTPResponse, body: ByteBuffer)? {
            self.turn?.finish()
            return self.staleAnswer()
        }

        private func staleAnswer() -> (head: HTTPResponse, body: ByteBuffer)? {
            let now = self.cache.now()
            guard self.terms.use == .read, let old = self.found?.response, old.mayReplaceError(self.terms, at: now) else { return nil }
            let left = (old.lifetime - old.age(at: now)) / 1_000
            return old.answer(to: self.request, "fwd=stale; ttl=\(left)", at: now)
        }

        /// RFC 9111 §4.4: the target of a change that has succeeded is old.
        private func removeTarget(_ status: Int) async {
            guard (200..<400).contains(status), let key = self.terms.key else { return }
            do throws(GroupCacheError) {
                try await self.cache.remove(key)
            } catch {
                // The change is made; nodes that have not heard of it are told when they can be.
                self.cache.group.logger.warning(
                    "a response that is old could not be removed everywhere",
                    metadata: ["group": "\(self.cache.group.name)", "error.code": "\(error.code)"]
                )
            }
        }
    }

    /// Gathers the body of a response that may be kept, while it is sent.
    public struct Recorder: Sendable {
        private let cache: ResponseCache
        private let request: HTTPRequest
        private let key: String
        private let seen: CachedResponse?
        private let rules: StoringRules
        private let status: Int
        private let received: Int64
        private let turn: ResponseTurns.Turn?
        private var body: ByteBuffer? = ByteBuffer()

        init(
            _ cache: ResponseCache,
            _ request: HTTPRequest,
            _ key: String,
            _ seen: CachedResponse?,
            _ rules: StoringRules,
            status: Int,
            _ received: Int64,
            _ turn: ResponseTurns.Turn?
        ) {
            (self.cache, self.request, self.key, self.seen, self.rules, self.status) = (cache, request, key, seen, rules, status)
            (self.received, self.turn) = (received, turn)
        }

        /// A piece of the body. Of one that is too long nothing is kept, and nobody waits for it any more.
        public mutating func append(_ piece: ByteBuffer) {
            guard let count = self.body?.readableBytes else { return }
            guard count + piece.readableBytes <= self.cache.settings.maximumBodySize else { return self.discard() }
            self.body?.writeImmutableBuffer(piece)
        }

        /// It is not to be kept: it was cut off, or has trailers.
        public mutating func discard() {
            self.body = nil
            self.turn?.finish()
        }

        /// The body is complete. Returns when the response is kept, or is not.
        public mutating func finish() async {
            guard let body else { return }
            let response = self.rules.response(status: self.status, body, at: self.received)
            await self.cache.store(response, self.rules, for: self.request, at: self.key, seen: self.seen)
            self.discard()
        }
    }
}
