// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a source of members, or with what it says.
public struct DiscoveryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Which kind of thing went wrong. More may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// Its name.
        public let description: String

        /// The source cannot be reached, or says that it cannot answer now.
        public static let unavailable = Code(description: "unavailable")
        /// The source knows nothing by the name that it was asked for.
        public static let notFound = Code(description: "notFound")
        /// The answer is not what such a source says: half a file, a page of HTML, a number out of its range.
        public static let malformed = Code(description: "malformed")
        /// The list is well formed and must not be used: a node twice, this node not at all, nobody.
        public static let refused = Code(description: "refused")
        /// A setting is wrong.
        public static let invalidConfiguration = Code(description: "invalidConfiguration")
    }

    /// Which kind of thing went wrong.
    public var code: Code
    /// One line for people.
    public var message: String

    /// An error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { self.message }
}
