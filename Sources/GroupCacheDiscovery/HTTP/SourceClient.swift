// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import Informers
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Asks a source of members over HTTP: questions, which are answered within a bounded time, and streams, which stay open.
struct SourceClient: Sendable {
    /// What a question is answered with.
    struct Answer: Sendable {
        var status: Int
        /// `Retry-After`, in seconds, if it is a number that makes sense.
        var retryAfter: Int?
        var body: [UInt8]
    }

    /// A list of 20,000 members fits.
    static let maximumAnswer = 32 << 20
    /// What a source asks for is heeded up to here: a slip in a number must not keep a node blind for a day.
    static let longestPause = 120
    /// From the question to the last byte of the answer.
    private static let patience = Duration.seconds(20)

    /// Whom it asks, for messages.
    private(set) var name: String
    private let client: HTTPClient
    /// Without a limit on silence.
    private let streams: HTTPClient

    /// Whoever makes one shuts it down.
    init(name: String, tls: SourceTLS?) {
        func client(read: TimeAmount?) -> HTTPClient {
            var configuration = HTTPClient.Configuration(
                tlsConfiguration: tls?.configuration,
                redirectConfiguration: .disallow,
                timeout: .init(connect: .seconds(3), read: read)
            )
            // Who refuses a connection has answered: trying again is for those who know how often.
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.httpVersion = .http1Only
            return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        }
        self.name = name
        self.client = client(read: .seconds(10))
        self.streams = client(read: nil)
    }

    /// The same one, which says another name.
    func named(_ name: String) -> SourceClient {
        var client = self
        client.name = name
        return client
    }

    func shutdown() async {
        try? await self.client.shutdown()
        try? await self.streams.shutdown()
    }

    /// The whole answer to a question, whatever its status.
    ///
    /// - Parameter limit: how long it may take, if not as long as usual.
    /// - Throws: `CancellationError`, or ``DiscoveryError``.
    func ask(_ request: HTTPClientRequest, atMost limit: Duration? = nil) async throws -> Answer {
        try await self.within(limit ?? Self.patience) {
            do {
                return try await Self.answer(self.client.execute(request, timeout: Self.time(limit)))
            } catch {
                throw self.failure(error)
            }
        }
    }

    /// The body of a stream that has been opened; any status but 200 is an answer.
    ///
    /// - Parameter limit: how long the opening may take, if not as long as usual.
    /// - Throws: `CancellationError`, or ``DiscoveryError``.
    func open(_ request: HTTPClientRequest, atMost limit: Duration? = nil) async throws -> Result<HTTPClientResponse.Body, Refused> {
        let response: HTTPClientResponse
        do {
            response = try await self.streams.execute(request, timeout: Self.time(limit))
        } catch {
            throw self.failure(error)
        }
        if response.status == .ok { return .success(response.body) }
        let answer = try await self.within(limit ?? Self.patience) {
            do { return try await Self.answer(response) } catch { throw self.failure(error) }
        }
        return .failure(Refused(answer: answer))
    }

    /// A stream that was not opened.
    struct Refused: Error {
        var answer: Answer
    }

    /// What bytes say in JSON.
    func decode<Value: Decodable>(_ type: Value.Type = Value.self, _ bytes: [UInt8]) throws(DiscoveryError) -> Value {
        if let value = try? JSONDecoder().decode(type, from: Data(bytes)) { return value }
        throw DiscoveryError(.malformed, "what \(self.name) answers is \(Self.kind(bytes))")
    }

    /// What bytes are that are not what was expected.
    static func kind(_ bytes: [UInt8]) -> String {
        switch bytes.first(where: { !" \t\r\n".utf8.contains($0) }) {
        case nil: "empty"
        case UInt8(ascii: "<"): "a page of HTML"
        case UInt8(ascii: "{"), UInt8(ascii: "["): "not what was asked for, or not all of it"
        default: "not JSON"
        }
    }

    private static func answer(_ response: HTTPClientResponse) async throws -> Answer {
        let limit = response.status == .ok ? Self.maximumAnswer : 1 << 20
        let body = try await response.body.collect(upTo: limit)
        let pause = response.headers.first(name: "Retry-After").flatMap { Int($0) }.flatMap { $0 >= 0 ? min($0, Self.longestPause) : nil }
        return Answer(status: Int(response.status.code), retryAfter: pause, body: Array(body.readableBytesView))
    }

    private static func time(_ limit: Duration?) -> TimeAmount {
        limit.map { .milliseconds($0.wholeMilliseconds) } ?? .seconds(10)
    }

    private func failure(_ error: any Error) -> any Error {
        if error is CancellationError || Task.isCancelled { return CancellationError() }
        if let error = error as? DiscoveryError { return error }
        if error is NIOTooManyBytesError {
            return DiscoveryError(.malformed, "what \(self.name) answers is larger than \(Self.maximumAnswer >> 20) MiB")
        }
        return DiscoveryError(.unavailable, "\(self.name) cannot be reached: \(Self.word(error))")
    }

    private static func word(_ error: any Error) -> String {
        if let error = error as? HTTPClientError { return error.shortDescription }
        if error is ChannelError || error is NIOConnectionError { return "no connection" }
        // The names of the others say what was wrong, their texts may hold anything.
        return "\(type(of: error))"
    }

    /// Who sends a byte now and then is not silent, and would otherwise never have to end.
    private func within<Value: Sendable>(_ limit: Duration, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { tasks in
            tasks.addTask { try await body() }
            tasks.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { tasks.cancelAll() }
            guard let value = try await tasks.next() ?? nil else {
                throw DiscoveryError(.unavailable, "\(self.name) has not answered within \(limit)")
            }
            return value
        }
    }
}

extension DiscoveryError {
    /// Any error of a source, in words of ours.
    init(_ error: any Error, name: String) {
        switch error {
        case let error as DiscoveryError: self = error
        case let status as Status: self.init(.unavailable, status.message.isEmpty ? "\(name) answers \(status.code)" : status.message)
        case let error as WatchError where error.code == .malformed || error.code == .tooLong || error.code == .unknownEventType:
            self.init(.malformed, "what \(name) tells of changes is nonsense: \(error.code)")
        case let error as WatchError: self.init(.unavailable, "\(name) is not to be heard: \(error.code)")
        default: self.init(.unavailable, "\(name) is not to be heard: \(type(of: error))")
        }
    }
}
