// SPDX-License-Identifier: Apache-2.0

internal import Informers
internal import NIOConcurrencyHelpers

/// The list as it is when this is called. To make one of a thousand members takes a while, and a zone that is lost is hundreds of changes.
typealias Listing = @Sendable () -> Result<[Member], DiscoveryError>

/// What a reflector has of a source, to be made into a list of members after a change.
final class MemberStore<Object: Sendable>: ReflectorStore {
    private struct State: Sendable {
        var objects: [String: Object] = [:]
        var hasList = false
    }

    private let name: @Sendable (Object) -> String
    private let merge: @Sendable (_ old: Object?, _ new: Object) -> Object
    private let members: @Sendable ([Object]) -> Result<[Member], DiscoveryError>
    private let take: @Sendable (@escaping Listing) -> Void
    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - name: of an object, by which it is known again.
    ///   - merge: what is kept of an object that comes when there is an old one of that name.
    ///   - members: the list that the objects are. They come in no order.
    ///   - take: told of each change, and when nothing has changed: then the source has said once more that it is so. Whoever is told makes the list when he
    ///     needs it.
    init(
        name: @escaping @Sendable (Object) -> String,
        merge: @escaping @Sendable (_ old: Object?, _ new: Object) -> Object = { $1 },
        members: @escaping @Sendable ([Object]) -> Result<[Member], DiscoveryError>,
        take: @escaping @Sendable (@escaping Listing) -> Void
    ) {
        self.name = name
        self.merge = merge
        self.members = members
        self.take = take
    }

    func key(for object: Object) throws -> String { self.name(object) }
    func add(_ object: Object) { self.put(object) }
    func update(_ object: Object) { self.put(object) }

    func delete(_ object: Object) {
        self.state.withLockedValue { $0.objects[self.name(object)] = nil }
        self.tell()
    }

    func replace(_ objects: [Object], resourceVersion: String) {
        self.state.withLockedValue { state in
            let old = state.objects
            state.objects = Dictionary(objects.map { (self.name($0), self.merge(old[self.name($0)], $0)) }) { $1 }
            state.hasList = true
        }
        self.tell()
    }

    func resync() {}

    /// The source lives, and nothing has changed.
    func updateResourceVersion(_ resourceVersion: String) { self.tell() }

    /// There is a list, and it may be another one. Without a first list there is none: a change tells of a part.
    func tell() {
        guard self.state.withLockedValue({ $0.hasList }) else { return }
        self.take { self.members(self.state.withLockedValue { Array($0.objects.values) }) }
    }

    private func put(_ object: Object) {
        self.state.withLockedValue { state in
            let name = self.name(object)
            state.objects[name] = self.merge(state.objects[name], object)
        }
        self.tell()
    }
}
