// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import GroupCache
import GroupCacheHTTP
import GroupCacheTesting
import Informers
import InformersTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Testing

@testable import GroupCacheDiscovery

/// A node that follows an API server over real connections.
@Suite(.timeLimit(.minutes(5))) struct EndpointSliceSourceTests {
    private let fake = FakeAPIServer()

    private final class Followed: Sendable {
        let lists = Lists()
        let errors = NIOLockedValueBox<[any Error]>([])
        var statuses: [Int] { self.errors.withLockedValue { $0.compactMap { ($0 as? Status)?.code } } }
    }

    /// Follows the server while `body` does; the token lies in a file that `body` may change.
    private func follow(pageSize: Int = 0, _ body: (Followed, _ tokenFile: String) async throws -> Void) async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("groupcache-token-\(UUID().uuidString)").path
        try "first\n".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await self.fake.server.run {
            let api = try KubernetesAPI(KubernetesCluster(url: self.fake.server.url, tokenFile: file), clock: .continuous)
            let followed = Followed()
            let members = EndpointSlice.members(scheme: "http") { followed.lists.take($0()) }
            let source = EndpointSliceSource(api: api, namespace: "prod", service: "cache", heard: { members.tell() })
            var settings = ReflectorConfiguration()
            settings.pageSize = pageSize
            settings.backoff = Backoff(initial: .milliseconds(20), maximum: .milliseconds(20))
            settings.onError = { error in
                followed.errors.withLockedValue { $0.append(error) }
                if (error as? Status)?.isExpired != true { followed.lists.take(.failure(DiscoveryError(error, name: "the API server"))) }
            }
            let reflector = Reflector(source, store: members, configuration: settings, logger: .silent)
            let task = Task { await reflector.run() }
            let result: Result<Void, any Error>
            do { result = .success(try await body(followed, file)) } catch { result = .failure(error) }
            task.cancel()
            await task.value
            await api.shutdown()
            try result.get()
        }
    }

    @Test func aServiceIsFollowed() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        var other = FakeSlice("other", .pod("x", "10.9.9.9"))
        other.metadata.labels["kubernetes.io/service-name"] = "another"
        self.fake.source.add(other)
        try await self.follow { followed, _ in
            try await until { followed.lists.last == ["n1"] }
            try await until { self.fake.source.open == 1 }
            self.fake.source.modify(FakeSlice("a", .pod("n1", "10.0.0.1"), .pod("n2", "10.0.0.2", ["ready": false])))
            try await until { followed.lists.last == ["n1", "n2 joining"] }
            self.fake.source.add(FakeSlice("b", .pod("n3", "10.0.0.3")))
            try await until { followed.lists.last == ["n1", "n2 joining", "n3"] }
            self.fake.source.delete("a")
            try await until { followed.lists.last == ["n3"] }
            let before = followed.lists.count
            // A bookmark is a word that all is as it was.
            self.fake.source.bookmark()
            try await until { followed.lists.count > before }
            #expect(followed.lists.last == ["n3"])
            #expect(self.fake.source.watches.count == 1 && self.fake.source.watches[0].allowBookmarks)
            #expect(followed.errors.withLockedValue { $0.isEmpty })
            let list = try #require(self.fake.queries().first)
            #expect(list == ["labelSelector": "kubernetes.io/service-name=cache", "resourceVersion": "0", "limit": "500"])
        }
        // The watch ends with its client.
        try await until { self.fake.state.withLockedValue { $0.watchesEnded } == 1 }
    }

    @Test func pagesAreOneList() async throws {
        for number in 0..<25 { self.fake.source.add(FakeSlice("s\(number)", .pod("n\(number)", "10.0.0.\(number)"))) }
        self.fake.source.forcePages(of: 10)
        try await self.follow(pageSize: 10) { followed, _ in
            try await until { followed.lists.last?.count == 25 }
            #expect(followed.lists.count >= 1 && followed.lists.members.count == 25)
            let lists = self.fake.queries().filter { $0["watch"] == nil }
            #expect(lists.count == 3)
            #expect(lists.dropFirst().allSatisfy { $0["continue"] != nil && $0["resourceVersion"] == nil && $0["limit"] == "10" })
        }
    }

    /// Too old, by a refused watch: the list is read again, from where the source says.
    @Test func anOldVersionIsListedAgain() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        try await self.follow { followed, _ in
            try await until { followed.lists.last == ["n1"] }
            try await until { self.fake.source.open == 1 }
            self.fake.source.add(FakeSlice("b", .pod("n2", "10.0.0.2")), silently: true)
            self.fake.source.resetWatch()
            try await until { followed.lists.last == ["n1", "n2"] }
            #expect(self.fake.source.lists.count >= 2)
            #expect(followed.errors.withLockedValue { $0.allSatisfy { ($0 as? Status)?.isExpired ?? ($0 is WatchError) } })
        }
    }

    @Test func anErrorEventIsAsGoodAsARefusal() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        try await self.follow { followed, _ in
            try await until { self.fake.source.open == 1 }
            self.fake.source.add(FakeSlice("b", .pod("n2", "10.0.0.2")), silently: true)
            self.fake.source.inject(.error(.expired()))
            try await until { followed.lists.last == ["n1", "n2"] }
            #expect(followed.statuses.contains(410))
        }
    }

    @Test func connectionsThatBreakLoseNothing() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        try await self.follow { followed, _ in
            for number in 2...6 {
                try await until { self.fake.source.open == 1 && followed.lists.last?.count == number - 1 }
                self.fake.source.add(FakeSlice("s\(number)", .pod("n\(number)", "10.0.0.\(number)")), silently: true)
                self.fake.server.dropConnections()
                try await until { followed.lists.last?.count == number }
            }
            // Nobody listens for a while: the list stays, with a word.
            let before = followed.lists.count
            try await self.fake.server.stop()
            // A connection that was dropped before may have been spoken of with the same word.
            try await until {
                followed.lists.count > before && followed.lists.last == nil
                    && followed.lists.failure?.contains("cannot be reached") == true
            }
            self.fake.source.add(FakeSlice("z", .pod("n7", "10.0.0.7")))
            try await self.fake.server.start()
            try await until { followed.lists.last?.count == 7 }
        }
    }

    /// The token is replaced in the file, and the server no longer takes the old one: no list is lost for it.
    @Test func aTokenIsReadAgainWhenItIsRefused() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        try await self.follow { followed, file in
            try await until { self.fake.source.open == 1 && followed.lists.last == ["n1"] }
            try "second".write(toFile: file, atomically: true, encoding: .utf8)
            self.fake.state.withLockedValue { $0.token = "second" }
            self.fake.source.add(FakeSlice("b", .pod("n2", "10.0.0.2")), silently: true)
            self.fake.source.resetWatch()
            try await until { followed.lists.last == ["n1", "n2"] }
            #expect(!followed.statuses.contains(401))
            // The file lags behind: said, and tried again.
            self.fake.state.withLockedValue { $0.token = "third" }
            self.fake.server.dropConnections()
            try await until { followed.statuses.contains(401) }
            try await until { followed.lists.failure?.contains("does not take the token") == true }
            // It is no token that is there for a moment: the last one is used.
            try "a b".write(toFile: file, atomically: true, encoding: .utf8)
            try "third".write(toFile: file, atomically: true, encoding: .utf8)
            try await until { followed.lists.last == ["n1", "n2"] }
        }
    }

    @Test func whatIsForbiddenIsSaidPlainly() async throws {
        self.fake.state.withLockedValue { $0.mayList = false }
        try await self.follow { followed, _ in
            try await until { followed.lists.failure != nil }
            let word = try #require(followed.lists.failure)
            #expect(
                word.contains(
                    "the service account needs a Role with apiGroups [discovery.k8s.io], resources [endpointslices], verbs [list, watch]"
                )
            )
            #expect(word.contains("system:serviceaccount:prod:cache"))
            self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
            self.fake.state.withLockedValue { $0.mayList = true }
            try await until { followed.lists.last == ["n1"] }
        }
    }

    @Test func olderClustersAndThoseThatHideTheirVersions() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        self.fake.state.withLockedValue { $0.versions = ["v1beta1"] }
        try await self.follow { followed, _ in
            try await until { followed.lists.last == ["n1"] }
            #expect(self.fake.server.requests.contains { $0.path == "/apis/discovery.k8s.io/v1beta1/namespaces/prod/endpointslices" })
            // The cluster is upgraded: the old version is no more.
            self.fake.state.withLockedValue { $0.versions = ["v1"] }
            self.fake.source.add(FakeSlice("b", .pod("n2", "10.0.0.2")), silently: true)
            self.fake.source.dropWatches()
            try await until { followed.lists.last == ["n1", "n2"] }
            #expect(self.fake.server.requests.contains { $0.path == "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices" })
        }
        self.fake.state.withLockedValue { $0.maySeeGroups = false }
        try await self.follow { followed, _ in try await until { followed.lists.last == ["n1", "n2"] } }
    }

    /// Who is busy is left alone for as long as it asks.
    @Test func aBusyServerIsLeftAlone() async throws {
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        let busy = #"{"kind":"Status","status":"Failure","message":"too many requests","reason":"TooManyRequests","code":429}"#
        self.fake.fail(429, busy, ["retry-after": "1"])
        let start = ContinuousClock.now
        try await self.follow { followed, _ in
            try await until { followed.lists.last == ["n1"] }
            #expect(ContinuousClock.now - start >= .seconds(1))
            #expect(followed.statuses == [429])
        }
    }

    @Test(arguments: [
        (200, "<html><body>Login</body></html>", "a page of HTML"), (200, "", "is empty"), (200, "[]", "not what was asked for"),
        (200, #"{"kind":"PodList","metadata":{"resourceVersion":"1"}}"#, "of another kind"),
        (200, #"{"kind":"EndpointSliceList","metadata":{}}"#, "without a resource version"),
        (
            200, #"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}}]}"#,
            "not what was asked for"
        ),
        (200, #"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":[{"metadata""#, "not all of it"),
        (502, "<html>bad gateway</html>", "answers 502"), (503, "", "answers 503"), (429, "", "answers 429"), (500, "{}", "answers 500"),
        (301, "", "answers 301"),
    ])
    func nonsenseIsNoList(status: Int, body: String, word: String) async throws {
        self.fake.fail(status, body)
        self.fake.source.add(FakeSlice("a", .pod("n1", "10.0.0.1")))
        try await self.follow { followed, _ in
            try await until { followed.lists.failure != nil }
            #expect(followed.lists.failure?.contains(word) == true, "\(followed.lists.failure ?? "")")
            try await until { followed.lists.last == ["n1"] }
        }
    }

    @Test func whereAPodIs() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("groupcache-pod-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func url(_ host: String?, _ port: String?) -> String? {
            var environment: [String: String] = [:]
            environment["KUBERNETES_SERVICE_HOST"] = host
            environment["KUBERNETES_SERVICE_PORT"] = port
            return try? KubernetesCluster.inCluster(environment: environment, folder: folder).url
        }
        #expect(url("10.0.0.1", "443") == nil)
        for name in ["token", "ca.crt"] { try "x".write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8) }
        #expect(url("10.0.0.1", "443") == "https://10.0.0.1:443")
        #expect(url("fd00::1", "6443") == "https://[fd00::1]:6443")
        for (host, port) in [(nil, "443"), ("", "443"), ("10.0.0.1", nil), ("10.0.0.1", "x"), ("10.0.0.1", "70000")] as [(String?, String?)]
        {
            #expect(url(host, port) == nil)
        }
        // What does not vouch for anybody is found before anything is asked.
        #expect(throws: DiscoveryError.self) {
            try KubernetesAPI(KubernetesCluster(url: "https://x", trustRootsFile: "\(folder)/ca.crt"), clock: .continuous)
        }
    }

    private struct Page: Decodable {
        struct Fence: Decodable { var acts: Bool }
        var fence: Fence
    }

    /// Whether a node may act as an owner.
    private static func acts(_ client: SourceClient, _ port: Int) async throws -> Bool {
        let answer = try await client.ask(HTTPClientRequest(url: "http://127.0.0.1:\(port)/v1/members"))
        return try JSONDecoder().decode(Page.self, from: Data(answer.body)).fence.acts
    }

    /// A node as a pod: nobody is ready before it says that it is, and it is in the ring when the slice says so.
    @Test func aPodJoinsWhenItIsReady() async throws {
        var configuration = HTTPPool.Configuration()
        configuration.publicRoutes = true
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        let pool = try HTTPPool(configuration: configuration)
        self.fake.state.withLockedValue { $0.token = nil }
        try await self.fake.server.run {
            var settings = Discovery.Configuration()
            settings.cluster = KubernetesCluster(url: self.fake.server.url)
            settings.nodeID = "n1"
            let discovery = try Discovery(
                .kubernetes(namespace: "prod", service: "cache"),
                pool: pool,
                configuration: settings,
                logger: .silent
            )
            let group = ServiceGroup(configuration: .init(services: [.init(service: pool), .init(service: discovery)], logger: .silent))
            let running = Task { try await group.run() }
            let port = try #require(try await pool.boundAddress.port)
            func slice(_ conditions: [String: Bool]) -> FakeSlice {
                var slice = FakeSlice("a", .pod("n1", "127.0.0.1", conditions), .pod("n2", "127.0.0.2", conditions))
                slice.ports = [.init(port: port)]
                return slice
            }
            let client = SourceClient(name: "self", tls: nil)
            func ready() async throws -> Int { try await client.ask(HTTPClientRequest(url: "http://127.0.0.1:\(port)/readyz")).status }
            try await #expect(ready() == 503)
            self.fake.source.add(slice(["ready": false]))
            while try await ready() != 200 { try Task.checkCancellation() }
            #expect(pool.ring.members.isEmpty)
            // Who is not ready acts for nobody.
            try await #expect(!Self.acts(client, port))
            self.fake.source.modify(slice(["ready": true]))
            try await until { pool.ring.members.count == 2 }
            #expect(pool.ring.members.map(\.id) == ["n1", "n2"])
            try await #expect(Self.acts(client, port))
            self.fake.source.modify(slice(["ready": false]))
            while try await Self.acts(client, port) { try Task.checkCancellation() }
            self.fake.source.modify(slice(["ready": true]))
            while try await !Self.acts(client, port) { try Task.checkCancellation() }
            // The source is gone: the ring stays.
            try await self.fake.server.stop()
            try await #expect(ready() == 200)
            await group.triggerGracefulShutdown()
            try await running.value
            #expect(pool.ring.members.count == 2)
            await client.shutdown()
            try await self.fake.server.start()
        }
    }
}
