// SPDX-License-Identifier: Apache-2.0

import Foundation
import InformersTesting
import Logging
import Testing

@testable import Informers

/// One object that nobody can keep must not keep the others away.
@Suite("Objects without a key, or that cannot be read or transformed")
struct BadObjectTests {
    private static let nameless = Item("nameless", 1)

    /// An informer's harness has no key for what is called `nameless`; transformed, what is worth 13 fails.
    private func harness(streams: Bool, transforms: Bool = false) -> InformerHarness {
        InformerHarness { configuration in
            configuration.reflector.usesStreamingList = streams
            if transforms { configuration.transform = { if $0.value == 13 { throw NoName() } else { $0 } } }
        }
    }

    @Test("in a list it is left out, counted and reported once; the others are there, and the watch goes on", arguments: [false, true])
    func inList(_ streams: Bool) throws {
        let harness = self.harness(streams: streams)
        harness.add(Item("a", 1), Self.nameless, Item("b", 1))
        let listening = try harness.listen()
        harness.run()
        harness.advance(.seconds(60))
        #expect(harness.informer.hasSynced)
        #expect(Set(listening.news()) == ["=a1", "=b1"])
        #expect(harness.errors.codes == ["InformerError"])
        #expect((harness.errors.all.first as? InformerError)?.code == .objectsLeftOut)
        #expect(harness.informer.objectsLeftOut == 1)
        harness.add(Item("c", 1))
        #expect(listening.news() == ["+c1"])
        #expect(harness.source.lists.count == (streams ? 0 : 1))
        #expect(harness.source.watches.count == 1)
    }

    @Test("alone in a list it leaves an empty one", arguments: [false, true])
    func alone(_ streams: Bool) {
        let harness = self.harness(streams: streams)
        harness.add(Self.nameless)
        harness.run()
        #expect(harness.informer.hasSynced)
        #expect(harness.informer.store.count == 0)
    }

    @Test("in a watch it is passed over, counted, logged the first time and then now and again; no list follows")
    func inWatch() throws {
        let harness = self.harness(streams: false)
        let listening = try harness.listen()
        harness.run()
        for value in 0..<100 { harness.add(Item("nameless", value)) }
        harness.add(Item("a", 1))
        harness.delete("nameless")
        #expect(listening.news() == ["+a1"])
        #expect(harness.informer.objectsLeftOut == 101)
        #expect(harness.log.messages(.warning) == ["an event was left out"])
        harness.advance(.seconds(60))
        harness.add(Self.nameless)
        #expect(harness.log.messages(.warning).count == 2)
        #expect(harness.source.lists.count == 1)
        #expect(harness.source.opened == 1)
    }

    @Test("one that cannot be transformed is left out of a list; changed into such a one, an object goes", arguments: [false, true])
    func untransformed(_ streams: Bool) throws {
        let harness = self.harness(streams: streams, transforms: true)
        harness.add(Item("a", 1), Item("b", 13))
        harness.run()
        #expect(harness.informer.store.listKeys() == ["a"])
        harness.add(Item("c", 1))
        harness.add(Item("a", 13))
        harness.advance(.seconds(5))
        #expect(harness.informer.store.listKeys() == ["c"])
        #expect(harness.errors.codes.contains("InformerError"))
    }

    @Test("but if nothing can be transformed, that is no fault of the objects: what was there stays")
    func nothingTransformed() {
        let harness = self.harness(streams: false, transforms: true)
        harness.add(Item("a", 1))
        harness.run()
        harness.add(Item("a", 13))
        harness.advance(.seconds(5))
        #expect(harness.informer.store.listKeys() == ["a"])
        #expect(!harness.errors.codes.contains("InformerError"))
    }

    @Test("a list is read object by object: one that cannot be decoded is counted")
    func undecodable() throws {
        let json = """
            {"metadata":{"resourceVersion":"7","continue":"t"},"items":[
            {"metadata":{"name":"a","resourceVersion":"1"},"value":1},{"metadata":{"name":"b"}},"c",
            {"metadata":{"name":"d","resourceVersion":"1"},"value":4}]}
            """
        let list = try JSONDecoder().decode(ListResult<Item>.self, from: Data(json.utf8))
        #expect(
            list
                == ListResult(
                    [Item("a", 1, version: "1"), Item("d", 4, version: "1")],
                    resourceVersion: "7",
                    continueToken: "t",
                    unreadable: 2
                )
        )
        let empty = try JSONDecoder().decode(ListResult<Item>.self, from: Data(#"{"metadata":{"resourceVersion":"7"},"items":null}"#.utf8))
        #expect(empty == ListResult([], resourceVersion: "7"))
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(ListResult<Item>.self, from: Data(#"{"items":[]}"#.utf8)) }
    }

    @Test("what the source could not read is counted over all pages and reported once")
    func unreadable() throws {
        var pager = ListPager<Item>(ListOptions(limit: 1))
        let first = try pager.receive(ListResult([Item("a")], resourceVersion: "7", continueToken: "1", unreadable: 1))
        #expect(first == nil)
        let whole = try pager.receive(ListResult([Item("b")], resourceVersion: "7", unreadable: 2))
        #expect(whole == ListResult([Item("a"), Item("b")], resourceVersion: "7", unreadable: 3))
    }

    @Test("a transformer that changes keys: one object has one key, listed, streamed or watched", arguments: [false, true])
    func changedKeys(_ streams: Bool) throws {
        let harness = InformerHarness { configuration in
            configuration.reflector.usesStreamingList = streams
            configuration.transform = { Item("x-\($0.name)", $0.value) }
        }
        harness.add(Item("a", 1), Item("b", 1))
        let listening = try harness.listen()
        harness.run()
        #expect(Set(listening.news()) == ["=x-a1", "=x-b1"])
        harness.add(Item("a", 2))
        harness.delete("b")
        #expect(listening.news() == ["~x-a1>2", "-x-b1"])
        #expect(harness.informer.store.listKeys() == ["x-a"])
    }

    @Test("a transformer that changes keys: what changes and goes while a streaming list comes is the object that it was")
    func changedKeysWhileStreaming() throws {
        let harness = InformerHarness { configuration in
            configuration.reflector.usesStreamingList = true
            configuration.transform = { Item($0.name.lowercased(), $0.value) }
        }
        harness.add(Item("A", 1), Item("B", 1))
        harness.source.withholdInitialEventsEnd()
        let listening = try harness.listen()
        harness.run()
        harness.add(Item("A", 2))
        harness.delete("B")
        // Another name for the same.
        harness.add(Item("a", 3))
        harness.source.inject(.bookmark(resourceVersion: "\(harness.source.version)", isInitialEventsEnd: true))
        harness.simulation.settle()
        #expect(listening.news() == ["=a3"])
        #expect(harness.informer.store.list() == [Item("a", 3)])
    }
}
