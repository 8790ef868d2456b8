// SPDX-License-Identifier: Apache-2.0

/// How a node knows itself in a list of members: by its id where it has one, else by where it is.
public struct NodeIdentity: Sendable, Hashable, CustomStringConvertible {
    /// The id that it was given. With one, addresses do not matter.
    public var id: String?
    /// The URLs that are this node, canonical: usually one; where it listens on all addresses of the machine, one for each.
    public var urls: Set<String>
    /// Whether it serves peers. One that does not need not be in the list.
    public var isServing: Bool

    /// An identity.
    public init(id: String? = nil, urls: Set<String> = [], isServing: Bool = true) {
        self.id = id
        self.urls = urls
        self.isServing = isServing
    }

    /// This node's member; `nil`: it is not there.
    ///
    /// - Throws: ``DiscoveryError/Code/refused``: several are this node.
    func find(in list: [Member]) throws(DiscoveryError) -> Member? {
        if let id = self.id { return list.first { $0.id == id } }
        let known = list.filter { self.urls.contains($0.url) }
        // Where somebody has left another may have come.
        let alive = known.filter { $0.state != .gone }
        let found = alive.isEmpty ? Array(known.prefix(1)) : alive
        guard found.count < 2 else {
            let both = "\(found[0].url) and \(found[1].url)"
            throw DiscoveryError(.refused, "\(both) are both this node: say which with --advertise or --node-id")
        }
        return found.first
    }

    /// For messages.
    public var description: String {
        if let id = self.id { return "id \(id)" }
        let urls = self.urls.sorted()
        return urls.isEmpty ? "without a URL" : urls.prefix(4).joined(separator: ", ") + (urls.count > 4 ? ", …" : "")
    }
}
