// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOPosix

/// One process of the application of `Tests/Benchmarks/compare --rows aside`, which starts three of them for each kind of cache and tells them what to do.
///
///     AsideBenchmark groupcache|redis|memcached DATABASE_PORT CACHE_PORT,… INDEX TTL_SECONDS FILE
///
/// `groupcache` has a port for each process, the other two have the cache's. FILE has 8 bytes for each of the keys that change. A line on standard input is a command, and
/// each is answered by a line of JSON: `warm`, `mix SECONDS CALLERS`, `hot SECONDS CALLERS`, `change SECONDS CALLERS`. Ends when its input does.
@main
struct AsideBenchmark {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let numbers = arguments.dropFirst().prefix(4).map { $0.split(separator: ",").compactMap { Int($0) } }
        guard arguments.count == 6, numbers.allSatisfy({ !$0.isEmpty }), let index = numbers[2].first, let ttl = numbers[3].first else {
            FileHandle.standardError.write(
                Data("usage: AsideBenchmark groupcache|redis|memcached DATABASE_PORT CACHE_PORT,… INDEX TTL FILE\n".utf8)
            )
            exit(2)
        }
        let database = Database(port: numbers[0][0])
        let ports = numbers[1]
        let scores: any Scores
        switch arguments[0] {
        case "groupcache": scores = try InGroupCache(database: database, port: ports[index], peers: ports, ttl: .seconds(ttl))
        case "redis": scores = CacheAside(database: database, cache: InRedis(redis: .init(port: ports[0])), ttl: .seconds(ttl))
        case "memcached": scores = CacheAside(database: database, cache: InMemcached(memcached: .init(port: ports[0])), ttl: .seconds(ttl))
        default:
            FileHandle.standardError.write(Data("AsideBenchmark: groupcache, redis or memcached\n".utf8))
            exit(2)
        }
        let callers = Callers(scores: scores, index: index, acknowledged: try Acknowledged(path: arguments[5]))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await scores.run() }
            try await Self.obey(callers)
            tasks.cancelAll()
        }
    }

    private static func obey(_ callers: Callers) async throws {
        // Not on a thread that the callers need.
        while let line = try await NIOThreadPool.singleton.runIfActive({ readLine() }) {
            let words = line.split(separator: " ")
            let seconds = words.count > 1 ? Double(words[1]) ?? 1 : 1
            let count = words.count > 2 ? Int(words[2]) ?? 1 : 1
            let result: Result
            switch words.first {
            case "warm": result = await callers.warm()
            case "mix": result = await callers.mix(.seconds(seconds), callers: count)
            case "hot": result = await callers.hot(.seconds(seconds), callers: count)
            case "change": result = await callers.change(.seconds(seconds), callers: count)
            default: throw NotUnderstood()
            }
            FileHandle.standardOutput.write(try JSONEncoder().encode(result) + Data("\n".utf8))
        }
    }
}

/// What a command has found.
struct Result: Encodable, Sendable {
    var gets = 0
    var failed = 0
    /// Gets that began after a change was acknowledged and had what was there before it.
    var stale = 0
    var changes = 0
    var p50 = 0.0
    var p99 = 0.0
    /// The median time of a change.
    var change = 0.0

    enum CodingKeys: String, CodingKey {
        case gets, failed, stale, changes
        case p50 = "p50_us"
        case p99 = "p99_us"
        case change = "change_p50_us"
    }
}
