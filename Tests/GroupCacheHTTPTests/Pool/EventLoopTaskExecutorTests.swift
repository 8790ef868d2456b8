// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheHTTP

@Suite("Tasks on an event loop", .timeLimit(.minutes(5))) struct EventLoopTaskExecutorTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private actor Elsewhere {
        var count = 0
        func add() -> Int {
            self.count += 1
            return self.count
        }
    }

    @Test("a task runs on the loop, also after it has been elsewhere, and so do its children")
    func onLoop() async {
        let (loop, executor, elsewhere) = (self.loop, EventLoopTaskExecutor(self.loop), Elsewhere())
        await Task(executorPreference: executor) {
            #expect(loop.inEventLoop)
            _ = await elsewhere.add()
            #expect(loop.inEventLoop)
            try? await Task.sleep(for: .milliseconds(1))
            #expect(loop.inEventLoop)
            await Task.yield()
            #expect(loop.inEventLoop)
            await withTaskGroup(of: Bool.self) { tasks in
                for _ in 0..<10 { tasks.addTask { loop.inEventLoop } }
                for await isThere in tasks { #expect(isThere) }
            }
        }.value
    }

    @Test("no job is lost, whoever makes it ready: the loop, another loop, or no loop at all")
    func manyJobs() async {
        let loops = MultiThreadedEventLoopGroup.singleton.makeIterator().map { $0 }
        let executors = loops.map { EventLoopTaskExecutor($0) }
        let (elsewhere, count) = (Elsewhere(), NIOLockedValueBox(0))
        let tasks = (0..<200).map { number in
            Task(executorPreference: executors[number % executors.count]) {
                for turn in 0..<50 {
                    switch (number + turn) % 4 {
                    case 0: await Task.yield()
                    case 1: _ = await elsewhere.add()
                    case 2: _ = try? await loops[turn % loops.count].submit { turn }.get()
                    default:
                        let gate = Gate()
                        async let passed: Void? = try? gate.pass()
                        gate.open()
                        _ = await passed
                    }
                    count.withLockedValue { $0 += 1 }
                }
            }
        }
        for task in tasks { await task.value }
        #expect(count.withLockedValue { $0 } == 10_000)
    }

    @Test("jobs of one turn run in the order in which they became ready, and a busy one does not keep the loop from its other work")
    func order() async throws {
        let (loop, executor) = (self.loop, EventLoopTaskExecutor(self.loop))
        let seen = NIOLockedValueBox<[Int]>([])
        let tasks = try await loop.submit {
            (0..<20).map { number in Task(executorPreference: executor) { seen.withLockedValue { $0.append(number) } } }
        }.get()
        for task in tasks { await task.value }
        #expect(seen.withLockedValue { $0 } == Array(0..<20))
        let isOver = NIOLockedValueBox(false)
        let busy = Task(executorPreference: executor) { while !isOver.withLockedValue({ $0 }) { await Task.yield() } }
        // Were each turn to go on until nothing is ready, this would never come.
        try await loop.submit { isOver.withLockedValue { $0 = true } }.get()
        await busy.value
    }

    @Test("callers of peers on it get their answers, and can leave")
    func peers() async throws {
        let gate = Gate()
        try await withPools { pools in
            try pools[0].pool.register(
                FakeGroup { key throws(GroupCacheError) in
                    if key.string == "slow" { do { try await gate.pass() } catch { throw .cancelled } }
                    return ByteView("value of " + key.string)
                }
            )
            var settings = HTTPPool.Configuration()
            settings.listen = nil
            settings.peers = [HTTPPool.Peer("http://127.0.0.1:\(pools[0].port)")]
            let pool = try HTTPPool(configuration: settings)
            let group = try Group<String>("scores", capacity: .bytes(0), peers: pool) { _, _ in "no peer" }
            let executors = MultiThreadedEventLoopGroup.singleton.makeIterator().map { EventLoopTaskExecutor($0) }
            let callers = (0..<64).map { number in
                Task(executorPreference: executors[number % executors.count]) {
                    for turn in 0..<50 {
                        let value = try await group.get("\(number) \(turn % 7)")
                        #expect(value == "value of \(number) \(turn % 7)")
                    }
                }
            }
            for caller in callers { try await caller.value }
            let leaver = Task(executorPreference: executors[0]) { try await group.get("slow") }
            await gate.waitForArrivals()
            leaver.cancel()
            #expect(await #expect(throws: GroupCacheError.self) { try await leaver.value }?.code == .cancelled)
            gate.open()
            try pool.setPeers([])
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }
}
