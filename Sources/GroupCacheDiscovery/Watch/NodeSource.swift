// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
public import Informers
internal import NIOCore

/// What a node lists whole and tells the changes of, as its members: for a reflector or an informer, which then mirrors it.
///
/// ```swift
/// let informer = SharedInformer(NodeSource.members(of: "http://127.0.0.1:8001"), key: { $0.id })
/// ```
public struct NodeSource<Object: Decodable & Sendable>: ListerWatcher {
    private let url: String
    private let access: NodeAccess

    /// - Parameters:
    ///   - node: The URL of a node.
    ///   - path: Of the list, such as `/v1/members`.
    ///   - access: How it is asked.
    public init(_ node: String, path: String, access: NodeAccess = NodeAccess()) {
        self.url = (node.hasSuffix("/") ? String(node.dropLast()) : node) + path
        self.access = access
    }

    /// The list.
    public func list(_ options: ListOptions) async throws -> ListResult<Object> {
        // It is always whole, and of now.
        try await self.access.get(ListResult<Object>.self, self.url)
    }

    /// What changes after a version.
    public func watch(_ options: WatchOptions) async throws -> WatchStream<Object> {
        var query = "?watch=true&heartbeatSeconds=5&resourceVersion=\(NodeAccess.escaped(options.resourceVersion))"
        if options.sendInitialEvents { query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan" }
        if let timeout = options.timeout { query += "&timeoutSeconds=\(max(1, timeout.components.seconds))" }
        let events = DecodedWatchSource(try await self.access.open(self.url + query).map(\.readableBytesView)) { bytes in
            try JSONDecoder().decode(WatchEvent<Object>.self, from: Data(bytes))
        }
        // Nonsense is an error. A connection that breaks, in whatever way, is an end: who watches goes on where it was.
        return WatchStream(events) { error in
            error is DecodingError || error is WatchError ? WatchStream<Object>.report(error) : nil
        }
    }
}

extension NodeSource where Object == NodeMember {
    /// The members as a node knows them.
    public static func members(of node: String, access: NodeAccess = NodeAccess()) -> NodeSource {
        NodeSource(node, path: "/v1/members", access: access)
    }
}

/// A member as a node tells of it over HTTP.
public struct NodeMember: Sendable, Hashable, Decodable {
    /// Who it is: what the ring hashes.
    public var id: String
    /// Where it is.
    public var url: String
    /// The part of the world that fails as one, if its source says it.
    public var zone: String?
    /// Its share of the keys against that of others.
    public var weight: Int
    /// Where it is in its life, as ``Member/State`` has it.
    public var state: String
    /// The number of this life of the node, if its source says it.
    public var epoch: String?
    /// Whether it is the node that tells.
    public var isSelf: Bool

    private enum CodingKeys: String, CodingKey {
        case id, url, zone, weight, state, epoch
        case isSelf = "self"
    }
}
