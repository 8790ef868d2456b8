/// What a get comes to: a value or "there is none", where it came from and how long it is good.
///
/// It does not know the type of the value. Only ``Group`` is generic; were the flights so too, everything that a load touches on its way would be
/// unspecialised code in other people's modules, and a tenth of the time of a peer get would go into looking up type metadata.
@usableFromInline
struct Answer: Sendable {
    /// `nil`: there is no such key. Else a `Value` of the group.
    @usableFromInline var value: (any Sendable)?
    var source: ServedEntry.Source
    /// Shared a load that another caller had begun.
    var collapsed = false
    /// What the store has is newer.
    var isSuperseded = false
    /// That of the entry that was stored with it; 0: not known.
    var version: UInt64 = 0
    /// `nil`: without end (or, with no value, not remembered).
    var ttl: Duration?
}
