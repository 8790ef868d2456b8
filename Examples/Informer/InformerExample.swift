// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Informers

/// Follows a list of scores on some server and prints what changes: `swift run InformerExample http://127.0.0.1:8080/scores`.
///
/// It may be started before the server, and outlives its restarts: what it knows is right again as soon as the server answers.
@main
struct InformerExample {
    static func main() async throws {
        guard let url = CommandLine.arguments.dropFirst().first else { return print("usage: InformerExample URL") }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPSource<Score>.clientConfiguration)
        let informer = SharedInformer(HTTPSource<Score>(url, client: client), key: { $0.metadata.name })
        try informer.addHandler { event in print(Self.line(for: event)) }
        await informer.run()
        try await client.shutdown()
    }

    /// What to print.
    static func line(for event: InformerEvent<Score>) -> String {
        switch event {
        case .added(let score, let isInInitialList):
            "\(isInInitialList ? "there is" : "there comes") \(score.metadata.name) with \(score.points) points"
        case .updated(let old, let new, _): "\(new.metadata.name) had \(old.points) points and has \(new.points)"
        case .deleted(let deletion): "\(deletion.object?.metadata.name ?? "somebody") is gone"
        case .reset(let scores): "there are \(scores.count) scores"
        }
    }
}
