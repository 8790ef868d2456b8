#if canImport(Glibc)
    import Glibc
#endif

/// How long this process has had a processor: what else the machine does is not in it.
enum ProcessTime {
    static var now: Duration {
        #if canImport(Glibc)
            var time = timespec()
            guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return .zero }
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        #else
            return ContinuousClock().systemEpoch.duration(to: .now)
        #endif
    }
}
