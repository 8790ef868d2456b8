// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore

@testable import GroupCacheHTTP

/// What nodes tell each other of changes, and of keys that have moved, in the value of a link's message: never a trap, and what is read is written and read
/// the same. The first byte says which message it is.
func fuzzChanges(_ input: [UInt8]) {
    guard let first = input.first else { return }
    let bytes = Array(input.dropFirst())
    switch first % 5 {
    case 0: compare(bytes, { try? ChangeQuestion($0.span) }, \.encoded)
    case 1:
        compare(bytes, { try? ChangeList($0.span) }, \.encoded)
        guard let list = try? ChangeList(bytes.span) else { return }
        check(list.distinct.count <= list.changes.count, "more changes than there are")
        check(list.elapsed ?? 0 >= 0 && list.within ?? 0 >= 0, "a time below zero")
        for change in list.changes {
            if case .key(let key, _) = change { check(key.error == nil, "a key that is none") }
        }
        follow(list)
    case 2:
        compare(bytes, { try? UnheardNodes($0.span) }, \.encoded)
        if let nodes = try? UnheardNodes(bytes.span) { check(nodes.ids.count <= UnheardNodes.limit, "\(nodes.ids.count) nodes") }
    case 3: compare(bytes, { try? MovedQuestion($0.span) }, \.encoded)
    default:
        compare(bytes, { try? MovedPage($0.span) }, \.encoded)
        if let page = try? MovedPage(bytes.span) { check(page.keys.count <= MovedPage.limit, "\(page.keys.count) keys") }
    }
}

private func compare<Message: Equatable>(_ bytes: [UInt8], _ read: ([UInt8]) -> Message?, _ write: (Message) -> ByteView) {
    guard let message = read(bytes) else { return }
    guard let again = read(Array(write(message).bytes)) else { fatalError("\(message) is refused") }
    check(again == message, "\(message) came back as \(again)")
}

/// A follower that has asked at 1,000 is told this at 2,000, twice: it refuses it, or its copies are no fresher than they can be.
private func follow(_ list: ChangeList) {
    var follower = Follower(promise: 5_000)
    _ = follower.ask(1_000)
    do throws(Follower.Fault) {
        guard let start = list.start else { return }
        _ = try follower.opened(at: start)
        for _ in 0..<2 {
            try follower.heard(after: start.sequence, upTo: list.end)
            if let elapsed = list.elapsed { try follower.bookmark(at: list.end, elapsed: elapsed, now: 2_000) }
            follower.goOn(2_000)
        }
    } catch {
        return check(!follower.isOpen && follower.freshUntil == .min, "what cannot be is believed")
    }
    check(follower.freshUntil <= 2_000 + 5_000 && follower.position?.sequence == list.end, "fresh until \(follower.freshUntil)")
}
