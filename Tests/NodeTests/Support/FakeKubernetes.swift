// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// As much of an API server as a node asks for: the slices of one Service, listed and watched, for whoever shows the right token. How strict such a server
/// is in all else is tested where the source is.
final class FakeKubernetes: Sendable {
    private struct State: Sendable {
        var token = "token-one"
        var version = 7
        /// The addresses by the names of their pods.
        var pods: [String: String] = [:]
        var port = 0
        var watches: [Int: AsyncStream<String>.Continuation] = [:]
        var count = 0
        /// The tokens that were shown and not taken.
        var refused: [String] = []
    }

    private let state = NIOLockedValueBox(State())

    /// How many watches run.
    var watches: Int { self.state.withLockedValue { $0.watches.count } }
    var refused: [String] { self.state.withLockedValue { $0.refused } }

    /// From now on it takes this token and no other. Watches go on: whoever has begun one was asked then.
    func take(_ token: String) { self.state.withLockedValue { $0.token = token } }

    /// The pods there are, all ready and at one port; watches are told.
    func put(_ pods: [String: String], port: Int) {
        self.state.withLockedValue { state in
            (state.pods, state.port) = (pods, port)
            state.version += 1
            let line = #"{"type":"MODIFIED","object":\#(Self.slice(state))}"# + "\n"
            for watch in state.watches.values { watch.yield(line) }
        }
    }

    /// Ends every watch, as a server does that is upgraded.
    func endWatches() {
        for watch in self.state.withLockedValue({ Array($0.watches.values) }) { watch.finish() }
    }

    private static func slice(_ state: State) -> String {
        let endpoints = state.pods.sorted { $0.key < $1.key }.map { name, address in
            #"{"addresses":["\#(address)"],"conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"\#(name)","uid":"uid-\#(name)"}}"#
        }
        return
            #"{"metadata":{"name":"cache-1","namespace":"prod","resourceVersion":"\#(state.version)","labels":{"kubernetes.io/service-name":"cache"}},"#
            + #""addressType":"IPv4","endpoints":[\#(endpoints.joined(separator: ","))],"ports":[{"name":"groupcache","port":\#(state.port)}]}"#
    }

    private func answer(_ request: Request) -> Response {
        func json(_ text: String, _ status: HTTPResponse.Status = .ok) -> Response {
            Response(status: status, headers: [.contentType: "application/json"], body: .init(byteBuffer: ByteBuffer(string: text)))
        }
        let shown = request.headers[.authorization] ?? ""
        let isTaken = self.state.withLockedValue { state in
            if shown == "Bearer \(state.token)" { return true }
            state.refused.append(shown)
            return false
        }
        guard isTaken else {
            return json(#"{"kind":"Status","status":"Failure","code":401,"reason":"Unauthorized","message":"Unauthorized"}"#, .unauthorized)
        }
        switch request.uri.path {
        case "/apis/discovery.k8s.io":
            return json(#"{"kind":"APIGroup","versions":[{"groupVersion":"discovery.k8s.io/v1","version":"v1"}]}"#)
        case "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices":
            guard request.uri.queryParameters["watch"] == "1" else {
                let (version, slice) = self.state.withLockedValue { ($0.version, Self.slice($0)) }
                return json(#"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"\#(version)"},"items":[\#(slice)]}"#)
            }
            return self.watch(after: request.uri.queryParameters["resourceVersion"].flatMap { Int($0) } ?? 0)
        default: return json(#"{"kind":"Status","status":"Failure","code":404,"reason":"NotFound","message":"not found"}"#, .notFound)
        }
    }

    private func watch(after version: Int) -> Response {
        let (lines, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(64))
        let number = self.state.withLockedValue { state in
            state.count += 1
            state.watches[state.count] = continuation
            // The one slice there is has all that came since.
            if state.version > version { continuation.yield(#"{"type":"MODIFIED","object":\#(Self.slice(state))}"# + "\n") }
            return state.count
        }
        continuation.onTermination = { [state] _ in _ = state.withLockedValue { $0.watches.removeValue(forKey: number) } }
        let body = ResponseBody { writer in
            for await line in lines { try await writer.write(ByteBuffer(string: line)) }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: "application/json"], body: body)
    }

    /// Serves plain HTTP while `body` runs, which is given the port.
    func run(_ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        let router = Router()
        router.get("**") { request, _ in self.answer(request) }
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        var logger = Logger(label: "kubernetes")
        logger.logLevel = .critical
        let application = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in continuation.yield(channel.localAddress?.port ?? 0) },
            logger: logger
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await application.run() }
            defer {
                self.endWatches()
                tasks.cancelAll()
            }
            var iterator = ports.makeAsyncIterator()
            guard let port = await iterator.next() else { throw TestFailure("the fake API server did not start") }
            try await body(port)
        }
    }
}
