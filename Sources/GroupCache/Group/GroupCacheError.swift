// SPDX-License-Identifier: Apache-2.0

/// The one error of this library.
///
/// Every verb throws it typed, so a `catch` without a pattern has a `GroupCacheError` and makes the statement complete. A pattern names a code;
/// message and cause do not matter to it:
///
/// ```swift
/// do {
///     return try await scores.get("Tom")
/// } catch .notFound {
///     return nil
/// } catch .overloaded {
///     throw HTTPError(.serviceUnavailable)
/// } catch {
///     throw error.cause ?? error
/// }
/// ```
///
/// Where other errors can be thrown as well, write the name: `catch GroupCacheError.notFound`. `switch error` and `switch error.code` take the same
/// patterns; more codes may come, so keep a default.
///
/// Neither ``message`` nor ``description`` ever shows a key or a value; ``cause`` is the getter's own error and is left as the getter threw it.
public struct GroupCacheError: Error, Sendable {
    /// What kind of failure it was.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        fileprivate enum Base: String {
            case notFound, getterFailed, peerFailed, deadlineExceeded, cancelled, recursiveLoad, overloaded, shutDown
            case emptyKey, keyTooLong, valueTooLarge, codecFailed, noSuchGroup, duplicateGroup, invalidConfiguration
            case badRequest, unsupported, unauthorized, notHeld, conditionFailed, notOwner
            case notDelivered, cannotFollow, ringsDiffer, ownerChanging
        }

        fileprivate let base: Base

        /// The getter (here or at the owner) says that there is no such key.
        public static let notFound = Self(base: .notFound)
        /// The getter (here or at the owner) threw. ``GroupCacheError/cause`` holds the error if the getter ran in this process.
        public static let getterFailed = Self(base: .getterFailed)
        /// A peer did not answer, or answered with something that is not its protocol.
        public static let peerFailed = Self(base: .peerFailed)
        /// The load did not end in time.
        public static let deadlineExceeded = Self(base: .deadlineExceeded)
        /// The calling task was cancelled while it waited.
        public static let cancelled = Self(base: .cancelled)
        /// A getter asked, directly or through others, for the key that it is loading.
        public static let recursiveLoad = Self(base: .recursiveLoad)
        /// Too much is already running; try again after ``GroupCacheError/retryAfter``.
        public static let overloaded = Self(base: .overloaded)
        /// The pool or the node is stopping.
        public static let shutDown = Self(base: .shutDown)
        /// The key has no bytes.
        public static let emptyKey = Self(base: .emptyKey)
        /// The key is longer than ``Key/maximumLength``.
        public static let keyTooLong = Self(base: .keyTooLong)
        /// The value is larger than the limit of the pool, or than a peer accepts.
        public static let valueTooLarge = Self(base: .valueTooLarge)
        /// The codec threw, here or at the owner.
        public static let codecFailed = Self(base: .codecFailed)
        /// The peer knows no group of that name.
        public static let noSuchGroup = Self(base: .noSuchGroup)
        /// The pool already has a group of that name.
        public static let duplicateGroup = Self(base: .duplicateGroup)
        /// A setting is out of its range.
        public static let invalidConfiguration = Self(base: .invalidConfiguration)
        /// A request is not of the form that its receiver understands.
        public static let badRequest = Self(base: .badRequest)
        /// The peer's dialect has no such operation.
        public static let unsupported = Self(base: .unsupported)
        /// The peer lets only those change something who prove that they may: see the pool's tokens and certificates.
        public static let unauthorized = Self(base: .unauthorized)
        /// A peer was asked for what it holds, and holds nothing of the key: see ``PeerRequest/isPeek``.
        public static let notHeld = Self(base: .notHeld)
        /// What a set or remove was to depend on is not so, and nothing has changed: see ``ChangeCondition``.
        public static let conditionFailed = Self(base: .conditionFailed)
        /// The node does not own the key by its own ring, and only the owner can compare: see ``ChangeCondition``.
        public static let notOwner = Self(base: .notOwner)
        /// A change is made, but not everywhere: ``GroupCacheError/nodes`` have not heard of it. It waits for them in this process, and they may serve what
        /// was there before until they hear, or until what they hold ends.
        public static let notDelivered = Self(base: .notDelivered)
        /// Nobody can say when all have heard: ``GroupCacheError/nodes`` have no stream of changes.
        public static let cannotFollow = Self(base: .cannotFollow)
        /// Two nodes send a change to each other, since each takes the other for the owner. Try again: rings become the same.
        public static let ringsDiffer = Self(base: .ringsDiffer)
        /// The key has just come to its owner, which does not know yet what the former one has; or this node has not heard yet who the others are. Nothing has
        /// changed. Try again.
        public static let ownerChanging = Self(base: .ownerChanging)

        /// The name of the code, fit for a metric label.
        public var description: String { self.base.rawValue }

        /// The code with this ``description``, if there is one: how a code crosses the wire.
        public init?(_ description: String) {
            guard let base = Base(rawValue: description) else { return nil }
            self.base = base
        }

        private init(base: Base) { self.base = base }
    }

    private struct Content {
        var code: Code
        var message: String
        var cause: (any Error)?
        var retryAfter: Duration?
        var group: String?
        var nodes: [String] = []
        var isMade = false
    }

    private final class Storage: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    /// One reference, because every result of a load is this or a value, and is handed on a dozen times.
    private var storage: Storage

    private var content: Content {
        get { self.storage.content }
        set { self.storage = Storage(newValue) }
    }

    /// What kind of failure it was.
    public var code: Code {
        get { self.storage.content.code }
        set { self.content.code = newValue }
    }

    /// One line for people. Constant text: no key, no value.
    public var message: String {
        get { self.storage.content.message }
        set { self.content.message = newValue }
    }

    /// The error behind this one: what the getter or the codec threw, or the transport's error.
    public var cause: (any Error)? {
        get { self.storage.content.cause }
        set { self.content.cause = newValue }
    }

    /// How long the same answer holds: for ``Code/notFound`` the time to cache it, for ``Code/overloaded`` the time to wait.
    public var retryAfter: Duration? {
        get { self.storage.content.retryAfter }
        set { self.content.retryAfter = newValue }
    }

    /// For ``Code/notFound`` that a get has thrown: the name of the group that has no such key. A getter that lets it through says that it could
    /// not load its own value for want of another one; to say that its own key does not exist it throws one without a group.
    public var group: String? {
        get { self.storage.content.group }
        set { self.content.group = newValue }
    }

    /// For ``Code/notDelivered`` and ``Code/cannotFollow``: the ids of the nodes that it is about, in order.
    public var nodes: [String] {
        get { self.storage.content.nodes }
        set { self.content.nodes = newValue }
    }

    /// Whether the node that has to make a change has made it, and only others are waited for.
    package var isMade: Bool {
        get { self.storage.content.isMade }
        set { self.content.isMade = newValue }
    }

    /// An error with a code, one line of constant text and what caused it.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil, retryAfter: Duration? = nil) {
        self.storage = Storage(Content(code: code, message: message, cause: cause, retryAfter: retryAfter))
    }
}

extension GroupCacheError: CustomStringConvertible {
    /// The code, the message and the nodes. The cause is left out, because its text is not ours to vouch for.
    public var description: String {
        self.nodes.isEmpty ? "\(self.code): \(self.message)" : "\(self.code): \(self.message): \(self.nodes.joined(separator: ", "))"
    }
}

extension GroupCacheError {
    /// Whether this is an answer about the key, rather than a failure to get one: nobody else is to be asked.
    var isFinal: Bool {
        switch self.code {
        case .notFound, .getterFailed, .codecFailed, .overloaded, .recursiveLoad, .valueTooLarge, .emptyKey, .keyTooLong, .deadlineExceeded:
            true
        default: false
        }
    }
}

// To throw, and to match: `throw GroupCacheError.notFound`, `catch GroupCacheError.notFound`.
extension GroupCacheError {
    /// What a get throws for a key that does not exist.
    static func notFound(in group: String) -> Self {
        var error = Self.notFound
        error.group = group
        return error
    }

    /// The key does not exist.
    public static let notFound = Self(.notFound, "the key does not exist")
    /// The getter threw.
    public static let getterFailed = Self(.getterFailed, "the getter failed")
    /// A peer did not answer.
    public static let peerFailed = Self(.peerFailed, "a peer did not answer")
    /// The deadline passed.
    public static let deadlineExceeded = Self(.deadlineExceeded, "the load did not end before its deadline")
    /// The caller was cancelled.
    public static let cancelled = Self(.cancelled, "the caller was cancelled")
    /// The getter came back to its own key.
    public static let recursiveLoad = Self(.recursiveLoad, "a getter asked, directly or through others, for the key that it is loading")
    /// Too much is running or waiting.
    public static let overloaded = Self(.overloaded, "too much is already running")
    /// The pool or the node is stopping.
    public static let shutDown = Self(.shutDown, "the pool is stopping")
    /// The key is empty.
    public static let emptyKey = Self(.emptyKey, "a key has at least one byte")
    /// The key is too long.
    public static let keyTooLong = Self(.keyTooLong, "a key has at most \(Key.maximumLength) bytes")
    /// The value is too large to be kept or sent.
    public static let valueTooLarge = Self(.valueTooLarge, "the value is too large")
    /// The codec threw.
    public static let codecFailed = Self(.codecFailed, "the value could not be encoded or decoded")
    /// The peer does not know the group.
    public static let noSuchGroup = Self(.noSuchGroup, "the peer does not know the group")
    /// The pool has a group of that name.
    public static let duplicateGroup = Self(.duplicateGroup, "the pool already has a group of that name")
    /// A setting is out of its range.
    public static let invalidConfiguration = Self(.invalidConfiguration, "a setting is out of its range")
    /// The request is not understood.
    public static let badRequest = Self(.badRequest, "the request is not understood")
    /// The peer's dialect has no such operation.
    public static let unsupported = Self(.unsupported, "the peer has no such operation")
    /// The peer wants a proof.
    public static let unauthorized = Self(.unauthorized, "the peer wants another token or certificate")
    /// The peer neither holds the key nor loads it.
    public static let notHeld = Self(.notHeld, "the peer neither holds the key nor loads it")

    /// A condition does not hold.
    public static let conditionFailed = Self(.conditionFailed, "the condition does not hold, and nothing has changed")
    /// Another node owns the key.
    public static let notOwner = Self(.notOwner, "this node does not own the key, and only the owner can compare")

    /// Not all have heard of a change.
    public static let notDelivered = Self(.notDelivered, "the change is made, but not all nodes have heard of it")
    /// Not all can hear of a change.
    public static let cannotFollow = Self(.cannotFollow, "the change is made, but some nodes have no way to say that they have heard of it")
    /// Two nodes take each other for the owner.
    public static let ringsDiffer = Self(.ringsDiffer, "the nodes do not agree on the key's owner; try again")
    /// The owner is new.
    public static let ownerChanging = Self(.ownerChanging, "the key has just come to its owner; try again")

    /// Nobody has said yet who owns what.
    package static let ownersUnknown = Self(.ownerChanging, "this node has not heard yet who the others are; try again")

    /// This error, about some nodes.
    package func about(_ nodes: [String]) -> Self {
        var error = self
        error.nodes = nodes.sorted()
        return error
    }

    /// The change is made, and these nodes may serve what was there before.
    package static func unheard(by nodes: [String]) -> Self {
        var error = Self.notDelivered.about(nodes)
        error.isMade = true
        return error
    }

    /// Whether `error` has the code of `pattern`: for `catch` and `case`.
    public static func ~= (pattern: Self, error: any Error) -> Bool {
        pattern.code ~= error
    }
}

extension GroupCacheError.Code {
    /// Whether `error` is a ``GroupCacheError`` of this code: for `catch GroupCacheError.Code.notFound`.
    ///
    /// Disfavoured so that `catch .notFound`, which both operators would accept, has one meaning.
    @_disfavoredOverload
    public static func ~= (code: Self, error: any Error) -> Bool {
        (error as? GroupCacheError)?.code == code
    }
}
