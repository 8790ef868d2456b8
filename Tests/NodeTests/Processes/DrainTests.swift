// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
import Subprocess
import Testing

extension ProcessTests {
    @Suite struct DrainTests {
        @Test(arguments: [Signal.terminate, .interrupt])
        func aRunningRequestFinishes(_ signal: Signal) async throws {
            try await StubOrigin.run { origin, template in
                let (asked, gate) = (Gate(), Gate())
                origin.answer { _, _ in
                    asked.open()
                    try? await gate.pass()
                    return StubOrigin.text("late")
                }
                // So long is it seen that it drains: long enough to look at it also where much else is going on.
                let arguments = ["--listen", "127.0.0.1:0", "--group", "pages=\(template)", "--drain-delay", "6s"]
                let end = try await NodeProgram.serve(arguments) { child, url in
                    let got1 = try await fetch("\(url)/readyz").status
                    #expect(got1 == 200)
                    async let answer = fetch("\(url)/v1/groups/pages/keys/k")
                    try? await asked.pass()
                    child.signal(signal)
                    _ = try await fetch("\(url)/readyz", until: { $0.status == 503 })
                    gate.open()
                    let late = try await answer
                    #expect(late.status == 200 && late.text == "late")
                    await child.wait()
                    await #expect(throws: (any Error).self) { try await fetch("\(url)/livez") }
                }
                #expect(end.status == .exited(0), "\(end.error)")
            }
        }

        @Test func aSecondSignalEndsAtOnce() async throws {
            try await StubOrigin.run { origin, template in
                let (asked, gate) = (Gate(), Gate())
                origin.answer { _, _ in
                    asked.open()
                    try? await gate.pass()
                    return StubOrigin.text("never")
                }
                let arguments = ["--listen", "127.0.0.1:0", "--group", "pages=\(template)", "--drain-delay", "1h", "--drain-timeout", "1h"]
                let end = try await NodeProgram.serve(arguments) { child, url in
                    async let answer = fetch("\(url)/v1/groups/pages/keys/k")
                    try? await asked.pass()
                    child.signal(.terminate)
                    _ = try await fetch("\(url)/readyz", until: { $0.status == 503 })
                    child.signal(.interrupt)
                    await child.wait()
                    let failed: Bool
                    do { failed = try await answer.status != 200 } catch { failed = true }
                    #expect(failed)
                }
                gate.open()
                #expect(end.status == .exited(130))
            }
        }
    }
}
