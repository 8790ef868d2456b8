internal import GroupCache
internal import NIOCore

/// The time after a change of the ring in which this node asks the former owners of its new keys for their values.
struct Warming: Sendable {
    /// Which of these times it is. One that is extended by a further change keeps its number, and its former ring.
    var number: Int
    var until: NIODeadline
    /// `nil`: there was none, because this node has just begun. Then a key was that node's which comes after us: a ring without us gives it
    /// to the next.
    var former: Former?

    /// The ring of before, and those of its members that can still be asked.
    struct Former: Sendable {
        var ring: HashRing
        /// By index of the ring's members; `nil`: this node, or one that has gone.
        var getters: [HTTPGetter?]

        /// - Parameter getters: those of now.
        init(_ ring: HashRing, among getters: [HTTPGetter?]) {
            let known = Dictionary(getters.compactMap { $0 }.map { ($0.id, $0) }) { first, _ in first }
            self.ring = ring
            self.getters = ring.members.map { known[$0.id] }
        }
    }

    /// What follows from replacing `old` by a new ring.
    ///
    /// - Parameter time: how long it lasts; zero: not at all.
    static func next(after old: Members?, ring: HashRing, getters: [HTTPGetter?], for time: Duration, now: NIODeadline) -> Warming {
        let last = old?.warming
        let until = now + .init(time)
        guard let old, !old.ring.members.isEmpty else { return Warming(number: (last?.number ?? 0) + 1, until: until, former: nil) }
        guard var last else { return Warming(number: 1, until: until, former: Former(old.ring, among: getters)) }
        if last.until > now {
            // Who has gone meanwhile cannot be asked any more.
            last.former = last.former.map { Former($0.ring, among: getters) }
            if old.ring.version != ring.version { last.until = until }
            return last
        }
        if old.ring.version == ring.version { return last }
        return Warming(number: last.number + 1, until: until, former: Former(old.ring, among: getters))
    }
}
