// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheDiscovery

/// Keeps a search index right by watching what changes in a group, at all nodes: `swift run ChangesExample http://127.0.0.1:8001 scores`.
@main
struct ChangesExample {
    static func main() async throws {
        guard CommandLine.arguments.count == 3 else { return print("usage: ChangesExample NODE GROUP") }
        let index = SearchIndex()
        try await index.follow(CommandLine.arguments[2], at: CommandLine.arguments[1]) { await print("\(index.count) keys") }
    }
}

/// Which keys have which words in their values. What it has is right, or it knows that it may not be and has dropped it.
actor SearchIndex {
    private var words: [Key: (node: String, words: Set<Substring>)] = [:]

    var count: Int { self.words.count }

    func keys(with word: String) -> Set<Key> { Set(self.words.filter { $0.value.words.contains(word[...]) }.keys) }

    /// Until the task is cancelled. Nodes may stop, start anew and come along meanwhile.
    nonisolated func follow(_ group: String, at node: String, changed: @escaping @Sendable () async -> Void = {}) async throws {
        try await GroupWatch(group, node: node, values: true).run { await self.apply($0, changed) }
    }

    private func apply(_ event: GroupWatch.Event, _ changed: @Sendable () async -> Void) async {
        switch event.kind {
        case .change(let change):
            guard let key = change.key else { return self.words = [:] }  // Of many: index them again when they are set again.
            self.words[key] = event.value.map { (event.node, Set(String(decoding: $0, as: UTF8.self).split(separator: " "))) }
        case .lost: self.words = self.words.filter { $0.value.node != event.node }
        case .unreachable: return
        }
        await changed()
    }
}
