/// What a handler of an informer is told.
public enum InformerEvent<Object: Sendable>: Sendable {
    /// An object has come, or was there when the handler came (`isInInitialList`).
    case added(Object, isInInitialList: Bool)
    /// An object has changed, or a resync tells it once more. `old` is what was told last, whatever came between.
    ///
    /// `recreated`: it was deleted and came back before the handler could be told.
    case updated(old: Object, new: Object, recreated: Bool)
    /// An object has gone. A tombstone says that nobody saw it go; its object may be an old one. What was told of it last is ``Deletion/told``.
    case deleted(Deletion<Object>)
    /// More changed than the handler's limit allows to remember: these are all objects, whatever else it knows has gone.
    ///
    /// Only with ``HandlerDelivery/everyChange(limit:)``.
    case reset([Object])
}

extension InformerEvent: Equatable where Object: Equatable {}
