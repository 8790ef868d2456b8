// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// A request that was sent over a link and is not answered yet.
struct LinkPending {
    let call: PeerCall
    /// Of a request for many keys: which of them have been answered, so that no peer can answer one twice.
    private var answered: [Bool]
    private(set) var open: Int

    init(_ call: PeerCall) {
        self.call = call
        self.open = call.count
        if case .many = call.kind { self.answered = Array(repeating: false, count: call.count) } else { self.answered = [] }
    }

    var isMany: Bool { !self.answered.isEmpty }

    /// Notes an answer. `false`: this key has been answered, or there is no such key.
    mutating func take(_ index: Int) -> Bool {
        if !self.isMany { return index == 0 }
        guard self.answered.indices.contains(index), !self.answered[index] else { return false }
        self.answered[index] = true
        self.open -= 1
        return true
    }

    /// Ends what is still open.
    func fail(_ error: GroupCacheError) { self.call.fail(error, answered: self.answered) }
}
