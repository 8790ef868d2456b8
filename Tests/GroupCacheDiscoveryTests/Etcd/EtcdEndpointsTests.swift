// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Informers
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheDiscovery

/// Several members of one etcd, of which some are of no use.
@Suite(.timeLimit(.minutes(5))) struct EtcdEndpointsTests {
    @Test func eachIsAskedOnceAndTheOneThatAnswersStays() {
        var rotation = EtcdRotation(["a", "b", "c"], first: 1)
        #expect(rotation.order == [1, 2, 0])
        rotation.failed(1)
        // Found out by two at the same time.
        rotation.failed(1)
        #expect(rotation.order == [2, 0, 1])
        rotation.failed(2)
        #expect(rotation.order == [0, 1, 2])
        var alone = EtcdRotation(["a"], first: 0)
        alone.failed(0)
        #expect(alone.order == [0])
    }

    /// The watch comes when its endpoint has failed another question already.
    @Test func aWatchThatComesTooLateIsEndedAtOnce() {
        struct Silent: WatchSource {
            func next() async throws -> WatchEvent<EtcdEntry>? { nil }
            func close() {}
        }
        let endpoints = EtcdEndpoints(["http://a:1", "http://b:1"], lease: .seconds(3), first: 0)
        let stream = WatchStream(Silent())
        endpoints.failed(0)
        endpoints.hold(stream, EtcdEndpoints.Endpoint(index: 0, url: "http://a:1", limit: nil))
        #expect(stream.isStopped)
        let next = WatchStream(Silent())
        endpoints.hold(next, EtcdEndpoints.Endpoint(index: 1, url: "http://b:1", limit: nil))
        #expect(!next.isStopped)
    }

    /// All but one may hang at each question, and a lease is kept alive all the same: it is asked for each third of it.
    @Test(arguments: [2, 6, 15, 60, 3_600], 2...9)
    func allTogetherHaveAsLongAsOne(seconds: Int, count: Int) {
        let rotation = EtcdRotation((0..<count).map { "\($0)" }, first: 0)
        let limits = (0..<count).map { rotation.limit($0, lease: .seconds(seconds)) }
        #expect(limits.reduce(.zero, +) == .seconds(10))
        #expect(limits.allSatisfy { $0 >= .milliseconds(500) } && limits.last == limits.max())
        if count == 3, seconds >= 6 { #expect(limits[0] + limits[1] <= .seconds(seconds) / 3) }
    }

    // MARK: Over real connections

    private static let revision = 5

    private static func range(_ ids: [String], cluster: String? = nil) -> String {
        let entries = ids.map { id in
            let key = EtcdGateway.base64(Array("/d/members/\(id)".utf8))
            let value = EtcdGateway.base64(Array(#"{"url":"http://\#(id):1"}"#.utf8))
            return #"{"key":"\#(key)","value":"\#(value)","create_revision":"5","mod_revision":"5"}"#
        }
        let id = cluster.map { #","cluster_id":"\#($0)""# } ?? ""
        return #"{"header":{"revision":"\#(self.revision)"\#(id)},"kvs":[\#(entries.joined(separator: ","))]}"#
    }

    private func gateway(_ servers: [TinyServer], _ body: (EtcdGateway) async throws -> Void) async throws {
        let client = SourceClient(name: "etcd", tls: nil)
        let endpoints = EtcdEndpoints(servers.map(\.url), lease: .seconds(3), first: 0)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(EtcdGateway(endpoints: endpoints, prefix: EtcdPrefix("d"), client: client)))
        } catch { result = .failure(error) }
        await client.shutdown()
        try result.get()
    }

    private func list(_ gateway: EtcdGateway) async throws -> [String] {
        try await EtcdSource(gateway: gateway, heard: {}).list(ListOptions()).items.compactMap { gateway.prefix.id(of: $0.key) }
    }

    enum Fault: CaseIterable, Sendable { case refuses, hangs, trickles, page, pageWith200, noLeader, timeout, breaks }

    @Test(arguments: Fault.allCases) func whoIsOfNoUseIsPassedOver(fault: Fault) async throws {
        let bad = TinyServer { _, reply in
            switch fault {
            case .refuses, .hangs: break
            case .trickles:
                try await reply.head(200)
                while true {
                    try await reply.write(" ")
                    // The fault is this pace.
                    try await Task.sleep(for: .milliseconds(10))
                }
            case .page: try await reply.whole(502, "<html>")
            case .pageWith200: try await reply.whole(200, "<html>")
            case .noLeader: try await reply.whole(503, #"{"error":"etcdserver: no leader","code":14,"message":"etcdserver: no leader"}"#)
            case .timeout: try await reply.whole(504, #"{"error":"etcdserver: request timed out","code":4,"message":"timed out"}"#)
            case .breaks: try await reply.channel.close()
            }
        }
        let good = TinyServer { _, reply in try await reply.whole(200, Self.range(["n1"])) }
        try await good.run {
            try await bad.start()
            if fault == .refuses { try await bad.stop() }
            try await self.gateway([bad, good]) { gateway in
                try await #expect(self.list(gateway) == ["n1"])
                // And is not asked again while the other answers.
                try await #expect(self.list(gateway) == ["n1"])
                #expect(bad.requests.count == (fault == .refuses ? 0 : 1) && good.requests.count == 2)
            }
            try await bad.stop()
        }
    }

    /// What is wrong with the question is wrong everywhere.
    @Test(arguments: [(3, "user name is empty"), (7, "permission denied"), (5, "requested lease not found"), (9, "not enabled")])
    func whatAllWouldSayIsAskedForOnce(code: Int, word: String) async throws {
        let first = TinyServer { _, reply in try await reply.whole(400, #"{"code":\#(code),"message":"etcdserver: \#(word)"}"#) }
        let second = TinyServer { _, reply in try await reply.whole(200, Self.range(["n1"])) }
        try await first.run {
            try await second.run {
                try await self.gateway([first, second]) { gateway in
                    await #expect { try await self.list(gateway) } throws: {
                        ($0 as? Status)?.message.contains(#"\#(first.url) says "etcdserver: \#(word)""#) == true
                    }
                    #expect(second.requests.isEmpty)
                }
            }
        }
    }

    /// One round, each of them once, and a word on each, always the same.
    @Test func whereNoneAnswersEachIsNamed() async throws {
        let first = TinyServer { _, reply in try await reply.whole(502, "<html>") }
        let second = TinyServer { _, reply in try await reply.whole(503, #"{"code":14,"message":"etcdserver: no leader"}"#) }
        try await first.run {
            try await second.run {
                try await self.gateway([first, second]) { gateway in
                    for round in 1...2 {
                        await #expect { try await self.list(gateway) } throws: { error in
                            (error as? DiscoveryError)?.message
                                == "none of the 2 endpoints of etcd is of use: \(first.url) answers 502, and not as etcd does; "
                                + #"\#(second.url) says "etcdserver: no leader""#
                        }
                        #expect(first.requests.count == round && second.requests.count == round)
                        // The next round begins at the other.
                        gateway.endpoints.failed(round - 1)
                    }
                }
            }
        }
    }

    /// A URL of another etcd among them: its list is another, and no lease of ours is in it. When all are another one, as after a restore, it is the one.
    @Test func anotherClusterIsPassedOverUntilAllAreOfIt() async throws {
        let clusters = NIOLockedValueBox(["18446744073709551615", "2"])
        func server(_ index: Int) -> TinyServer {
            TinyServer { _, reply in
                let cluster = clusters.withLockedValue { $0[index] }
                try await reply.whole(200, Self.range(["of-\(cluster)"], cluster: cluster))
            }
        }
        let (first, second) = (server(0), server(1))
        try await first.run {
            try await second.run {
                try await self.gateway([first, second]) { gateway in
                    try await #expect(self.list(gateway) == ["of-18446744073709551615"])
                    gateway.endpoints.failed(0)
                    try await #expect(self.list(gateway) == ["of-18446744073709551615"])
                    #expect(second.requests.count == 1)
                    // The right one is away: better none than the wrong one.
                    try await first.stop()
                    await #expect { try await self.list(gateway) } throws: {
                        ($0 as? DiscoveryError)?.message.contains("\(second.url) answers for another cluster than the others") == true
                    }
                    try await first.start()
                    clusters.withLockedValue { $0 = ["2", "2"] }
                    await #expect(throws: DiscoveryError.self) { try await self.list(gateway) }
                    try await #expect(self.list(gateway) == ["of-2"])
                }
            }
        }
    }

    /// A watch whose endpoint fails another question, or says itself that it is of no use, goes on at the next, from where it was.
    @Test(arguments: [
        "", #"{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}"#,
        #"{"result":{"header":{"revision":"5","cluster_id":"2"},"created":true}}"#,
    ])
    func aWatchMovesOver(word: String) async throws {
        let opened = NIOLockedValueBox(false)
        let first = TinyServer { request, reply in
            if request.path == "/v3/kv/range" { return try await reply.whole(200, Self.range(["n1"], cluster: "1")) }
            try await reply.head(200)
            try await reply.write(#"{"result":{"header":{"revision":"5","cluster_id":"1"},"created":true}}"# + "\n")
            if !word.isEmpty { try await reply.write(word + "\n") }
            opened.withLockedValue { $0 = true }
        }
        let second = TinyServer { request, reply in
            if request.path == "/v3/kv/range" { return try await reply.whole(200, Self.range(["n1"], cluster: "1")) }
            try await reply.head(200)
            try await reply.write(#"{"result":{"header":{"revision":"6","cluster_id":"1"},"created":true}}"# + "\n")
            let key = EtcdGateway.base64(Array("/d/members/n2".utf8))
            let value = EtcdGateway.base64(Array(#"{"url":"http://n2:1"}"#.utf8))
            let event = #"{"kv":{"key":"\#(key)","value":"\#(value)","create_revision":"6","mod_revision":"6"}}"#
            try await reply.write(#"{"result":{"header":{"revision":"6","cluster_id":"1"},"events":[\#(event)]}}"# + "\n")
        }
        try await first.run {
            try await second.run {
                try await self.gateway([first, second]) { gateway in
                    let lists = Lists()
                    let members = EtcdSource.members(gateway.prefix, logger: .silent) { lists.take($0()) }
                    var settings = ReflectorConfiguration()
                    settings.backoff = Backoff(initial: .milliseconds(10), maximum: .milliseconds(10))
                    let reflector = Reflector(
                        EtcdSource(gateway: gateway, heard: {}),
                        store: members,
                        configuration: settings,
                        logger: .silent
                    )
                    let task = Task { await reflector.run() }
                    try await until { opened.withLockedValue { $0 } }
                    // As a question does that is not answered.
                    if word.isEmpty { gateway.endpoints.failed(0) }
                    try await until { lists.last == ["n1", "n2"] }
                    #expect(lists.last == ["n1", "n2"])
                    let watches = second.requests.filter { $0.path == "/v3/watch" }
                    #expect(watches.first.map { String(decoding: $0.body, as: UTF8.self).contains(#""start_revision":"6""#) } == true)
                    task.cancel()
                    await task.value
                }
            }
        }
    }
}

/// A clock on which nobody waits: who sleeps moves it on.
private final class LeapingClock: Clock {
    struct Instant: InstantProtocol {
        var time: Duration
        func advanced(by duration: Duration) -> Instant { Instant(time: self.time + duration) }
        func duration(to other: Instant) -> Duration { other.time - self.time }
        static func < (left: Instant, right: Instant) -> Bool { left.time < right.time }
    }

    private let time = NIOLockedValueBox(Duration.zero)

    var now: Instant { Instant(time: self.time.withLockedValue { $0 }) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func advance(by duration: Duration) { self.time.withLockedValue { $0 += duration } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        self.time.withLockedValue { $0 = max($0, deadline.time) }
    }
}

extension EtcdEndpointsTests {
    /// A lease is counted from before the first endpoint was asked, however late the one is asked that answers.
    @Test func aLeaseIsCountedFromBeforeTheFirstWasAsked() async throws {
        let clock = LeapingClock()
        let informerClock = InformerClock(clock)
        let header = #""header":{"revision":"5"}"#
        // When the one was asked that never answered.
        let asked = NIOLockedValueBox<[Duration]>([])
        let first = TinyServer { request, reply in
            switch request.path {
            case "/v3/lease/grant": try await reply.whole(200, #"{\#(header),"ID":"7","TTL":"3"}"#)
            case "/v3/kv/txn": try await reply.whole(200, #"{\#(header),"succeeded":true}"#)
            default: asked.withLockedValue { $0.append(informerClock.now) }
            }
        }
        let second = TinyServer { request, reply in
            switch request.path {
            case "/v3/lease/keepalive":
                // It takes long until the first is given up, and until this one answers.
                clock.advance(by: .seconds(2))
                try await reply.whole(200, #"{"result":{\#(header),"ID":"7","TTL":"3"}}"#)
            // Until the test has seen enough.
            default: try await Task.sleep(for: .seconds(60))
            }
        }
        try await first.run {
            try await second.run {
                try await self.gateway([first, second]) { gateway in
                    let standings = NIOLockedValueBox<[Standing]>([])
                    let registration = EtcdRegistration(
                        leases: gateway,
                        member: .named("n1"),
                        seconds: 3,
                        probe: { nil },
                        report: { standing in standings.withLockedValue { $0.append(standing) } },
                        clock: informerClock,
                        logger: .silent
                    )
                    let task = Task { await registration.run() }
                    // Granted at zero; another word comes with the lease kept alive.
                    try await until { standings.withLockedValue { $0.last?.validUntil ?? .zero } > .seconds(3) }
                    let until = standings.withLockedValue { $0.last?.validUntil }
                    task.cancel()
                    await task.value
                    let begun = try #require(asked.withLockedValue { $0.first })
                    #expect(until == begun + .seconds(3))
                }
            }
        }
    }
}
