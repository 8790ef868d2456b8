// SPDX-License-Identifier: Apache-2.0

/// What is to be done: the body of a request for an operation.
public struct OperationRequest: Sendable, Hashable, Codable {
    /// `warm`, `clear`, `snapshot`, `restore` or `drain`.
    public var kind: String
    /// In which group; `snapshot` and `restore` without one are of all groups.
    public var group: String?
    /// The keys to warm.
    public var keys: [String]?

    /// A request.
    public init(kind: String, group: String? = nil, keys: [String]? = nil) {
        self.kind = kind
        self.group = group
        self.keys = keys
    }
}

/// A kind of operation.
struct OperationKind: Sendable {
    /// Says how far it has come: how much is done, of how much.
    typealias Progress = @Sendable (Int, Int) -> Void

    /// Refuses what cannot be done, before it is taken: throws a `Status`.
    var check: @Sendable (OperationRequest) throws -> Void
    /// Does it. When its task is cancelled it stops soon. Returns what it came to, in numbers.
    var run: @Sendable (OperationRequest, @escaping Progress) async throws -> [String: Int]
}
