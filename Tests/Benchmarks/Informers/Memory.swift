#if canImport(Glibc)
    import Glibc
#endif

/// How much memory this process has.
enum Memory {
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
