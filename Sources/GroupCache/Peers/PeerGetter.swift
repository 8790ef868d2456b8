/// Another node, as a group asks it for values.
///
/// Every request to a peer is terminal: the peer answers from its cache or its getter and never asks a third node, so peer lists that
/// differ cannot make two nodes wait for each other.
public protocol PeerGetter: Sendable {
    /// The identity of the node in the ring.
    var id: String { get }

    /// Asks for the value of a key.
    ///
    /// - Throws: ``GroupCacheError``; ``GroupCacheError/Code/notFound``, ``GroupCacheError/Code/getterFailed``,
    ///   ``GroupCacheError/Code/codecFailed``, ``GroupCacheError/Code/deadlineExceeded`` and ``GroupCacheError/Code/overloaded`` are the peer's
    ///   word and final. Every other code says that the peer could not be asked, and the caller goes on to the next owner.
    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry
    /// Asks for the value of a key and returns at once; `caller` is told the answer under `tag`. By default a task that runs ``get(_:)``.
    ///
    /// - Returns: what the request can be cancelled with; `nil`: the caller has been told already.
    func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)?
    /// Asks for the values of many keys of one group and returns at once; `caller` is told the answer to each key under its index in
    /// `keys`, in any order. By default one request for each key, some of them at a time.
    func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)?
    /// Stores a value at the peer.
    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError)
    /// Removes a value from the peer.
    func remove(_ request: PeerRequest) async throws(GroupCacheError)
}

extension PeerGetter {
    /// Runs ``get(_:)`` in a task.
    public func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)? {
        PeerTask(
            Task {
                do throws(GroupCacheError) {
                    caller.peerAnswered(tag, .success(try await self.get(request)))
                } catch {
                    caller.peerAnswered(tag, .failure(error))
                }
            }
        )
    }

    /// Runs ``get(_:)`` for each key, at most 64 at a time, in a task.
    public func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)? {
        PeerTask(
            Task {
                let queue = IndexQueue(count: keys.count)
                await withDiscardingTaskGroup { tasks in
                    for _ in 0..<min(64, keys.count) {
                        tasks.addTask {
                            while let index = queue.next() {
                                // A get that does not heed its cancellation would be called for each of the rest.
                                guard !Task.isCancelled else {
                                    caller.peerAnswered(index, .failure(.cancelled))
                                    continue
                                }
                                var single = PeerRequest(group: request.group, key: keys[index], timeout: request.timeout)
                                single.trace = request.trace
                                single.schema = request.schema
                                single.trail = request.trail
                                if request.isPeek { (single.isPeek, single.timeout) = (true, .zero) }
                                do throws(GroupCacheError) {
                                    caller.peerAnswered(index, .success(try await self.get(single)))
                                } catch {
                                    caller.peerAnswered(index, .failure(error))
                                }
                            }
                        }
                    }
                }
            }
        )
    }
}

/// A request that is a task.
final class PeerTask: PeerTicket {
    private let task: Task<Void, Never>

    init(_ task: Task<Void, Never>) { self.task = task }

    func cancel() { self.task.cancel() }
}

/// What is asked of a peer.
public struct PeerRequest: Sendable {
    /// The group's name.
    public var group: String
    /// The key.
    public var key: Key
    /// How long the answer is of use; `nil`: as long as the pool allows. The rest of it crosses the wire.
    public var timeout: Duration?
    /// Load the value anew, even if a fresh one is cached.
    public var reload = false
    /// Answer with what is cached, or is being loaded already, and call no getter: this node owns the key since a moment ago, and asks its
    /// former owner. A peer that has nothing says ``GroupCacheError/Code/notHeld``. With a ``timeout`` of zero no load is waited for.
    public var isPeek = false
    /// Another peer has been asked before, and has failed or is slow. A transport may hold such requests to a budget, so that
    /// a failing node does not double the load of the others.
    public var isRepeated = false
    /// The trace that the request belongs to, if somebody traces.
    public var trace: PeerTrace?
    /// The name of the schema of the group's values, at most ``schemaLimit`` bytes of UTF-8; `nil`: the group names none.
    public var schema: String?
    /// The loads in whose getters the request was made, the outermost first: numbers that are made of group and key in the same way on every node.
    /// A node that is asked to wait for one of these would wait for itself. Of more than ``trailLimit`` the last ones cross.
    public var trail: [UInt64] = []

    /// The longest ``schema``, in bytes. A longer one does not cross the wire.
    public static let schemaLimit = 128
    /// How many loads of a ``trail`` cross the wire.
    public static let trailLimit = 16

    /// A request about `key` of `group`.
    public init(group: String, key: Key, timeout: Duration? = nil) {
        self.group = group
        self.key = key
        self.timeout = timeout
    }
}

/// What is asked of a peer about many keys.
public struct PeerBatch: Sendable {
    /// The group's name.
    public var group: String
    /// How long the answers are of use; `nil`: as long as the pool allows.
    public var timeout: Duration?
    /// Answer with what is cached, at once; what is not there, or is only being loaded, is ``GroupCacheError/Code/notHeld``.
    public var isPeek = false
    /// The trace that the request belongs to, if somebody traces.
    public var trace: PeerTrace?
    /// The name of the schema of the group's values: see ``PeerRequest/schema``.
    public var schema: String?
    /// The loads in whose getters the request was made: see ``PeerRequest/trail``.
    public var trail: [UInt64] = []

    /// A request about keys of `group`.
    public init(group: String, timeout: Duration? = nil) {
        self.group = group
        self.timeout = timeout
    }
}

/// A value as it crosses the wire.
public struct PeerEntry: Sendable {
    /// The encoded value.
    public var value: ByteView
    /// How much longer it is fresh; `nil`: without end.
    public var ttl: Duration?
    /// Which of the owner's values of the key this is; greater is newer, on the same owner. 0: not known.
    public var version: UInt64 = 0
    /// The name of the schema that the value is of, at whoever encoded it; `nil`: none is named. See ``PeerRequest/schema``.
    public var schema: String?
    /// What is said of the value beside its bytes.
    public var attributes = EntryAttributes.none

    /// An entry that is fresh for `ttl`.
    public init(value: ByteView, ttl: Duration? = nil, version: UInt64 = 0) {
        self.value = value
        self.ttl = ttl
        self.version = version
    }
}
