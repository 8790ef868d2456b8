// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOPosix

/// Gets of remote keys by callers that ask one after the other, as many callers as ``concurrency``.
struct PeerBenchmark: Sendable {
    let nodes: [String]
    let group: String
    let keys: [String]
    let concurrency: Int
    /// How many keys are asked for at once.
    let batch: Int
    let transport: BenchPeerCommand.Transport
    let duration: Duration
    let tls: HTTPPool.Configuration.TLS?
    let tokenFile: String?

    struct Result: Sendable, Encodable {
        var gets = 0
        var errors = 0
        var notFound = 0
        var getsPerSecond = 0.0
        var p50 = 0.0
        var p99 = 0.0
        var maximum = 0.0
        var firstError: String?

        enum CodingKeys: String, CodingKey {
            case gets, errors
            case notFound = "not_found"
            case getsPerSecond = "gets_per_second"
            case p50 = "p50_us"
            case p99 = "p99_us"
            case maximum = "max_us"
            case firstError = "first_error"
        }

        var text: String {
            [
                ("gets", Double(self.gets)), ("errors", Double(self.errors)), ("not_found", Double(self.notFound)),
                ("gets_per_second", self.getsPerSecond), ("p50_us", self.p50), ("p99_us", self.p99), ("max_us", self.maximum),
            ].map(Table.row).joined(separator: "\n")
        }
    }

    func run() async throws -> Result {
        var configuration = HTTPPool.Configuration()
        configuration.listen = nil
        configuration.tls = self.tls
        configuration.tokenFile = self.tokenFile
        if self.transport == .http { configuration.client.links = .never }
        configuration.peers = self.nodes.map { HTTPPool.Peer($0) }
        let pool = try HTTPPool(configuration: configuration)
        var settings = GroupConfiguration()
        settings.freshness.earlyRefresh = 0
        // Nothing is kept, so that every get crosses the network.
        let group = try Group<ByteView>(self.group, capacity: .bytes(0), configuration: settings, peers: pool, codec: .raw) {
            (_, _) -> ByteView in
            // Both nodes that the ring names have failed.
            throw CommandError("no node answered")
        }
        let duration = TimeAmount(self.duration)
        try await Self.warmUp(group, self.keys, until: .now() + duration)
        let start = NIODeadline.now()
        let end = start + duration
        // Callers begin on all loops in turn, as the requests of a server do.
        let loops = MultiThreadedEventLoopGroup.singleton.makeIterator().map { $0 }
        let executors = loops.map { EventLoopTaskExecutor($0) }
        let running = (0..<self.concurrency).map { number in
            Task(executorPreference: executors[number % loops.count]) {
                var caller = Caller()
                let first = number * self.keys.count / self.concurrency
                if self.batch == 1 {
                    await caller.ask(group, self.keys, from: first, until: end)
                } else {
                    await caller.ask(group, self.keys.map { Key($0) }, from: first, batch: self.batch, until: end)
                }
                return caller
            }
        }
        var callers: [Caller] = []
        for caller in running { callers.append(await caller.value) }
        return Self.summary(callers, elapsed: .now() - start)
    }

    /// Opens connections and lets the owners load what they have not; failures show again in the measurement. An origin that does not answer is
    /// not waited for longer than the measurement will take.
    private static func warmUp(_ group: Group<ByteView>, _ keys: [String], until end: NIODeadline) async throws {
        await withTaskGroup(of: Void.self) { tasks in
            for first in 0..<min(64, keys.count) {
                tasks.addTask {
                    for index in stride(from: first, to: keys.count, by: 64) where NIODeadline.now() < end {
                        _ = try? await group.get(keys[index])
                    }
                }
            }
        }
    }

    /// One caller and what it saw.
    private struct Caller: Sendable {
        var latencies = LatencyHistogram()
        var gets = 0
        var errors = 0
        var notFound = 0
        var firstError: String?

        mutating func ask(
            _ group: Group<ByteView>,
            _ keys: [String],
            from first: Int,
            until end: NIODeadline
        ) async {
            var index = first
            var now = NIODeadline.now()
            while now < end {
                do {
                    _ = try await group.get(keys[index])
                } catch {
                    self.record(error)
                }
                let after = NIODeadline.now()
                self.latencies.record(microseconds: Double((after - now).nanoseconds) / 1000)
                self.gets += 1
                now = after
                index = (index + 1) % keys.count
            }
        }

        /// The same with ``Group/get(keys:)``.
        mutating func ask(
            _ group: Group<ByteView>,
            _ keys: [Key],
            from first: Int,
            batch: Int,
            until end: NIODeadline
        ) async {
            // Twice, so that a batch may begin anywhere.
            let keys = keys + keys.prefix(batch)
            let count = keys.count - min(batch, keys.count)
            var index = first
            var now = NIODeadline.now()
            while now < end {
                let results = await group.get(keys: keys[index..<min(index + batch, keys.count)])
                for result in results.values {
                    self.gets += 1
                    if case .failure(let error) = result { self.record(error) }
                }
                let after = NIODeadline.now()
                self.latencies.record(microseconds: Double((after - now).nanoseconds) / 1000)
                now = after
                index = (index + batch) % max(1, count)
            }
        }

        private mutating func record(_ error: GroupCacheError) {
            if error.code == .notFound {
                self.notFound += 1
                return
            }
            self.errors += 1
            if self.firstError == nil {
                self.firstError = error.description + (error.cause.map { " (\(CommandError.text(of: $0)))" } ?? "")
            }
        }
    }

    private static func summary(_ callers: [Caller], elapsed: TimeAmount) -> Result {
        var all = LatencyHistogram()
        var result = Result()
        for caller in callers {
            all.add(caller.latencies)
            result.gets += caller.gets
            result.errors += caller.errors
            result.notFound += caller.notFound
            result.firstError = result.firstError ?? caller.firstError
        }
        result.getsPerSecond = (Double(result.gets) / (Double(elapsed.nanoseconds) / 1e9)).rounded()
        result.p50 = all.quantile(0.5)
        result.p99 = all.quantile(0.99)
        result.maximum = all.quantile(1)
        return result
    }
}
