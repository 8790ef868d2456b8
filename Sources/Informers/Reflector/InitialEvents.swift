/// What a streaming list has told so far, folded by key, in the order in which the keys came.
struct InitialEvents<Object: Sendable>: Sendable {
    private var slots: [Object?] = []
    private var places: [String: Int] = [:]
    /// What cannot be kept. One such object must not keep the others out for ever.
    private(set) var leftOut = LeftOut()

    /// The objects.
    var objects: [Object] { self.slots.compactMap(\.self) }

    /// Takes an event; the list's version if it was the one that says that this was everything. Throws what the event says.
    mutating func receive<Store: ReflectorStore>(_ event: WatchEvent<Object>, store: Store) throws(Status) -> String?
    where Store.Object == Object {
        switch event.change {
        case .added(let object), .modified(let object):
            // The key is that of what will be stored, as everywhere: a transformer may change it.
            guard let (object, key) = self.leftOut.transformed(object, store) else {
                // What it was before is not what it is.
                self.drop(try? store.key(for: object))
                return nil
            }
            if let place = self.places[key] {
                self.slots[place] = object
            } else {
                self.places[key] = self.slots.count
                self.slots.append(object)
            }
        case .deleted(let object):
            let transformed = try? store.transform(object)
            self.drop(try? store.key(for: transformed ?? object))
        case .bookmark(let bookmark):
            if bookmark.isInitialEventsEnd { return event.resourceVersion }
        case .error(let status): throw status
        case .unknown, .foreign: break
        }
        return nil
    }

    private mutating func drop(_ key: String?) {
        if let key, let place = self.places.removeValue(forKey: key) { self.slots[place] = nil }
    }
}
