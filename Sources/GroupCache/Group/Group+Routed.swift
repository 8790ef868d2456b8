internal import Logging
internal import Tracing

// What happens inside a routed flight. None of it is a task: a peer get is often a few microseconds away, and a task would cost as much again.
extension Group: RoutedGroup {
    /// Asks the owner, then the next owner, then the getter.
    func loadFromPeers(_ load: PeerLoad) {
        if let answer = self.landed(load.key, load.hash) { return self.land(load.flight, load.hash, .success(answer)) }
        load.start()
    }

    func landRouted(_ load: PeerLoad, _ result: Result<PeerEntry, GroupCacheError>) {
        self.landRouted(load.flight, load.key, load.hash, result)
    }

    /// Lands what a peer answered, and keeps a copy of it if the key is asked for often enough.
    func landRouted(_ flight: FlightID, _ key: Key, _ hash: UInt64, _ result: Result<PeerEntry, GroupCacheError>) {
        self.counters.loadsDeduped.increment()
        do throws(GroupCacheError) {
            let entry = try result.get()
            self.counters.peerLoads.increment()
            let value = try self.decode(entry.value)
            let answer = Answer(value: value, source: .peer, ttl: entry.ttl)
            let fresh = min(self.configuration.nearTTL, entry.ttl ?? self.configuration.nearTTL)
            guard self.store.admitRemote(hash), fresh > .zero else { return self.land(flight, hash, .success(answer)) }
            let (stored, size) = try self.stored(value, encoded: entry.value)
            self.land(flight, hash, .success(answer)) {
                let life = EntryLife(ttl: fresh.milliseconds, version: flight.number)
                self.insert(key, hash, stored, size, .near, life, releasing: &$0)
            }
        } catch {
            if error.code == .notFound { self.counters.peerLoads.increment() }
            self.land(flight, hash, error.answer)
        }
    }

    func landRouted(_ batch: PeerBatchLoad, _ index: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        let (flight, key) = (batch.items[index].flight, batch.items[index].key)
        if case .failure(let error) = result, !error.isFinal {
            self.peerFailed(batch.owner, error)
            guard let next = batch.items[index].next else { return self.loadWithoutPeers(flight, key.key, key.hash) }
            // One of many keys goes on as if it had been asked for alone.
            var request = PeerRequest(group: self.name, key: key.key, timeout: self.configuration.loadTimeout)
            request.isRepeated = true
            let load = PeerLoad(self, flight, key.hash, PeerRoute(owner: next), request)
            self.flights.started(flight, shard: self.store.shardIndex(of: key.hash), cancel: load.cancel)
            return load.start()
        }
        self.landRouted(flight, key.key, key.hash, result)
    }

    /// Nobody else can answer. The local flight is shared with requests from peers who, for the same reason, take us for the owner.
    func loadWithoutPeers(_ load: PeerLoad) {
        self.loadWithoutPeers(load.flight, load.key, load.hash)
    }

    func loadWithoutPeers(_ flight: FlightID, _ key: Key, _ hash: UInt64) {
        // In a task that counts as this flight, so that a getter that comes back to the key is found out.
        self.flights.start(flight, shard: self.store.shardIndex(of: hash)) { flight in
            do throws(GroupCacheError) {
                self.land(flight, hash, .success(try await self.joinLocal(key, hash, timeout: nil, counts: false)))
            } catch {
                self.land(flight, hash, .failure(error))
            }
        }
    }

    func peerFailed(_ peer: (any PeerGetter)?, _ error: GroupCacheError) {
        self.counters.peerErrors.increment()
        self.metrics.countPeerError()
        self.logger.debug("peer failed", metadata: ["peer.id": "\(peer?.id ?? "")", "error.code": "\(error.code)"])
    }
}
