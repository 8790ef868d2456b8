/// How much a handler that is slower than the changes is told.
public struct HandlerDelivery: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case coalescing
        case everyChange(limit: Int)
    }

    let kind: Kind

    /// Several changes of one object that wait are told as one. Memory: one entry a key. The default.
    ///
    /// An object that comes and goes before the handler looks is not told at all; one that is deleted and comes back is updated.
    public static let coalescing = HandlerDelivery(kind: .coalescing)

    /// Each change is told, as long as no more than `limit` (at least 1) of them wait. Otherwise all that wait are dropped, and the handler is given all
    /// objects there are as ``InformerEvent/reset(_:)``: it loses changes, but never without a word.
    ///
    /// A resync of more objects than the limit comes as a reset, too.
    public static func everyChange(limit: Int) -> HandlerDelivery { HandlerDelivery(kind: .everyChange(limit: max(1, limit))) }
}
