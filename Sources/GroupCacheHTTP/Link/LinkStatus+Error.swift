// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

// What a status says to a caller, and what a failure is on the wire.
extension LinkStatus {
    init(_ error: GroupCacheError) {
        switch error.code {
        case .notFound: self = .notFound
        case .getterFailed: self = .getterFailed
        case .overloaded: self = .overloaded
        case .valueTooLarge: self = .tooLarge
        case .deadlineExceeded: self = .deadlineExceeded
        case .noSuchGroup: self = .noSuchGroup
        case .codecFailed: self = .codecFailed
        case .unauthorized: self = .forbidden
        case .notHeld: self = .notHeld
        case .recursiveLoad: self = .recursiveLoad
        case .notOwner: self = .notOwner
        case .notDelivered, .cannotFollow: self = .notDelivered
        // The owner's load was cancelled because the owner stops, not because of us.
        case .shutDown, .cancelled: self = .shuttingDown
        default: self = .badRequest
        }
    }

    /// What the caller is told of a reply without a value.
    ///
    /// - Parameters:
    ///   - ttl: how long a "not found" may be remembered.
    ///   - retryAfter: milliseconds; 0: not said.
    func error(ttl: Duration?, retryAfter: UInt32) -> GroupCacheError {
        switch self {
        case .notFound: GroupCacheError(.notFound, GroupCacheError.notFound.message, retryAfter: ttl)
        case .getterFailed: GroupCacheError(.getterFailed, "the owner's getter failed")
        case .overloaded:
            GroupCacheError(
                .overloaded,
                "the peer has too much to do",
                retryAfter: retryAfter == 0 ? nil : .milliseconds(Int64(retryAfter))
            )
        case .deadlineExceeded: .deadlineExceeded
        case .noSuchGroup: GroupCacheError(.noSuchGroup, "the peer does not know the group")
        case .badRequest: GroupCacheError(.badRequest, "the peer does not accept the request")
        case .shuttingDown: GroupCacheError(.shutDown, "the peer is stopping")
        case .codecFailed: GroupCacheError(.codecFailed, "the owner's codec failed")
        case .forbidden: GroupCacheError(.unauthorized, "the peer wants another token or certificate for this than it was shown")
        case .notHeld: .notHeld
        case .recursiveLoad: .recursiveLoad
        case .notOwner: .notOwner
        case .notDelivered: .notDelivered
        case .value, .tooLarge, .done, .unknown: GroupCacheError(.peerFailed, "the peer's answer is of no known kind")
        }
    }
}
