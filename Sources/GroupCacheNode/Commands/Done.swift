// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// What commands print that change something: nothing, or with `--json` an object that says so.
enum Done {
    /// What a node answers to a change of which not all nodes have heard.
    private struct Pending: Decodable {
        struct Details: Decodable { var nodes: [String] }
        var message: String
        var details: Details
    }

    /// - Throws: The change is made, and some nodes have not heard of it, or may never say so.
    static func report(_ answer: NodeClient.Answer, json: Bool) throws {
        guard answer.status == 202 else { return try self.report(json: json) }
        let pending = try? JSONDecoder().decode(Pending.self, from: Data(answer.body))
        let nodes = pending?.details.nodes ?? []
        throw CommandError(
            (pending?.message ?? "not all nodes have heard of the change") + (nodes.isEmpty ? "" : ": " + nodes.joined(separator: ", "))
        )
    }

    static func report(json: Bool) throws {
        if json { Console.print(try JSONText.encode(["done": true])) }
    }
}
