// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting
import Testing

/// The code in the articles of `Informers.docc`, line for line: ``DocumentationTests`` compares them. Here it is compiled and run.
@Suite("Snippets of the documentation")
struct Snippets {
    private struct Server: Sendable, Equatable {
        var name: String
        var zone: String
    }

    @Test("Being told: the lines that the article's handler reports, and what it finds by zone")
    func beingTold() throws {
        let simulation = Simulation()
        let source = FakeSource<Server>(key: { $0.name })
        source.add(Server(name: "a", zone: "north"))
        let lines = Recorder<String>()
        let report: @Sendable (String) -> Void = { lines.record($0) }

        let informer = SharedInformer(source, key: { $0.name }, indexers: ["zone": { [$0.zone] }])
        try informer.addHandler { event in
            switch event {
            case .added(let server, _): report("\(server.name) is in \(server.zone)")
            case .updated(let old, let server, _): report("\(server.name) went from \(old.zone) to \(server.zone)")
            case .deleted(let deletion): report("\(deletion.object?.name ?? "somebody") is gone")
            case .reset(let servers): report("there are \(servers.count) servers")
            }
        }

        let task = simulation.spawn {
            await informer.run()
        }
        simulation.settle()
        source.add(Server(name: "b", zone: "south"))
        simulation.settle()
        source.add(Server(name: "a", zone: "south"))
        simulation.settle()
        source.delete("b")
        simulation.settle()

        let southern = try informer.store.objects(index: "zone", value: "south")

        #expect(southern == [Server(name: "a", zone: "south")])
        #expect(lines.all == ["a is in north", "b is in south", "a went from north to south", "b is gone"])
        task.cancel()
        simulation.settle()
        #expect(task.isDone)
    }

    @Test("Testing: as the article says")
    func testing() {
        let simulation = Simulation()
        let source = FakeSource<Server>(key: { $0.name })
        let informer = SharedInformer(source, key: { $0.name }, clock: InformerClock(simulation.clock))
        simulation.spawn { await informer.run() }

        source.add(Server(name: "a", zone: "north"))
        source.changeEpoch()  // a restart: every watch breaks, every version is void
        source.add(Server(name: "b", zone: "south"))
        simulation.advance(by: .seconds(5))
        #expect(informer.store.listKeys().sorted() == ["a", "b"])
    }
}
