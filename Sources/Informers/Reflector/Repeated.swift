/// Something that may happen ever so often and is to be told rarely: the first time at once, then at intervals how often it was.
///
/// A value without a clock: one who fails at each of a million events must not fill a disk with it.
struct Repeated: Sendable {
    private let interval: Duration
    private var count = 0
    private var told: Duration?

    init(every interval: Duration = .seconds(60)) { self.interval = interval }

    /// It has happened. How often since it was told last, if it is to be told now.
    mutating func happened(now: Duration) -> Int? {
        self.count += 1
        if let told = self.told, now - told < self.interval { return nil }
        self.told = now
        defer { self.count = 0 }
        return self.count
    }
}
