// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// How much memory this process has.
enum Memory {
    /// Gives back to the system what is free.
    static func trim() {
        #if canImport(Glibc)
            // Glibc's module leaves it out.
            typealias Trim = @convention(c) (Int) -> CInt
            if let symbol = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(symbol, to: Trim.self)(0) }
        #endif
    }

    /// Lets the peak be what is in main memory now; `false` where that cannot be done.
    static func resetPeak() -> Bool {
        #if canImport(Glibc)
            let file = open("/proc/self/clear_refs", O_WRONLY)
            guard file >= 0 else { return false }
            defer { close(file) }
            return write(file, "5", 1) == 1
        #else
            return false
        #endif
    }

    /// The most bytes that were in main memory since ``resetPeak()``.
    static var peak: Int? {
        #if canImport(Glibc)
            let file = open("/proc/self/status", O_RDONLY)
            guard file >= 0 else { return nil }
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 8192)
            let count = read(file, &bytes, bytes.count)
            let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
            let line = lines.first { $0.hasPrefix("VmHWM:") }
            return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 * 1024 }
        #else
            return nil
        #endif
    }

    /// Bytes in main memory; `nil` where nobody can say. It hardly ever shrinks: measure what grows before anything else has been let go.
    static var resident: Int? {
        #if canImport(Glibc)
            let file = open("/proc/self/statm", O_RDONLY)
            guard file >= 0 else { return nil }
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 256)
            let count = read(file, &bytes, bytes.count)
            guard count > 0 else { return nil }
            // The second number: resident pages.
            let fields = bytes.prefix(count).split(separator: UInt8(ascii: " "))
            guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return nil }
            return pages * sysconf(Int32(_SC_PAGESIZE))
        #else
            return nil
        #endif
    }
}
