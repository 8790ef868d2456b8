// SPDX-License-Identifier: Apache-2.0

import Informers

/// What the tests store: a name and a number, in some groups.
struct Thing: Sendable, Hashable, CustomStringConvertible {
    var name: String
    var value: Int
    var groups: [String]

    init(_ name: String, _ value: Int = 0, groups: [String] = []) {
        self.name = name
        self.value = value
        self.groups = groups
    }

    var description: String { "\(self.name)\(self.value)" }
}

/// What a key function throws in these tests.
struct NoName: Error {}

/// The name; a thing without one has no key.
let nameOf: KeyFunction<Thing> = { thing in
    if thing.name.isEmpty { throw NoName() }
    return thing.name
}

extension Delta where Object == Thing {
    /// A deletion of which the last state is known.
    static func deleted(_ thing: Thing) -> Self { .deleted(.object(thing)) }
    /// A deletion that nobody saw.
    static func tombstone(_ thing: Thing) -> Self { .deleted(.tombstone(DeletedFinalStateUnknown(key: thing.name, object: thing))) }
}

/// Objects that a consumer claims to know.
struct Known: KnownObjects {
    var things: [Thing] = []
    /// Keys of which it cannot say anything.
    var failing: Set<String> = []

    init(_ things: Thing...) { self.things = things }

    func listKeys() -> [String] { self.things.map(\.name) + self.failing }

    func get(key: String) throws -> Thing? {
        if self.failing.contains(key) { throw NoName() }
        return self.things.first { $0.name == key }
    }
}
