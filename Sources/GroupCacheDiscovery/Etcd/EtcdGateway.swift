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

    /// More members than that are refused; see ``MemberList``. The answer tells that there were more.
    static let maximumEntries = 20_000

    /// What etcd answers.
    func ask<Answer: EtcdAnswer>(_ type: Answer.Type = Answer.self, _ path: String, _ body: [String: Any]) async throws -> Answer {
        let body = try JSONSerialization.data(withJSONObject: body)
        return try await self.first { endpoint in
            let client = self.client.named(endpoint.url)
            let answer = try await client.ask(self.request(endpoint, path, body), atMost: endpoint.limit)
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
        return try await self.first { endpoint in
            let client = self.client.named(endpoint.url)
            switch try await client.open(self.request(endpoint, "/v3/watch", body), atMost: endpoint.limit) {
            // Whose it is its first line says.
            case .success(let body): return (body, nil)
            case .failure(let refused): throw Self.refusal(refused.answer, endpoint)
            }
        }
    }

    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    private func first<Value>(
        _ ask: (EtcdEndpoints.Endpoint) async throws -> (Value, cluster: String?)
    ) async throws -> (Value, EtcdEndpoints.Endpoint) {
        do { return try await self.endpoints.first(ask) } catch let refusal as EtcdRefusal { throw refusal.status }
    }

    /// What etcd says in place of an answer.
    private static func refusal(_ answer: SourceClient.Answer, _ endpoint: EtcdEndpoints.Endpoint) -> any Error {
        guard let failure = try? JSONDecoder().decode(EtcdMessage.Failure.self, from: Data(answer.body)), failure.isEtcds else {
            return DiscoveryError(.unavailable, "\(endpoint.url) answers \(answer.status), and not as etcd does")
        }
        return EtcdRefusal(failure: failure, url: endpoint.url)
    }

    private func request(_ endpoint: EtcdEndpoints.Endpoint, _ path: String, _ body: Data) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: endpoint.url + path)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        // Of a node of etcd that has lost the others: an error, and not a watch that tells nothing.
        request.headers.add(name: "Grpc-Metadata-hasleader", value: "true")
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
