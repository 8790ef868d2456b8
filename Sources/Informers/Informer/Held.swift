// SPDX-License-Identifier: Apache-2.0

// What knows the type of the objects is inlined into whoever makes an informer, so that it is compiled for that type. Unspecialised it looks up the
// types of what it holds at each event, which takes longer than what it does with them.

/// An object of an informer as everything between its source and its handlers knows it: by reference, and by no type of its own.
///
/// So that whole way is compiled for this one type, and one object is counted where its fields would be, in each queue and for each handler.
@usableFromInline
struct Held: Sendable {
    @usableFromInline
    final class Box<Object: Sendable>: Sendable {
        @usableFromInline let object: Object

        @inlinable
        init(_ object: Object) { self.object = object }
    }

    @usableFromInline let box: any AnyObject & Sendable

    @inlinable
    init<Object: Sendable>(_ object: Object) { self.box = Box(object) }

    /// The object. An informer holds objects of one type, and asks for no other; it names it each time, so that no optional of it can be meant.
    @inlinable
    func object<Object: Sendable>(as type: Object.Type) -> Object { (self.box as! Box<Object>).object }
}

/// A source of any objects, for an informer.
@usableFromInline
struct HeldSource: ListerWatcher {
    @usableFromInline let lists: @Sendable (ListOptions) async throws -> ListResult<Held>
    @usableFromInline let watches: @Sendable (WatchOptions) async throws -> WatchStream<Held>

    @inlinable
    init<Source: ListerWatcher>(_ source: Source) {
        self.lists = { options in
            let list = try await source.list(options)
            return ListResult(
                list.items.map { Held($0) },
                resourceVersion: list.resourceVersion,
                continueToken: list.continueToken,
                unreadable: list.unreadable
            )
        }
        self.watches = { options in
            let stream = try await source.watch(options)
            return WatchStream(HeldWatchSource(next: { await stream.next()?.held }, stop: { stream.stop() }))
        }
    }

    @usableFromInline
    func list(_ options: ListOptions) async throws -> ListResult<Held> { try await self.lists(options) }

    @usableFromInline
    func watch(_ options: WatchOptions) async throws -> WatchStream<Held> { try await self.watches(options) }
}

/// The events of a stream, for an informer. Of closures: as a generic type it would not be compiled for the type of the objects.
@usableFromInline
struct HeldWatchSource: WatchSource {
    private let nextEvent: @Sendable () async -> WatchEvent<Held>?
    private let stop: @Sendable () -> Void

    @usableFromInline
    init(next: @escaping @Sendable () async -> WatchEvent<Held>?, stop: @escaping @Sendable () -> Void) {
        self.nextEvent = next
        self.stop = stop
    }

    @usableFromInline
    func next() async throws -> WatchEvent<Held>? { await self.nextEvent() }

    @usableFromInline
    func close() { self.stop() }
}

extension WatchEvent {
    @inlinable var held: WatchEvent<Held> {
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
    @inlinable
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
    @inlinable var held: SharedInformerConfiguration<Held> {
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
