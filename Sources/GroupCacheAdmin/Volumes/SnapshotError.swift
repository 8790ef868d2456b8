// SPDX-License-Identifier: Apache-2.0

/// Why a snapshot cannot be read or written. Its text names the file and no key.
public struct SnapshotError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, for programs.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// It does not begin as a snapshot does.
        public static let foreign = Code(description: "foreign")
        /// It was written by a later version of this program.
        public static let newer = Code(description: "newer")
        /// Its checksums do not agree with its bytes, or its bytes make no sense.
        public static let corrupt = Code(description: "corrupt")
        /// It ends too early.
        public static let truncated = Code(description: "truncated")
        /// It is a snapshot of another group.
        public static let otherGroup = Code(description: "otherGroup")
        /// It is larger than what is read.
        public static let tooLarge = Code(description: "tooLarge")
        /// It is a symbolic link, no plain file, no folder of ours, or can be written by others.
        public static let unsafe = Code(description: "unsafe")
        /// There is none.
        public static let missing = Code(description: "missing")
        /// Another process uses the folder.
        public static let inUse = Code(description: "inUse")
        /// A name that no file can have.
        public static let badName = Code(description: "badName")
        /// The system says no: the disk is full, there is no permission, and the like.
        public static let system = Code(description: "system")
        /// It was told to stop.
        public static let cancelled = Code(description: "cancelled")
    }

    /// What is wrong, for programs.
    public var code: Code
    /// What is wrong, for people.
    public var message: String
    /// The file or the folder; `nil`: not known here.
    public var file: String?

    init(_ code: Code, _ message: String, file: String? = nil) {
        self.code = code
        self.message = message
        self.file = file
    }

    /// The file, and what is wrong with it.
    public var description: String { self.file.map { "\($0): \(self.message)" } ?? self.message }

    func of(_ file: String) -> Self {
        var error = self
        error.file = error.file ?? file
        return error
    }
}
