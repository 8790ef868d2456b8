// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import Informers
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// Asks etcd by its JSON gateway, `/v3/…`, which 3.4 and 3.5 have alike.
struct EtcdGateway: Sendable {
    let endpoints: EtcdEndpoints
    let prefix: EtcdPrefix
    let client: SourceClient
    /// `nil`: it says nobody's name.
    let token: EtcdToken?

    /// - Parameter user: who asks; `nil`: anybody.
    init(endpoints: EtcdEndpoints, prefix: EtcdPrefix, client: SourceClient, user: EtcdUser? = nil, clock: InformerClock = .continuous) {
        (self.endpoints, self.prefix, self.client) = (endpoints, prefix, client)
        let nameless = user.map { _ in EtcdGateway(endpoints: endpoints, prefix: prefix, client: client) }
        self.token = user.map { user in
            EtcdToken(user, clock: clock) { name, password in
                do {
                    let body = ["name": name, "password": password]
                    let answer = try await nameless?.answer(EtcdMessage.Authenticated.self, "/v3/auth/authenticate", body)
                    guard let token = answer?.token, Self.isToken(token) else {
                        throw DiscoveryError(.malformed, "etcd gives a token that is none")
                    }
                    return token
                } catch let refusal as EtcdRefusal where refusal.failure.text.contains("authentication is not enabled") {
                    return nil
                }
            }
        }
    }

    /// More members than that are refused; see ``MemberList``. The answer tells that there were more.
    static let maximumEntries = 20_000

    /// What etcd answers.
    func ask<Answer: EtcdAnswer>(_ type: Answer.Type = Answer.self, _ path: String, _ body: [String: Any]) async throws -> Answer {
        do { return try await self.answer(type, path, body) } catch let refusal as EtcdRefusal { throw refusal.status }
    }

    private func answer<Answer: EtcdAnswer>(_ type: Answer.Type, _ path: String, _ body: [String: Any]) async throws -> Answer {
        let body = try JSONSerialization.data(withJSONObject: body)
        return try await self.first { endpoint, pass in
            let client = self.client.named(endpoint.url)
            let answer = try await client.ask(self.request(endpoint, path, body, pass), atMost: endpoint.limit)
            guard answer.status == 200 else { throw Self.refusal(answer, endpoint) }
            let said = try client.decode(type, answer.body)
            if let failure = said.failure { throw EtcdRefusal(failure: failure, url: endpoint.url) }
            return (said, said.cluster)
        }.0
    }

    /// The lines of a watch after `revision`, and whose they are.
    func watch(after revision: Int64) async throws -> (HTTPClientResponse.Body, EtcdEndpoints.Endpoint) {
        let request: [String: Any] = [
            "key": Self.base64(Array(self.prefix.text.utf8)), "range_end": Self.base64(self.prefix.end),
            "start_revision": "\(revision + 1)",
            "progress_notify": true,
        ]
        let body = try JSONSerialization.data(withJSONObject: ["create_request": request])
        do {
            return try await self.first { endpoint, pass in
                let client = self.client.named(endpoint.url)
                switch try await client.open(self.request(endpoint, "/v3/watch", body, pass), atMost: endpoint.limit) {
                // Whose it is its first line says, and whether a token is good: if it is not, the list that follows asks for another.
                case .success(let body): return (body, nil)
                case .failure(let refused): throw Self.refusal(refused.answer, endpoint)
                }
            }
        } catch let refusal as EtcdRefusal {
            throw refusal.status
        }
    }

    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// Asks, and once more with another token if etcd does not take the one that it was shown.
    private func first<Value>(
        _ ask: (EtcdEndpoints.Endpoint, EtcdToken.Pass?) async throws -> (Value, cluster: String?)
    ) async throws -> (Value, EtcdEndpoints.Endpoint) {
        guard let token = self.token else { return try await self.endpoints.first { try await ask($0, nil) } }
        let pass = try await token.current()
        do {
            return try await self.endpoints.first { try await ask($0, pass) }
        } catch let refusal as EtcdRefusal where refusal.failure.isOfToken {
            let other = try await token.current(refused: pass)
            return try await self.endpoints.first { try await ask($0, other) }
        }
    }

    /// Whether it may be put into a header.
    private static func isToken(_ text: String) -> Bool {
        (1...65_536).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// What etcd says in place of an answer.
    private static func refusal(_ answer: SourceClient.Answer, _ endpoint: EtcdEndpoints.Endpoint) -> any Error {
        guard let failure = try? JSONDecoder().decode(EtcdMessage.Failure.self, from: Data(answer.body)), failure.isEtcds else {
            return DiscoveryError(.unavailable, "\(endpoint.url) answers \(answer.status), and not as etcd does")
        }
        return EtcdRefusal(failure: failure, url: endpoint.url)
    }

    private func request(_ endpoint: EtcdEndpoints.Endpoint, _ path: String, _ body: Data, _ pass: EtcdToken.Pass?) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: endpoint.url + path)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        // Of a node of etcd that has lost the others: an error, and not a watch that tells nothing.
        request.headers.add(name: "Grpc-Metadata-hasleader", value: "true")
        if let token = pass?.text { request.headers.add(name: "Authorization", value: token) }
        request.body = .bytes(body)
        return request
    }
}

/// Where the members of a cluster are listed and watched in etcd.
struct EtcdSource: ListerWatcher {
    let gateway: EtcdGateway
    /// Told when a watch goes on where the last one ended: the source lives, and what is known still holds.
    let heard: @Sendable () -> Void

    /// Everything below the prefix, as of the newest revision.
    func list(_ options: ListOptions) async throws -> ListResult<EtcdEntry> {
        let body = [
            "key": EtcdGateway.base64(Array(self.gateway.prefix.text.utf8)), "range_end": EtcdGateway.base64(self.gateway.prefix.end),
            "limit": "\(EtcdGateway.maximumEntries)",
        ]
        let range = try await self.gateway.ask(EtcdMessage.Range.self, "/v3/kv/range", body)
        guard let revision = range.header.revision?.value, revision > 0 else {
            throw DiscoveryError(.malformed, "an answer of etcd without a revision")
        }
        guard range.more != true else {
            throw DiscoveryError(.refused, "there are more than \(EtcdGateway.maximumEntries) entries in etcd, which are not believed")
        }
        let entries = try (range.kvs ?? []).map { keyValue -> EtcdEntry in
            guard let key = keyValue.keyText, let value = keyValue.valueBytes else {
                throw DiscoveryError(.malformed, "an entry of etcd that is not in base64")
            }
            return EtcdEntry(key: key, value: value)
        }
        return ListResult(entries, resourceVersion: "\(revision)")
    }

    /// What changes after a revision.
    func watch(_ options: WatchOptions) async throws -> WatchStream<EtcdEntry> {
        guard let revision = Int64(options.resourceVersion), revision > 0 else { throw Status.expired("no revision to go on from") }
        let (body, endpoint) = try await self.gateway.watch(after: revision)
        let endpoints = self.gateway.endpoints
        let source = EtcdWatchSource(
            body.map(\.readableBytesView),
            of: endpoint.url,
            after: revision,
            cluster: endpoints.cluster,
            opened: self.heard,
            failed: { endpoints.failed(endpoint.index) }
        )
        // Nonsense is an error. A connection that breaks, in whatever way, is an end.
        let stream = WatchStream(source) { error in
            error is DecodingError || error is WatchError ? WatchStream<EtcdEntry>.report(error) : nil
        }
        endpoints.hold(stream, endpoint)
        return stream
    }
}

extension EtcdSource {
    /// The members that a reflector finds below the prefix.
    ///
    /// An entry that cannot be read does not keep the others away, and does not take its node out of the ring either: what it said before stays.
    static func members(
        _ prefix: EtcdPrefix,
        logger: Logger,
        take: @escaping @Sendable (@escaping Listing) -> Void
    ) -> MemberStore<EtcdEntry> {
        MemberStore(
            name: \.key,
            merge: { old, new in
                var entry = new
                // Each list brings all of them once more, most as they were.
                if let old, let member = old.member, old.value == new.value {
                    entry.member = member
                    return entry
                }
                do throws(DiscoveryError) {
                    entry.member = try prefix.member(new)
                } catch {
                    entry.member = old?.member
                    // Each list brings it once more.
                    if old?.value != new.value {
                        let what = old?.member == nil ? "it is left out" : "what it said before stays"
                        logger.warning("members: \(error.message); \(what)")
                    }
                }
                return entry
            },
            members: { .success($0.compactMap(\.member)) },
            take: take
        )
    }
}
