// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import SystemPackage

/// A running program.
struct Child: Sendable {
    let process: ProcessIdentifier
    let output: Transcript
    let error: Transcript
    /// Ends when both outputs have, or the program has.
    fileprivate let ended: Task<Void, Never>
    fileprivate let send: @Sendable (Signal) -> Void

    /// Sends a signal; a program that has ended already is left alone.
    func signal(_ signal: Signal) {
        self.send(signal)
    }

    /// Waits until the program has ended. What it started may still run: its outputs are not read any further.
    func wait() async {
        await self.ended.value
    }

    /// Throws when the program ends; waits until it does, or until the caller is cancelled.
    func failAtEnd() async throws {
        _ = try await self.output.line { _ in false }
    }

    /// What a program left behind.
    struct End<Result: Sendable>: Sendable {
        var result: Result
        var status: TerminationStatus
        var output: String
        var error: String
    }

    /// Runs a program while `body` does. When `body` ends, in whatever way, a program that still runs is killed.
    static func run<Result: Sendable>(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        folder: URL? = nil,
        _ body: @escaping @Sendable (Child) async throws -> Result
    ) async throws -> End<Result> {
        let (output, error) = (Transcript(), Transcript())
        // The environment of the tests is not the program's, but for where programs are found.
        var variables: [Environment.Key: String] = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
        for (name, value) in environment { variables[Environment.Key(rawValue: name)!] = value }
        let result = try await Subprocess.run(
            .path(FilePath(path)),
            arguments: Arguments(arguments),
            environment: .custom(variables),
            workingDirectory: folder.map { FilePath($0.path) },
            input: .inputWriter,
            output: .sequence,
            error: .sequence
        ) { execution in
            // Not child tasks: they end with the outputs, and outlive a body that is cancelled.
            let readers = Task {
                await withTaskGroup(of: Void.self) { readers in
                    readers.addTask { await Self.read(execution.standardOutput, into: output) }
                    readers.addTask { await Self.read(execution.standardError, into: error) }
                }
            }
            let child = Child(process: execution.processIdentifier, output: output, error: error, ended: readers) { signal in
                try? execution.send(signal: signal)
            }
            do {
                let result = try await body(child)
                child.signal(.kill)
                await child.wait()
                return result
            } catch let failure {
                child.signal(.kill)
                await child.wait()
                print("--- output of \(path) \(arguments.joined(separator: " "))\n\(output.text)\n--- error\n\(error.text)\n---")
                throw failure
            }
        }
        return End(result: result.closureResult, status: result.terminationStatus, output: output.text, error: error.text)
    }

    /// Runs a program to its end.
    static func run(_ path: String, _ arguments: [String], environment: [String: String] = [:], folder: URL? = nil) async throws -> End<
        Void
    > {
        try await self.run(path, arguments, environment: environment, folder: folder) { await $0.wait() }
    }

    private static func read(_ stream: SubprocessOutputSequence, into transcript: Transcript) async {
        do {
            for try await line in stream.strings() { transcript.append(Self.trimmed(line)) }
        } catch {
            transcript.append("(\(error))")
        }
        transcript.end()
    }

    private static func trimmed(_ line: String) -> String {
        line.hasSuffix("\n") ? String(line.dropLast()) : line
    }
}
