/// What a streaming list has told so far, folded by key, in the order in which the keys came.
struct InitialEvents<Object: Sendable>: Sendable {
    private var slots: [Object?] = []
    private var places: [String: Int] = [:]

    /// The objects.
    var objects: [Object] { self.slots.compactMap(\.self) }

    /// Takes an event; the list's version if it was the one that says that this was everything. Throws what the event or the store throws.
    mutating func receive<Store: ReflectorStore>(_ event: WatchEvent<Object>, store: Store) throws -> String? where Store.Object == Object {
        switch event.change {
        case .added(let object), .modified(let object):
            let key = try store.key(for: object)
            let object = try store.transform(object)
            if let place = self.places[key] {
                self.slots[place] = object
            } else {
                self.places[key] = self.slots.count
                self.slots.append(object)
            }
        case .deleted(let object):
            if let place = self.places.removeValue(forKey: try store.key(for: object)) { self.slots[place] = nil }
        case .bookmark(let bookmark):
            if bookmark.isInitialEventsEnd { return event.resourceVersion }
        case .error(let status): throw status
        case .unknown, .foreign: break
        }
        return nil
    }
}
