internal import Foundation
internal import GroupCache
internal import GroupCacheHTTP
internal import Hummingbird
internal import Logging
internal import NIOCore

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
    var configuration = HTTPPool.Configuration()
    configuration.listen = .init(host: "127.0.0.1", port: settings.peerPort)
    configuration.peers = settings.peers.map { HTTPPool.Peer($0) }
    let pool = try HTTPPool(configuration: configuration, logger: logger)
    let scores = try Group<Score>("scores", capacity: .mebibytes(64), peers: pool) { key, _ in
        // `nil`: there is no such player.
        try await database.score(of: key.string)
    }

    let router = Router()
    router.get("scores/:name") { request, context -> Score in
        let name = try context.parameters.require("name")
        do {
            return try await scores.get(name)
        } catch GroupCacheError.notFound {
            throw HTTPError(.notFound, message: "nobody has that name")
        }
    }
    router.get("stats") { _, _ in
        let statistics = scores.statistics
        return Statistics(gets: statistics.gets, cacheHits: statistics.cacheHits, queries: await database.queries)
    }
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

/// What `/stats` answers: how often this server's database was asked, beside what its clients asked for.
struct Statistics: ResponseEncodable {
    var gets: Int
    var cacheHits: Int
    var queries: Int
}
