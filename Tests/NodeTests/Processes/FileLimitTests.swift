// SPDX-License-Identifier: Apache-2.0

#if os(Linux)
    import Foundation
    import Glibc
    import NIOConcurrencyHelpers
    import NIOCore
    import NIOPosix
    import Subprocess
    import Testing

    extension ProcessTests {
        /// A node that may not open as many files as it would like.
        @Suite struct FileLimitTests {
            /// The limit in force and the highest one of a process.
            private static func limits(of process: Int32) throws -> (current: Int, highest: Int) {
                let text = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8)
                let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("Max open files") }).split(separator: " ")
                return (try #require(Int(line[3])), try #require(Int(line[4])))
            }

            private static func setLimit(of process: Int32, to limit: Int) async throws {
                let end = try await Child.run("/usr/bin/prlimit", ["--pid", "\(process)", "--nofile=\(limit):"])
                try #require(end.status == .exited(0), "\(end.error)")
            }

            /// How many files a node has open once it has all that it needs: timers are opened with the first sleep, and Dispatch ends the process
            /// when it cannot have one.
            private static func openFiles(of process: Int32, _ url: String) async throws -> Int {
                var counts: [Int] = []
                while counts.count < 20 || Set(counts.suffix(20)).count > 1 {
                    // Each answer is some turns of the node's loops later.
                    #expect(try await fetch("\(url)/livez").status == 200)
                    counts.append(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count)
                }
                return counts.last ?? 0
            }

            /// Connections that count how many of them the node has closed.
            private static func connect(_ count: Int, to url: String) async throws -> (
                channels: [any Channel], closed: NIOLockedValueBox<Int>
            ) {
                let port = try #require(URL(string: url)?.port)
                let closed = NIOLockedValueBox(0)
                var channels: [any Channel] = []
                for _ in 0..<count {
                    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                        .connect(host: "127.0.0.1", port: port).get()
                    channel.closeFuture.whenComplete { _ in closed.withLockedValue { $0 += 1 } }
                    channels.append(channel)
                }
                return (channels, closed)
            }

            /// How long a process has computed, in seconds.
            private static func processorTime(of process: Int32) throws -> Double {
                let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
                // The name of the program stands in parentheses and may hold spaces; after it come state and numbers.
                let fields = try #require(text.split(separator: ")").last).split(separator: " ")
                let ticks = try #require(Double(fields[11])) + #require(Double(fields[12]))
                return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
            }

            @Test("without file descriptors a node waits instead of spinning, and accepts again when there are some")
            func exhaustion() async throws {
                let end = try await NodeProgram.serve(["--listen", "127.0.0.1:0", "--group", "a=demo:"]) { child, url in
                    let process = child.process.value
                    let open = try await Self.openFiles(of: process, url)
                    let old = try Self.limits(of: process).current
                    try await Self.setLimit(of: process, to: open + 2)
                    // The kernel takes connections on the node's behalf; the node cannot.
                    let (channels, _) = try await Self.connect(20, to: url)
                    _ = try await child.error.line { $0.contains("no connection can be accepted") }
                    let before = try Self.processorTime(of: process)
                    try await Task.sleep(for: .seconds(1))
                    let used = try Self.processorTime(of: process) - before
                    #expect(used < 0.3, "\(used) s of processor time in a second of waiting")
                    try await Self.setLimit(of: process, to: old)
                    let answer = try await fetch("\(url)/livez").status
                    #expect(answer == 200)
                    for channel in channels { try? await channel.close() }
                    child.signal(.terminate)
                    await child.wait()
                }
                #expect(end.status == .exited(0), "\(end.error)")
            }

            @Test("connections leave room for other files, and those beyond are closed at once")
            func room() async throws {
                let script = [
                    "-c", "ulimit -n 512 && exec \"$0\" serve --listen 127.0.0.1:0 --group a=demo:", try Programs.path("groupcache"),
                ]
                let end = try await Child.run("/bin/sh", script) { child in
                    let url = try await child.output.line { $0.hasPrefix("listening ") }.dropFirst("listening ".count)
                    let (channels, closed) = try await Self.connect(400, to: String(url))
                    while closed.withLockedValue({ $0 }) < 400 - (512 - 128) {
                        try Task.checkCancellation()
                        await Task.yield()
                    }
                    for channel in channels.prefix(10) { try? await channel.close() }
                    let answer = try await fetch("\(url)/livez", until: { $0.status == 200 }).status
                    #expect(answer == 200)
                    #expect(!child.error.text.contains("no connection can be accepted"))
                    for channel in channels { try? await channel.close() }
                    child.signal(.terminate)
                    await child.wait()
                }
                #expect(end.status == .exited(0), "\(end.error)")
            }

            @Test("the executable raises its limit as far as it may")
            func raised() async throws {
                let script = [
                    "-c", "ulimit -Sn 64 && exec \"$0\" serve --listen 127.0.0.1:0 --group a=demo:", try Programs.path("groupcache"),
                ]
                _ = try await Child.run("/bin/sh", script) { child in
                    _ = try await child.output.line { $0.hasPrefix("listening ") }
                    let (current, highest) = try Self.limits(of: child.process.value)
                    #expect(current == highest && highest > 64)
                }
            }
        }
    }
#endif
