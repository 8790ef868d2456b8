// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import GroupCacheHummingbird
import Hummingbird
import Logging

/// A server in front of Valkey or Redis: what is asked for often is in its own memory, and however many ask for a key that is not, Valkey is asked once for it.
///
///     valkey-server --port 6379 &                     # or redis-server
///     swift run ReadThroughValkey 8080 127.0.0.1 6379
///     curl -X PUT -d 630 http://127.0.0.1:8080/values/Tom
///     curl http://127.0.0.1:8080/values/Tom
@main
struct ReadThroughValkey {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 3, let port = Int(arguments[0]), let valkeyPort = Int(arguments[2]) else {
            return print("usage: ReadThroughValkey PORT VALKEY_HOST VALKEY_PORT")
        }
        let valkey = ValkeyConnection(host: arguments[1], port: valkeyPort)
        try await buildApplication(port: port, valkey: valkey, logger: Logger(label: "ReadThroughValkey")).runService()
    }
}

func buildApplication(port: Int, valkey: ValkeyConnection, logger: Logger) throws -> some ApplicationProtocol {
    let configuration = GroupConfiguration(
        // Also who else writes to Valkey is heard after a minute; and while Valkey is away, what is here is served for an hour.
        freshness: Freshness(ttl: .seconds(60), negative: .seconds(5), staleIfError: .seconds(3_600))
    )
    let values = try Group<String>("values", capacity: .mebibytes(256), configuration: configuration, logger: logger) { key, _ in
        // What Valkey has no word for is not there.
        try await valkey.get(key.string)
    }

    let router = Router()
    router.get("values/:key") { _, context in
        try await values.get(context.parameters.require("key"))
    }
    router.put("values/:key") { request, context -> HTTPResponse.Status in
        let key = try context.parameters.require("key")
        let value = String(buffer: try await request.body.collect(upTo: 1 << 20))
        // First where it is kept, then what is cached of it.
        try await valkey.set(key, to: value)
        try await values.remove(key)
        return .noContent
    }
    router.get("stats") { _, _ in
        try String(decoding: JSONEncoder().encode(values.statistics), as: UTF8.self)
    }
    return Application(
        router: router,
        configuration: .init(address: .hostname("127.0.0.1", port: port)),
        services: [valkey],
        onServerRunning: { channel in
            FileHandle.standardOutput.write(Data("listening http://127.0.0.1:\(channel.localAddress?.port ?? port)\n".utf8))
        },
        logger: logger
    )
}
