// SPDX-License-Identifier: Apache-2.0

/// What a request of a link asks for. The raw value is the number on the wire.
enum LinkVerb: UInt32, Sendable {
    case get = 0
    /// A get that loads the value anew, even if a fresh one is cached.
    case reload = 1
    case set = 2
    case remove = 3
    /// A get of what the answerer holds or loads already.
    case peek = 4
    /// What has changed at the answerer after a place, or a while later that nothing has: see ``ChangeQuestion``.
    case follow = 5
    /// Changes that the answerer has to make as its own: see ``ChangeList``.
    case make = 6
    /// Which keys the answerer holds that are the asker's now: see ``MovedQuestion``.
    case moved = 7
    /// A verb of a later version: refused with ``LinkStatus/badRequest``. Written as a number that will never be a verb.
    case unknown = 0xFFFF_FFFF

    init(wire number: UInt64) {
        self = Self(rawValue: UInt32(truncatingIfNeeded: number)) ?? .unknown
    }
}
