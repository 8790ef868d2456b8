// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// How long this process has had a processor: what else the machine does is not in it.
enum ProcessTime {
    static var now: Duration {
        #if canImport(Glibc)
            Self.read(CLOCK_PROCESS_CPUTIME_ID)
        #else
            ContinuousClock().systemEpoch.duration(to: .now)
        #endif
    }

    /// How long the calling thread has had one.
    static var ofThread: Duration {
        #if canImport(Glibc)
            Self.read(CLOCK_THREAD_CPUTIME_ID)
        #else
            Self.now
        #endif
    }

    #if canImport(Glibc)
        private static func read(_ clock: clockid_t) -> Duration {
            var time = timespec()
            guard clock_gettime(clock, &time) == 0 else { return .zero }
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }
    #endif
}
