// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// What the system says of this process.
struct ProcessNumbers: Sendable {
    var resident: Int
    var cpu: Double
    var files: Int

    /// `nil`: this system does not say.
    static func read() -> ProcessNumbers? {
        #if os(Linux)
            guard let stat = FileManager.default.contents(atPath: "/proc/self/stat"),
                // The name of the program stands in brackets, and may hold anything.
                let end = stat.lastIndex(of: UInt8(ascii: ")"))
            else { return nil }
            let fields = String(decoding: stat[stat.index(after: end)...], as: UTF8.self).split(separator: " ")
            // The third field of the file is the first here: 14 and 15 are ticks of processors, 24 is pages.
            guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let pages = Int(fields[21]) else {
                return nil
            }
            let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count ?? 0
            let page = Int(sysconf(Int32(_SC_PAGESIZE)))
            let tick = Double(sysconf(Int32(_SC_CLK_TCK)))
            return ProcessNumbers(resident: pages * page, cpu: (user + system) / tick, files: max(0, files - 1))
        #else
            return nil
        #endif
    }
}
