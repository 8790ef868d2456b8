// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import Informers
internal import NIOCore
internal import NIOHTTP1

/// Asks a Kubernetes API server. What it answers in place of what was asked for becomes a `Status`.
struct KubernetesAPI: Sendable {
    let url: String
    private let client: SourceClient
    private let token: KubernetesToken?

    /// Reads the roots, and blocks while it does.
    ///
    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``.
    init(_ cluster: KubernetesCluster, clock: InformerClock) throws(DiscoveryError) {
        let tls: SourceTLS? = try cluster.trustRootsFile.map { file throws(DiscoveryError) in try SourceTLS(trustRootsFile: file) }
        self.url = cluster.url
        self.client = SourceClient(name: "the API server at \(cluster.url)", tls: tls)
        self.token = cluster.tokenFile.map { KubernetesToken(path: $0, clock: clock) }
    }

    func shutdown() async { await self.client.shutdown() }

    /// The body of an answer of 200.
    func get(_ path: String, _ query: [(String, String)] = []) async throws -> [UInt8] {
        let answer = try await self.withToken { token in
            let answer = try await self.client.ask(self.request(path, query, token))
            return answer.status == 200 ? .success(answer.body) : .failure(SourceClient.Refused(answer: answer))
        }
        return answer
    }

    /// The same, in JSON.
    func get<Value: Decodable>(_ type: Value.Type, _ path: String, _ query: [(String, String)] = []) async throws -> Value {
        try self.client.decode(type, try await self.get(path, query))
    }

    /// The body of a stream.
    func open(_ path: String, _ query: [(String, String)]) async throws -> HTTPClientResponse.Body {
        try await self.withToken { token in try await self.client.open(self.request(path, query, token)) }
    }

    /// Asks, and once more with another token if the server does not take the one it was shown.
    private func withToken<Value: Sendable>(
        _ ask: @Sendable (_ token: String?) async throws -> Result<Value, SourceClient.Refused>
    ) async throws -> Value {
        let token = try await self.token?.current()
        switch try await ask(token) {
        case .success(let value): return value
        case .failure(let refused):
            if refused.answer.status == 401, let token, let other = try await self.token?.current(refused: token), other != token {
                switch try await ask(other) {
                case .success(let value): return value
                case .failure(let refused): throw self.status(refused.answer)
                }
            }
            throw self.status(refused.answer)
        }
    }

    private func request(_ path: String, _ query: [(String, String)], _ token: String?) -> HTTPClientRequest {
        let text = query.map { "\($0.0)=\(Self.escaped($0.1))" }.joined(separator: "&")
        var request = HTTPClientRequest(url: self.url + path + (text.isEmpty ? "" : "?" + text))
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "User-Agent", value: "groupcache")
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        return request
    }

    private static func escaped(_ text: String) -> String {
        let allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }

    /// What the server says in place of an answer.
    private func status(_ answer: SourceClient.Answer) -> any Error {
        let said = try? JSONDecoder().decode(Status.self, from: Data(answer.body))
        // A page of somebody in between has no message and no reason; nor has any object that happens to be JSON.
        guard var status = said, !status.message.isEmpty || status.reason != .unknown else {
            let reason: Status.Reason =
                switch answer.status {
                case 401: .unauthorized
                case 403: .forbidden
                case 404: .notFound
                case 410: .expired
                case 429: .tooManyRequests
                case 503: .serviceUnavailable
                default: .unknown
                }
            return self.worded(Status(reason, code: answer.status, details: .init(retryAfterSeconds: answer.retryAfter)))
        }
        status.code = answer.status
        var details = status.details ?? .init()
        let pause = answer.retryAfter ?? details.retryAfterSeconds
        details.retryAfterSeconds = pause.map { min(max(0, $0), SourceClient.longestPause) }
        status.details = details
        return self.worded(status)
    }

    /// With a message that says what to do about it.
    private func worded(_ status: Status) -> Status {
        var status = status
        let said = status.message.isEmpty ? "" : ": \(Member.shown(status.message, atMost: 300))"
        switch status.code {
        case 401: status.message = "\(self.client.name) does not take the token of this pod's service account\(said)"
        case 403:
            status.message =
                "\(self.client.name) forbids it: the service account needs a Role with apiGroups [discovery.k8s.io], "
                + "resources [endpointslices], verbs [list, watch]\(said)"
        case 410: break
        default: status.message = "\(self.client.name) answers \(status.code)\(said)"
        }
        return status
    }
}
