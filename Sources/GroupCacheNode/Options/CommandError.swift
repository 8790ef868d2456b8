// SPDX-License-Identifier: Apache-2.0

/// Why a command ends without success: one line for people, and the exit code for scripts.
struct CommandError: Error, Hashable, CustomStringConvertible {
    /// The exit codes of `groupcache`. Wrong flags end with 64 (`EX_USAGE`), as ArgumentParser does it.
    enum Code: Int32, Sendable {
        /// Anything that has no code of its own: the node refused, a port is in use, a child died.
        case failure = 1
        /// The node could not be reached.
        case unreachable = 3
        /// The key or the group does not exist.
        case notFound = 4
        /// The flags make no sense.
        case usage = 64
    }

    var code: Code
    var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// A ``Code/failure``.
    init(_ description: String) { self.init(.failure, description) }

    static func usage(_ description: String) -> CommandError { CommandError(.usage, description) }
}
