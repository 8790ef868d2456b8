// SPDX-License-Identifier: Apache-2.0

import Foundation
import Informers
import Logging
import Testing

@testable import GroupCacheDiscovery

@Suite struct EtcdWatchTests {
    private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private func line(_ json: String) throws -> EtcdMessage.WatchLine {
        try JSONDecoder().decode(EtcdMessage.WatchLine.self, from: Data(json.utf8))
    }

    private func keyValue(_ key: String, _ value: String = "v", created: Int, modified: Int) -> String {
        #"{"key":"\#(self.base64(key))","value":"\#(self.base64(value))","create_revision":"\#(created)","mod_revision":"\#(modified)"}"#
    }

    @Test func thePrefixEndsBeforeTheNextKey() {
        #expect(EtcdPrefix("demo").text == "/demo/members/")
        #expect(EtcdPrefix("prod/demo").key(of: "n1") == "/prod/demo/members/n1")
        #expect(EtcdPrefix("demo").end == Array("/demo/members0".utf8))
        #expect(EtcdPrefix.end(of: [1, 0xFF]) == [2])
        #expect(EtcdPrefix.end(of: [0xFF, 0xFF]) == [0])
    }

    /// Numbers in quotes or not, zeros left out.
    @Test func aWatchIsTold() throws {
        var state = EtcdWatchState(after: 7)
        #expect(state.take(try self.line(#"{"result":{"header":{"revision":"9"},"created":true}}"#)) == [])
        #expect(state.revision == 7)
        let put = state.take(
            try self.line(#"{"result":{"header":{"revision":"8"},"events":[{"kv":\#(self.keyValue("/a", created: 8, modified: 8))}]}}"#)
        )
        #expect(put == [.added(EtcdEntry(key: "/a", value: Array("v".utf8)), resourceVersion: "8")])
        // Two revisions in one message: what can be gone on from is its end.
        let two = state.take(
            try self.line(
                #"{"result":{"header":{"revision":"10"},"events":[{"kv":\#(self.keyValue("/a", "w", created: 8, modified: 9))},{"type":"DELETE","kv":{"key":"\#(self.base64("/b"))","mod_revision":10}}]}}"#
            )
        )
        #expect(
            two == [
                .modified(EtcdEntry(key: "/a", value: Array("w".utf8)), resourceVersion: nil),
                .deleted(EtcdEntry(key: "/b", value: []), resourceVersion: "10"),
            ]
        )
        #expect(state.take(try self.line(#"{"result":{"header":{"revision":"20"}}}"#)) == [.bookmark(resourceVersion: "20")])
        #expect(state.take(try self.line(#"{"result":{"header":{"revision":"20"}}}"#)) == [])
        #expect(state.take(try self.line(#"{"result":{}}"#)) == [])
    }

    @Test(arguments: [
        #"{"result":{"header":{"revision":"50"},"canceled":true,"compact_revision":"40"}}"#,
        #"{"result":{"canceled":true,"cancel_reason":"etcdserver: mvcc: required revision has been compacted"}}"#,
        #"{"error":{"grpc_code":11,"http_code":400,"message":"etcdserver: mvcc: required revision has been compacted"}}"#,
        // The store has been restored from a backup.
        #"{"result":{"header":{"revision":"3"},"created":true}}"#,
    ])
    func whatIsForgottenIsListedAgain(json: String) throws {
        var state = EtcdWatchState(after: 7)
        let events = state.take(try self.line(json))
        guard events.count == 1, case .error(let status) = events[0].change else {
            Issue.record("\(events)")
            return
        }
        #expect(status.isExpired)
    }

    @Test(arguments: [
        (#"{"result":{"canceled":true,"cancel_reason":"etcdserver: no leader"}}"#, "no leader"),
        (#"{"error":{"grpc_code":14,"message":"etcdserver: server stopped"}}"#, "server stopped"),
        (#"{"error":{}}"#, "an error without a word"), ("{}", "says nothing"),
    ])
    func otherEndsAreErrors(json: String, word: String) throws {
        var state = EtcdWatchState(after: 7)
        guard case .error(let status)? = state.take(try self.line(json)).first?.change else {
            Issue.record("no error")
            return
        }
        #expect(!status.isExpired && status.message.contains(word), "\(status)")
    }

    /// A change that cannot be read is not passed over: what it changed would be missing until the next list.
    @Test(arguments: [#"{"key":"!","value":"dg=="}"#, #"{"key":"L2E=","value":"!"}"#, #"{"value":"dg=="}"#])
    func nonsenseInAChangeEndsTheWatch(keyValue: String) throws {
        var state = EtcdWatchState(after: 7)
        let events = state.take(try self.line(#"{"result":{"header":{"revision":"8"},"events":[{"kv":\#(keyValue)}]}}"#))
        guard events.count == 1, case .error(let status) = events[0].change else {
            Issue.record("\(events)")
            return
        }
        #expect(!status.isExpired && state.revision == 7)
    }

    @Test func aWatchIsOpenWhenEtcdHasTakenIt() throws {
        var state = EtcdWatchState(after: 7)
        #expect(!state.isOpen)
        _ = state.take(try self.line(#"{"result":{"header":{"revision":"9"},"created":true}}"#))
        #expect(state.isOpen)
    }

    @Test func aValueSurvivesEveryCharacterOfAName() throws {
        let prefix = EtcdPrefix("d")
        let member = try Member(id: "n1", url: "http://a:1", zone: #"a"b\c"#, weight: 100, state: .draining, epoch: 1)
        #expect(try prefix.member(EtcdEntry(key: "/d/members/n1", value: member.etcdValue)) == member)
    }

    @Test func anEntryIsAMember() throws {
        let prefix = EtcdPrefix("demo")
        let value = #"{"url":"http://a:1","weight":"3","zone":"z","epoch":"18446744073709551615","later":{"x":1}}"#
        let member = try prefix.member(EtcdEntry(key: "/demo/members/n1", value: Array(value.utf8)))
        #expect(member == (try Member(id: "n1", url: "http://a:1", zone: "z", weight: 3, epoch: .max)))
        #expect(try prefix.member(EtcdEntry(key: "/demo/members/n1", value: member.etcdValue)) == member)
        for wrong in ["", "[]", "http://a:1", #"{"weight":3}"#, #"{"url":"http://a:1","weight":0}"#] {
            #expect(throws: DiscoveryError.self) { try prefix.member(EtcdEntry(key: "/demo/members/n1", value: Array(wrong.utf8))) }
        }
    }

    /// What one entry says that cannot be read neither keeps the others away nor takes its node out.
    @Test func nonsenseOfOneIsItsOwn() {
        let log = Lists()
        let members = EtcdSource.members(EtcdPrefix("d"), logger: .silent) { log.take($0()) }
        func entry(_ id: String, _ value: String? = nil) -> EtcdEntry {
            EtcdEntry(key: "/d/members/\(id)", value: Array((value ?? #"{"url":"http://\#(id):1"}"#).utf8))
        }
        // A change before the first list tells of a part only.
        members.add(entry("n0"))
        #expect(log.last == nil)
        members.replace([entry("n1"), entry("n2"), entry("bad", "{")], resourceVersion: "1")
        #expect(log.last == ["n1", "n2"])
        members.update(entry("n2", "<html>"))
        members.add(entry("n3"))
        #expect(log.last == ["n1", "n2", "n3"])
        members.delete(EtcdEntry(key: "/d/members/n1", value: []))
        #expect(log.last == ["n2", "n3"])
    }
}
