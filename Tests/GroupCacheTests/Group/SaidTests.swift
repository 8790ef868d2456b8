// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Logging
import Testing

@testable import GroupCache

/// What a group says of itself, at warning: that a getter fails, and that old values are served. Once in a while, and without keys.
@Suite("What a group says", .timeLimit(.minutes(5)))
struct SaidTests {
    private struct Down: Error, CustomStringConvertible {
        let key: String
        var description: String { "no route to the database for\n'\(self.key)' and \(self.key)" }
    }

    private let log = CapturedWarnings()
    private let clock = ManualClock()

    @Test("a getter that fails is said with its type and its text, without the key, and again only after ten seconds")
    func failingGetter() async throws {
        let configuration = GroupConfiguration.deterministic(clock: self.clock, freshness: Freshness(backOff: .none))
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: configuration, logger: self.log.logger) { key, _ in
            throw Down(key: key.string)
        }
        for _ in 0..<5 { await #expect(throws: GroupCacheError.self) { try await group.get("secret@example.org") } }
        #expect(self.log.count == 1)
        #expect(self.log.text.contains("the getter fails") && self.log.text.contains("error.type") && self.log.text.contains("Down"))
        #expect(self.log.text.contains("no route to the database for '…' and …"), "\(self.log.text)")
        #expect(!self.log.text.contains("secret"))
        self.clock.advance(by: .seconds(10))
        for _ in 0..<5 { await #expect(throws: GroupCacheError.self) { try await group.get("other") } }
        #expect(self.log.count == 2)
    }

    private struct Batch: BatchGetter {
        func load(_ key: Key, context: LoadContext<Int>) async throws -> Loaded<Int> { throw Down(key: key.string) }
        func load(keys: [Key], context: LoadContext<Int>) async throws -> [Key: Loaded<Int>] {
            throw Down(key: keys.map(\.string).joined(separator: "+"))
        }
    }

    @Test("of a batch that fails no key is shown")
    func failingBatch() async throws {
        let configuration = GroupConfiguration.deterministic(clock: self.clock)
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: configuration, logger: self.log.logger, getter: Batch())
        _ = await group.get(keys: ["anna", "annabel", "bert"])
        #expect(self.log.count == 1 && self.log.text.contains("Down"))
        #expect(!self.log.text.contains("ann") && !self.log.text.contains("bert"), "\(self.log.text)")
    }

    @Test("what is not found, and what is cancelled, is no failure")
    func silent() async throws {
        let group = try Group<Int>("g", capacity: .mebibytes(1), logger: self.log.logger) { key, _ in
            if key == "cancelled" { throw CancellationError() }
            return nil
        }
        await #expect(throws: GroupCacheError.self) { try await group.get("nobody") }
        await #expect(throws: GroupCacheError.self) { try await group.get("cancelled") }
        #expect(self.log.count == 0)
    }

    @Test("old values that are served are said")
    func stale() async throws {
        let freshness = Freshness(ttl: .seconds(10), staleIfError: .seconds(600), backOff: .none)
        let configuration = GroupConfiguration.deterministic(clock: self.clock, freshness: freshness)
        let calls = CountingGetter<Int> { _, context in
            guard context.previous == nil else { throw Down(key: "x") }
            return 1
        }
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: configuration, logger: self.log.logger, getter: calls)
        #expect(try await group.get("k") == 1)
        self.clock.advance(by: .seconds(11))
        for _ in 0..<3 { #expect(try await group.get("k") == 1) }
        #expect(
            self.log.text.split(separator: "values past their time are served", omittingEmptySubsequences: false).count == 2,
            "\(self.log.text)"
        )
    }

    @Test("a group without a logger has that of its pool")
    func ofThePool() async throws {
        final class Peers: PeerPicker, RecordingPeers {
            let groupLogger: Logger?
            var recorder: (any ChangeRecorder)? { nil }
            init(_ logger: Logger) { self.groupLogger = logger }
            func pickPeer(for key: Key) -> PeerRoute { .local }
            func register(_ group: any PeerServing) throws(GroupCacheError) {}
            func spread(_ change: Change, wait: ChangeWait) async throws(GroupCacheError) {}
        }
        let group = try Group<Int>("g", capacity: .mebibytes(1), peers: Peers(self.log.logger)) { _, _ in throw Down(key: "x") }
        await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect(self.log.text.contains("the getter fails"))
    }

    @Test("errors' texts: keys are masked also where the text is cut, and lines are one")
    func texts() {
        #expect(ErrorText.line("a\r\nb\u{7F}c", without: []) == "a  b c")
        #expect(ErrorText.line("key=abc, key=abcd", without: ["abc", "abcd"]) == "key=…, key=…")
        #expect(ErrorText.line("nothing", without: [""]) == "nothing")
        let long = String(repeating: "x", count: 4_093) + "secret"
        #expect(!ErrorText.line(long, without: ["secret"]).contains("sec"))
        #expect(ErrorText.line(long, without: []).count == 201)
        #expect(ErrorText.line("abab", without: ["aba"]) == "…b")
    }
}
