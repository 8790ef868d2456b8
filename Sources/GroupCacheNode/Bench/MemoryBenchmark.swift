// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache

/// How much resident memory entries take beyond their keys and values.
struct MemoryBenchmark {
    let entries: Int
    private static let valueSize = 64

    /// Bytes an entry, nil where the system does not tell resident memory.
    func run() async throws -> Double? {
        let value = [UInt8](repeating: 7, count: Self.valueSize)
        let group = try Group<ByteView>("memory", capacity: .bytes(self.entries * 1024), codec: .raw) { (_, _) in ByteView(value) }
        _ = try await group.get(BenchKeys.key(self.entries))
        guard let before = Self.residentBytes() else { return nil }
        var payload = 0
        for number in 0..<self.entries {
            let key = BenchKeys.key(number)
            _ = try await group.get(key)
            payload += key.utf8.count + Self.valueSize
        }
        guard let after = Self.residentBytes() else { return nil }
        // The entries have to live until they are measured.
        guard group.statistics.main.items == self.entries + 1 else { throw CommandError("entries were evicted: the measurement is void") }
        return Double(after - before - payload) / Double(self.entries)
    }

    /// Resident memory that is not shared with files, in bytes.
    static func residentBytes() -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 2, let resident = Int(fields[1]), let shared = Int(fields[2]) else { return nil }
        return (resident - shared) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
