/// Values that left a shard and wait for its lock to be let go, before they go themselves. Two need no memory of their own.
@usableFromInline
struct Victims<Value: Sendable> {
    @usableFromInline var first: Value?
    @usableFromInline var second: Value?
    @usableFromInline var others: [Value] = []

    @inlinable init() {}

    /// Takes the value out of a slot that was just freed.
    @inlinable
    mutating func take(_ shard: Shard, _ slot: Int) {
        let place = shard.core.pointee.slab.value(slot, as: Value.self)
        let value = place.move()
        place.initialize(to: nil)
        // What is assigned over here is always nil, so nothing goes under the lock.
        guard let value else { return }
        if self.first == nil {
            self.first = value
        } else if self.second == nil {
            self.second = value
        } else {
            self.others.append(value)
        }
    }
}
