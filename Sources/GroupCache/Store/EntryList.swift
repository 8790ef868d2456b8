/// The ends of a doubly linked list of slots, and what its entries hold together.
struct EntryList {
    /// The entry used last, or that came last; -1: none.
    var head: Int32 = -1
    /// The entry that leaves first; -1: none.
    var tail: Int32 = -1
    var count = 0
    /// Key and value bytes.
    var bytes = 0
    /// All that the entries take of the capacity.
    var footprint = 0
}
