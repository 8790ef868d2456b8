// SPDX-License-Identifier: Apache-2.0

/// What became of a request of a link. The raw value is the number on the wire.
enum LinkStatus: UInt32, Sendable {
    case value = 0
    case notFound = 1
    case getterFailed = 2
    case overloaded = 3
    /// The value is too large for the link: ask for it by GET.
    case tooLarge = 4
    case deadlineExceeded = 5
    case noSuchGroup = 6
    case badRequest = 7
    case shuttingDown = 8
    case codecFailed = 9
    /// A set or a remove was carried out.
    case done = 10
    case forbidden = 11
    /// The answerer of a peek neither holds the key nor loads it.
    case notHeld = 12
    /// The load waits for one that the request's trail names, and so for itself.
    case recursiveLoad = 13
    /// By its own ring the answerer does not own the key.
    case notOwner = 14
    /// A change is made, but some nodes have not heard of it; the message names them.
    case notDelivered = 15
    /// A status of a later version: taken for a failure of the peer. Written as a number that will never be a status.
    case unknown = 0xFFFF_FFFF

    init(wire number: UInt64) {
        self = Self(rawValue: UInt32(truncatingIfNeeded: number)) ?? .unknown
    }
}
