// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting

/// What the tests of watches and reflectors list: a name, a value, and the version in which it was seen.
struct Item: Sendable, Hashable, Codable, CustomStringConvertible {
    struct Metadata: Sendable, Hashable, Codable {
        var name: String
        var resourceVersion: String
    }

    var metadata: Metadata
    var value: Int

    init(_ name: String, _ value: Int = 0, version: String = "") {
        self.metadata = Metadata(name: name, resourceVersion: version)
        self.value = value
    }

    var name: String { self.metadata.name }
    var version: String { self.metadata.resourceVersion }
    var description: String { "\(self.name)=\(self.value)@\(self.version)" }
}

typealias Event = WatchEvent<Item>

extension FakeSource where Object == Item {
    /// A source of things that show their version.
    static func things(expiredForm: ExpiredForm = .refusal) -> FakeSource<Item> {
        FakeSource(expiredForm: expiredForm, key: \.name) { thing, version in
            var thing = thing
            thing.metadata.resourceVersion = "\(version)"
            return thing
        }
    }
}
