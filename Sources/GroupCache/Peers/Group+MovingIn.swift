// SPDX-License-Identifier: Apache-2.0

// When many keys have come to this node at once: what their former owners have is taken over before anybody asks for it.
//
// A former owner is not there for long. It drains, and ends; or it is back in the list, and what it holds of others' keys goes after `nearTTL`. What nobody
// happens to ask for within that time would be lost, and loaded anew.
//
// Each key is taken over by a flight, as if a caller had asked for it, so that all that keeps a peek from bringing back what was there before a change keeps
// this from it, too. A change of a key comes either
// * to this node, as its owner: before the flight peeks, then the key is among those that were changed of late, and it does not; or after that, then the
//   flight is superseded, and what it brings is not kept. The former owner is told before the change is acknowledged: whoever peeks later finds nothing.
// * to the former owner, which has not heard yet that it is none, or drains: it tells this node before it acknowledges the change. That supersedes the
//   flight, or drops what it has brought; or it comes before the flight peeks, and then the former owner has nothing from before the change any more.
// * to all nodes, for a tag or the whole group: a clear supersedes all flights, and no key is peeked at for a while; a value with a tag that was
//   removed here since it came to be is refused.
// And what is not handed over, since the two go by different rings, is kept for a while only, as by anybody who peeks.
extension Group {
    /// Takes over what the former owners of some keys have.
    ///
    /// - Returns: How many were taken over.
    func moveIn(_ keys: [Key]) async -> Int {
        var loads: [Load] = []
        for key in keys { if let load = self.beginMoving(key) { loads.append(load) } }
        if loads.isEmpty { return 0 }
        let rest = await self.takeOver(loads)
        for load in rest { self.giveUp(load) }
        return loads.count - rest.count
    }

    /// A flight that takes over what there is of a key, and that nobody waits for yet; `nil`: there is no need.
    private func beginMoving(_ key: Key) -> Load? {
        guard key.error == nil, self.peers?.formerOwner(of: key) != nil else { return nil }
        let hashed = self.hashed(key)
        if self.hasLoaded(hashed) { return nil }
        let now = self.configuration.clock.milliseconds
        let load = self.flights.withTable(self.shard(hashed)) { table in
            table.hold(.local, hashed, number: NumberSource.shared.next()) { flight in
                Load(self, flight, .local, hashed, .local, began: now, deadline: now + self.loadTime, trail: nil)
            }
        }
        if let load { self.setTimers(of: load) }
        return load
    }

    /// There was nothing to take over. Whoever has come to wait for it meanwhile has it loaded, as if this had not been.
    private func giveUp(_ load: Load) {
        let (isOver, next) = self.flights.withTable(self.shard(load)) { $0.letGo(load.flight) }
        guard isOver else { return load.inTask { await self.run(load) } }
        load.end(self.flights.deadlines)
        next?.start()
    }
}

extension GroupServer {
    func moveIn(_ keys: [Key]) async -> Int { await self.group.moveIn(keys) }
}
