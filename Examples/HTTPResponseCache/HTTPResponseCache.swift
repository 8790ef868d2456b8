// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache
internal import GroupCacheHTTP
internal import GroupCacheHummingbird
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOConcurrencyHelpers

/// A Hummingbird server whose whole responses are cached, by the headers that its handlers give them:
///
///     swift run HTTPResponseCache 8080
///     curl -i http://127.0.0.1:8080/articles/1          # Cache-Status: GroupCache; fwd=uri-miss; stored, and then: hit
///     curl -X PUT http://127.0.0.1:8080/articles/1      # the next one is made anew
@main
struct HTTPResponseCache {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8080
        try await buildApplication(port: port, logger: Logger(label: "HTTPResponseCache")).runService()
    }
}

func buildApplication(port: Int, logger: Logger) throws -> some ApplicationProtocol {
    let cache = try ResponseCache(capacity: .mebibytes(256))
    let versions = NIOLockedValueBox<[String: Int]>([:])

    let router = Router()
    router.add(middleware: ResponseCacheMiddleware(cache))
    router.get("articles/:id") { _, context -> Response in
        let id = try context.parameters.require("id")
        // This is what one would rather not do for every request.
        try await Task.sleep(for: .milliseconds(100))
        let version = versions.withLockedValue { $0[id] ?? 1 }
        return Response(
            status: .ok,
            // For a minute; the tag is what an editor's program removes it by, together with others: cache.group.remove(tag: "articles").
            headers: [
                .cacheControl: "max-age=60, stale-if-error=3600", .contentType: "text/plain", HTTPField.Name("Cache-Tag")!: "articles",
            ],
            body: .init(byteBuffer: ByteBuffer(string: "article \(id), version \(version)\n"))
        )
    }
    router.put("articles/:id") { _, context -> HTTPResponse.Status in
        let id = try context.parameters.require("id")
        versions.withLockedValue { $0[id] = ($0[id] ?? 1) + 1 }
        // That this has changed something, and succeeded, the middleware sees: what is cached of the URL goes.
        return .noContent
    }
    router.get("whoami") { request, _ in
        // Nothing says how long this is good, so it is not kept.
        "\(request.headers[.userAgent] ?? "nobody")\n"
    }
    return Application(
        router: router,
        configuration: .init(address: .hostname("127.0.0.1", port: port)),
        onServerRunning: { channel in
            FileHandle.standardOutput.write(Data("listening http://127.0.0.1:\(channel.localAddress?.port ?? port)\n".utf8))
        },
        logger: logger
    )
}
