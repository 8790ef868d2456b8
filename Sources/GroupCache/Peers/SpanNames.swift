// SPDX-License-Identifier: Apache-2.0

internal import Tracing

// What spans say of themselves, in OpenTelemetry's names for calls of databases, which a cache is one of; and in names of our own where it has none. Never keys
// and never values.
extension Span {
    /// A get of a group.
    ///
    /// - Parameters:
    ///   - peer: who is asked; `nil`: nobody else.
    ///   - keys: of how many keys at once; `nil`: of one.
    func describeGet(of group: String, peer: String? = nil, keys: Int? = nil) {
        self.attributes["db.system.name"] = "groupcache"
        self.attributes["db.operation.name"] = "get"
        self.attributes["db.collection.name"] = group
        // One alone is no batch, they say.
        if let keys, keys > 1 { self.attributes["db.operation.batch.size"] = keys }
        if let peer { self.attributes["groupcache.peer"] = peer }
    }
}
