// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import Testing

/// The code in the articles of `GroupCache.docc`, line for line: ``DocumentationTests`` compares them. Here it is compiled and run.
@Suite("Snippets of the documentation", .timeLimit(.minutes(5)))
struct Snippets {
    struct Score: Codable, Sendable, Equatable { var points: Int }
    struct User: Codable, Sendable, Equatable { var name: String }
    struct Page: Codable, Sendable, Equatable {
        var version: Int
        var isArchived = false
    }
    struct ServiceUnavailable: Error {}

    struct Database: Sendable {
        func score(of name: String) async throws -> Score? { name == "Tom" ? Score(points: 630) : nil }
        func user(named name: String) async throws -> User? { name == "nobody" ? nil : User(name: name) }
        func users(named names: [String]) async throws -> [User] { names.filter { $0 != "nobody" }.map { User(name: $0) } }
    }

    struct Site: Sendable {
        func page(_ name: String) async throws -> Page? { name == "nothing" ? nil : Page(version: 1, isArchived: name == "old") }
        func page(_ name: String, unless version: Int?) async throws -> Page? { version == 1 ? nil : Page(version: 1) }
    }

    let database = Database()
    let site = Site()

    @Test("GroupCache: a group, and what it throws")
    func group() async throws {
        let database = self.database
        let configuration = GroupConfiguration()
        let pool = try Cluster(1).nodes[0]
        let scores = try Group<Score>("scores", capacity: .mebibytes(64), configuration: configuration, peers: pool) { key, _ in
            try await database.score(of: key.string)
        }
        let tom = try await scores.get("Tom")
        #expect(tom == Score(points: 630))

        func points(of name: String) async throws -> Int? {
            do {
                return try await scores.get(name).points
            } catch .notFound {
                return nil
            } catch .overloaded {
                throw ServiceUnavailable()
            } catch {
                throw error.cause ?? error
            }
        }
        #expect(try await points(of: "Tom") == 630)
        #expect(try await points(of: "nobody") == nil)
        await #expect(throws: GroupCacheError.self) { try await points(of: "") }
    }

    @Test("Five minutes: a group alone")
    func fiveMinutes() async throws {
        let database = self.database
        let users = try Group<User>("users", capacity: .mebibytes(64)) { key, _ in
            try await database.user(named: key.string)
        }
        let tom = try await users.get("Tom")
        #expect(tom == User(name: "Tom"))
    }

    @Test("TTLs: a group's, and one value's own")
    func freshness() async throws {
        let site = self.site
        var configuration = GroupConfiguration()
        configuration.freshness = Freshness(
            ttl: .seconds(60),
            negative: .seconds(5),
            staleWhileRevalidate: .seconds(30),
            staleIfError: .seconds(3600)
        )
        let clock = ManualClock()
        configuration.clock = CacheClock(clock)

        let pages = try Group<Page>("pages", capacity: .mebibytes(256), configuration: configuration) { key, _ in
            guard let page = try await site.page(key.string) else { return .notFound(ttl: .seconds(1)) }
            return page.isArchived ? .value(page, ttl: Freshness.endless) : .value(page)
        }
        _ = await pages.get(keys: ["new", "old", "nothing"])
        #expect(try #require(pages.entry("new")?.timeLeft) <= .seconds(60))
        #expect(pages.entry("old").map { $0.timeLeft == nil } == true)
        #expect(try #require(pages.entry("nothing")?.timeLeft) <= .seconds(1))
        clock.advance(by: .seconds(61))
        #expect(pages.cached("old")?.version == 1)
    }

    @Test("What a getter must be able to do: not found, and still the same")
    func getters() async throws {
        let database = self.database
        let site = self.site
        let users = try Group<User>("users", capacity: .mebibytes(64)) { key, _ in
            try await database.user(named: key.string)
        }
        #expect(try await users.get("Tom") == User(name: "Tom"))
        await #expect(throws: GroupCacheError.self) { try await users.get("nobody") }

        let configuration = GroupConfiguration()
        let pages = try Group<Page>("pages", capacity: .mebibytes(256), configuration: configuration) { key, context in
            let page = try await site.page(key.string, unless: context.previous?.version)
            guard let page else { return .notModified }
            return .value(page)
        }
        #expect(try await pages.get("new").version == 1)
        #expect(try await pages.refresh("new").version == 1)
        #expect(pages.statistics.notModified == 1)
    }

    struct UserGetter: BatchGetter {
        let database: Database

        func load(_ key: Key, context: LoadContext<User>) async throws -> Loaded<User> {
            guard let user = try await self.database.user(named: key.string) else { return .notFound }
            return .value(user)
        }

        func load(keys: [Key], context: LoadContext<User>) async throws -> [Key: Loaded<User>] {
            let users = try await self.database.users(named: keys.map(\.string))
            return Dictionary(uniqueKeysWithValues: users.map { (Key($0.name), .value($0)) })
        }
    }

    @Test("What a getter must be able to do: many keys in one call")
    func batchGetter() async throws {
        let users = try Group<User>("users", capacity: .mebibytes(64), getter: UserGetter(database: self.database))
        let results = await users.get(keys: ["Tom", "nobody"])
        #expect(try results["Tom"]?.get() == User(name: "Tom"))
        #expect(throws: GroupCacheError.self) { try results["nobody"]?.get() }
        #expect(try await users.get("Sam") == User(name: "Sam"))
    }

    @Test("Tags: what gives a value some, and what removes all that have one")
    func tags() async throws {
        let site = self.site
        let articles = try Group<Page>("articles", capacity: .mebibytes(256)) { key, _ in
            guard let page = try await site.page(key.string) else { return .notFound }
            return .value(page, tags: ["layout", "author:7"])
        }
        try await articles.set("home", to: Page(version: 2), tags: ["layout"])
        try await articles.remove(tag: "author:7")
        try await articles.remove(tag: "layout", soft: true)
        #expect(articles.cached("home") == nil)
    }
}
