/// What a get comes to: a value or "there is none", where it came from and how long it is good.
struct Answer<Value: Sendable>: Sendable {
    /// `nil`: there is no such key.
    var value: Value?
    var source: ServedEntry.Source
    /// Shared a load that another caller had begun.
    var collapsed = false
    /// In seconds.
    var age = 0
    /// `nil`: without end (or, with no value, not remembered).
    var ttl: Duration?
}
