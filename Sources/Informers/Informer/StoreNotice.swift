/// What the owner of a store has done to it, for the mailboxes of handlers.
struct StoreNotice<Object: Sendable>: Sendable {
    enum Change: Sendable {
        case added(Object)
        case updated(old: Object, new: Object)
        /// With what the store had.
        case deleted(Deletion<Object>, old: Object)
        /// As it was: only for those whose time for a resync has come.
        case sync(Object)
    }

    var key: String
    var change: Change
}
