/// An object of an informer as everything between its source and its handlers knows it: by reference, and by no type of its own.
///
/// So that whole way is compiled for this one type. Generic code that is compiled apart from its users looks up the types of its locals as it goes,
/// which was nearly half of what an event cost; and one object is counted where its fields would be, in each queue and for each handler.
struct Held: Sendable {
    private final class Box<Object: Sendable>: Sendable {
        let object: Object
        init(_ object: Object) { self.object = object }
    }

    private let box: any AnyObject & Sendable

    init<Object: Sendable>(_ object: Object) { self.box = Box(object) }

    /// The object. An informer holds objects of one type, and asks for no other; it names it each time, so that no optional of it can be meant.
    func object<Object: Sendable>(as type: Object.Type) -> Object { (self.box as! Box<Object>).object }
}

/// A source of any objects, for an informer.
struct HeldSource: ListerWatcher {
    private struct Stream<Object: Sendable>: WatchSource {
        let stream: WatchStream<Object>

        func next() async throws -> WatchEvent<Held>? { await self.stream.next()?.held }
        func close() { self.stream.stop() }
    }

    private let lists: @Sendable (ListOptions) async throws -> ListResult<Held>
    private let watches: @Sendable (WatchOptions) async throws -> WatchStream<Held>

    init<Object: Sendable>(_ source: some ListerWatcher<Object>) {
        self.lists = { options in
            let list = try await source.list(options)
            return ListResult(
                list.items.map { Held($0) },
                resourceVersion: list.resourceVersion,
                continueToken: list.continueToken,
                unreadable: list.unreadable
            )
        }
        self.watches = { WatchStream(Stream(stream: try await source.watch($0))) }
    }

    func list(_ options: ListOptions) async throws -> ListResult<Held> { try await self.lists(options) }
    func watch(_ options: WatchOptions) async throws -> WatchStream<Held> { try await self.watches(options) }
}

extension WatchEvent {
    fileprivate var held: WatchEvent<Held> {
        let change: WatchEvent<Held>.Change =
            switch self.change {
            case .added(let object): .added(Held(object))
            case .modified(let object): .modified(Held(object))
            case .deleted(let object): .deleted(Held(object))
            case .bookmark(let bookmark):
                .bookmark(.init(isInitialEventsEnd: bookmark.isInitialEventsEnd, elapsedMilliseconds: bookmark.elapsedMilliseconds))
            case .error(let status): .error(status)
            case .unknown(let type): .unknown(type: type)
            case .foreign(let kind): .foreign(kind: kind)
            }
        return WatchEvent<Held>(change, resourceVersion: self.resourceVersion)
    }
}

extension InformerEvent<Held> {
    /// The same event, as the handler is told it.
    func typed<Typed: Sendable>(as type: Typed.Type) -> InformerEvent<Typed> {
        switch self {
        case .added(let object, let isInInitialList): .added(object.object(as: type), isInInitialList: isInInitialList)
        case .updated(let old, let new, let recreated): .updated(old: old.object(as: type), new: new.object(as: type), recreated: recreated)
        case .deleted(let deletion): .deleted(deletion.map { $0.object(as: type) })
        case .reset(let objects): .reset(objects.map { $0.object(as: type) })
        }
    }
}

extension SharedInformerConfiguration {
    /// The same settings, for objects by reference.
    var held: SharedInformerConfiguration<Held> {
        var held = SharedInformerConfiguration<Held>()
        held.reflector = self.reflector
        held.defaultResyncPeriod = self.defaultResyncPeriod
        held.queueLimit = self.queueLimit
        held.removalLimit = self.removalLimit
        if let transform = self.transform { held.transform = { object in Held(try transform(object.object(as: Object.self))) } }
        if let isSame = self.isSame { held.isSame = { old, new in isSame(old.object(as: Object.self), new.object(as: Object.self)) } }
        return held
    }
}
