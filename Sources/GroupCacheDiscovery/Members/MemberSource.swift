// SPDX-License-Identifier: Apache-2.0

/// Where members are listed, by asking again and again: a file, a name in DNS.
public protocol MemberSource: Sendable {
    /// All members there are. Returns within a bounded time, and soon when its task is cancelled, as far as the system lets it.
    ///
    /// A list that is complete and empty is an answer; what cannot be asked, or answers nonsense, throws.
    func members() async throws(DiscoveryError) -> [Member]
}

/// A source that can be told of members, too.
public protocol MemberRegistry: MemberSource {
    /// Adds a member, or replaces the one with its id.
    func insert(_ member: Member) async throws(DiscoveryError)

    /// Removes the member with this id; does nothing when there is none.
    func delete(id: String) async throws(DiscoveryError)
}

/// A list that does not change.
public struct StaticSource: MemberSource {
    private let list: [Member]

    /// These members and no others.
    public init(_ members: [Member]) { self.list = members }

    /// The members.
    public func members() async throws(DiscoveryError) -> [Member] { self.list }
}
