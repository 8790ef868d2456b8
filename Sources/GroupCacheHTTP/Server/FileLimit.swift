// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How many files, sockets among them, this process may have open (`RLIMIT_NOFILE`).
package enum FileLimit {
    /// The limit in force; `nil` when there is none, or when the system does not say.
    package static var current: Int? {
        self.read().flatMap { Int(exactly: $0.rlim_cur) }
    }

    /// Raises the limit in force to the highest that the system lets this process have. Where it is that already, nothing happens.
    ///
    /// The limit in force is low for the sake of programs that use `select`, which we do not. A library must not decide this for its process; an
    /// executable may.
    package static func raise() {
        guard var limit = self.read(), limit.rlim_cur < limit.rlim_max else { return }
        #if canImport(Darwin)
            // Darwin says "without end" and refuses more than this.
            limit.rlim_cur = min(limit.rlim_max, rlim_t(OPEN_MAX))
        #else
            limit.rlim_cur = limit.rlim_max
        #endif
        _ = setrlimit(self.resource, &limit)
    }

    /// How many connections a server may hold where `files` may be open: the rest is left to peers, origins and files. At least one.
    static func connections(files: Int?, atMost wanted: Int) -> Int {
        guard let files else { return wanted }
        return max(1, min(wanted, files - min(128, files / 2)))
    }

    private static func read() -> rlimit? {
        var limit = rlimit()
        return getrlimit(self.resource, &limit) == 0 ? limit : nil
    }

    #if canImport(Glibc)
        private static var resource: __rlimit_resource_t { __rlimit_resource_t(RLIMIT_NOFILE.rawValue) }
    #else
        private static var resource: Int32 { RLIMIT_NOFILE }
    #endif
}
