// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Informers
import InformersTesting
import NIOConcurrencyHelpers
import NIOHTTP1

@testable import GroupCacheDiscovery

/// An EndpointSlice as a server writes it.
struct FakeSlice: Codable, Sendable {
    struct Metadata: Codable, Sendable {
        var name: String
        var namespace = "prod"
        var resourceVersion: String?
        var labels = ["kubernetes.io/service-name": "cache"]
    }
    struct Endpoint: Codable, Sendable {
        struct Target: Codable, Sendable {
            var kind = "Pod"
            var name: String
            var uid: String
        }
        var addresses: [String]
        var conditions: [String: Bool]?
        var hostname: String?
        var nodeName: String?
        var zone: String?
        var topology: [String: String]?
        var targetRef: Target?

        /// A pod of that name.
        static func pod(_ name: String, _ address: String, _ conditions: [String: Bool]? = ["ready": true], uid: String? = nil) -> Endpoint
        {
            Endpoint(addresses: [address], conditions: conditions, zone: "z1", targetRef: Target(name: name, uid: uid ?? "uid-\(name)"))
        }
    }
    struct Port: Codable, Sendable {
        var name: String? = "groupcache"
        var `protocol` = "TCP"
        var port: Int? = 8001
    }

    var metadata: Metadata
    var addressType = "IPv4"
    var endpoints: [Endpoint]?
    var ports: [Port]? = [Port()]

    init(_ name: String, _ endpoints: Endpoint..., addressType: String = "IPv4") {
        self.metadata = Metadata(name: name)
        self.endpoints = endpoints
        self.addressType = addressType
    }
}

/// A Kubernetes API server with nothing but EndpointSlices, as strict as the real one: what it does not know is refused.
final class FakeAPIServer: Sendable {
    struct State: Sendable {
        var versions = ["v1beta1", "v1"]
        /// `nil`: whoever asks may.
        var token: String? = "first"
        var mayList = true
        var maySeeGroups = true
        /// What the next requests are answered with in place of everything else.
        var failures: [(status: Int, body: String, headers: HTTPHeaders)] = []
        /// How many watches were ended by their clients or by this server.
        var watchesEnded = 0
    }

    let source = FakeSource<FakeSlice>(key: \.metadata.name) { slice, version in
        var slice = slice
        slice.metadata.resourceVersion = "\(version)"
        return slice
    }
    let server = TinyServer()
    let state = NIOLockedValueBox(State())

    init() {
        self.server.answer { [self] request, reply in
            do {
                try await self.answer(request, reply)
            } catch let status as Status {
                let pause = status.details?.retryAfterSeconds.map { ["\($0)"] } ?? []
                var headers: HTTPHeaders = ["content-type": "application/json"]
                for seconds in pause { headers.add(name: "retry-after", value: seconds) }
                try await reply.whole(status.code, Self.text(status), headers)
            }
        }
    }

    /// The watches there were, as they were asked for.
    var watches: [WatchOptions] { self.source.watches }
    func queries(_ path: String = "endpointslices") -> [[String: String]] {
        self.server.requests.filter { $0.path.hasSuffix(path) }.map(\.query)
    }

    func fail(_ status: Int, _ body: String = "", _ headers: HTTPHeaders = [:]) {
        self.state.withLockedValue { $0.failures.append((status, body, headers)) }
    }

    private func answer(_ request: TinyServer.Request, _ reply: TinyServer.Reply) async throws {
        let state = self.state.withLockedValue { $0 }
        guard request.method == .GET else { throw Status(.methodNotAllowed) }
        if let accept = request.headers.first(name: "accept"), accept != "application/json", accept != "*/*" {
            throw Status(.notAcceptable)
        }
        if let token = state.token, request.headers.first(name: "authorization") != "Bearer \(token)" {
            throw Status(.unauthorized, message: "Unauthorized")
        }
        if request.path == "/apis/discovery.k8s.io" {
            guard state.maySeeGroups else { throw Status(.forbidden, message: "forbidden: User cannot get path") }
            let versions = state.versions.map { #"{"groupVersion":"discovery.k8s.io/\#($0)","version":"\#($0)"}"# }.joined(separator: ",")
            return try await reply.whole(200, #"{"kind":"APIGroup","apiVersion":"v1","name":"discovery.k8s.io","versions":[\#(versions)]}"#)
        }
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count == 6, parts[0] == "apis", parts[1] == "discovery.k8s.io", state.versions.contains(parts[2]),
            parts[3] == "namespaces", parts[5] == "endpointslices"
        else {
            return try await reply.whole(404, "404 page not found\n", ["content-type": "text/plain"])
        }
        let failure = self.state.withLockedValue { $0.failures.isEmpty ? nil : $0.failures.removeFirst() }
        if let failure { return try await reply.whole(failure.status, failure.body, failure.headers) }
        guard state.mayList, parts[4] == "prod" else {
            let what = #"endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:prod:cache" cannot list resource"#
            throw Status(.forbidden, message: what, details: .init(kind: "endpointslices"))
        }
        try await self.slices(request.query, version: parts[2], reply)
    }

    private static let known: Set<String> = [
        "labelSelector", "fieldSelector", "resourceVersion", "resourceVersionMatch", "limit", "continue", "watch", "allowWatchBookmarks",
        "timeoutSeconds", "sendInitialEvents", "pretty",
    ]

    private func slices(_ query: [String: String], version: String, _ reply: TinyServer.Reply) async throws {
        if let unknown = query.keys.first(where: { !Self.known.contains($0) }) { throw Status(.badRequest, message: "unknown \(unknown)") }
        let selector = query["labelSelector"].map { $0.split(separator: "=").map(String.init) }
        guard let selector, selector.count == 2 else { throw Status(.badRequest, message: "unable to parse requirement") }
        let matches: @Sendable (FakeSlice) -> Bool = { $0.metadata.labels[selector[0]] == selector[1] }
        let isWatch = ["1", "true"].contains(query["watch"] ?? "")
        if let text = query["timeoutSeconds"], Int(text) == nil { throw Status(.badRequest, message: "timeoutSeconds") }
        guard isWatch else {
            let options = ListOptions(
                resourceVersion: query["resourceVersion"] ?? "",
                limit: query["limit"].flatMap(Int.init) ?? 0,
                continueToken: query["continue"] ?? ""
            )
            if !options.continueToken.isEmpty, !options.resourceVersion.isEmpty {
                throw Status(.badRequest, message: "specifying resource version is not allowed when using continue")
            }
            let list = try await self.source.list(options)
            let items = list.items.filter(matches).map { Self.text($0) }.joined(separator: ",")
            let more = list.continueToken.isEmpty ? "" : #","continue":"\#(list.continueToken)""#
            return try await reply.whole(
                200,
                #"{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/\#(version)","metadata":{"resourceVersion":"\#(list.resourceVersion)"\#(more)},"items":\#(items.isEmpty ? "null" : "[\(items)]")}"#
            )
        }
        let options = WatchOptions(
            resourceVersion: query["resourceVersion"] ?? "",
            allowBookmarks: query["allowWatchBookmarks"] == "true"
        )
        let stream = try await self.source.watch(options)
        defer {
            stream.stop()
            self.state.withLockedValue { $0.watchesEnded += 1 }
        }
        try await reply.head(200)
        let timer = Task {
            try await Task.sleep(for: .seconds(query["timeoutSeconds"].flatMap(Int.init) ?? 1800))
            stream.stop()
        }
        defer { timer.cancel() }
        for await event in stream {
            if let slice = event.object, !matches(slice) { continue }
            try await reply.write(Self.text(event) + "\n")
        }
        try Task.checkCancellation()
        try await reply.end()
    }

    private static func text(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
