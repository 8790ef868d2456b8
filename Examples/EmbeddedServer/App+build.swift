// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache
internal import GroupCacheHTTP
internal import GroupCacheHummingbird
internal import Hummingbird
internal import Logging

/// What the example takes from its flags.
struct AppSettings: Sendable {
    var port: Int
    var peerPort: Int
    var peers: [String]
}

/// The application; tests call this too.
func buildApplication(_ settings: AppSettings, logger: Logger) throws -> some ApplicationProtocol {
    // These are the lines that matter: a pool, which talks to the other servers, and a group, which loads what nobody has yet.
    let database = Database()
    let pool = try HTTPPool(
        configuration: .init(
            listen: .init(host: "127.0.0.1", port: settings.peerPort),
            peers: settings.peers.map { HTTPPool.Peer($0) }
        ),
        logger: logger
    )
    let freshness = Freshness(ttl: .seconds(60), negative: .seconds(5))
    let scores = try Group<Score>("scores", capacity: .mebibytes(64), configuration: .init(freshness: freshness), peers: pool) { key, _ in
        // `nil`: there is no such player, which is remembered for five seconds.
        try await database.score(of: key.string)
    }

    let router = Router()
    router.get("scores/:name") { _, context in
        // What is not found becomes a 404 by itself.
        try await scores.get(context.parameters.require("name"))
    }
    router.put("scores/:name") { request, context -> HTTPResponse.Status in
        let name = try context.parameters.require("name")
        let score = try await request.decode(as: NewScore.self, context: context)
        // First the database, then the cache: whoever asks after this has returned is told the new score, whichever server they ask.
        try await database.set(Score(name: name, points: score.points))
        try await scores.remove(name, wait: .applied)
        return .noContent
    }
    router.get("stats") { _, _ in
        let statistics = scores.statistics
        return Statistics(gets: statistics.gets, cacheHits: statistics.cacheHits, queries: await database.queries)
    }
    // The cache's own routes on the application's port, such as /v1/groups/scores/keys/Tom, for those who look from outside.
    router.addRoutes(of: pool)
    return Application(
        router: router,
        configuration: .init(address: .hostname("127.0.0.1", port: settings.port)),
        // The pool runs beside the server: it starts with it, and drains with it on SIGTERM.
        services: [pool],
        onServerRunning: { channel in
            let line = "listening http://127.0.0.1:\(channel.localAddress?.port ?? settings.port)\n"
            FileHandle.standardOutput.write(Data(line.utf8))
        },
        logger: logger
    )
}

/// What a PUT brings.
struct NewScore: Decodable {
    var points: Int
}

/// What `/stats` answers: how often this server's database was asked, beside what its clients asked for.
struct Statistics: ResponseEncodable {
    var gets: Int
    var cacheHits: Int
    var queries: Int
}
