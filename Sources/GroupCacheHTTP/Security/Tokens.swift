// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// The secrets by which a client proves that it may change what is cached, as a token file lists them (RFC 6750).
struct Tokens: Sendable, Equatable {
    /// Why a token file is of no use; says nothing of its contents.
    struct Malformed: Error, Equatable {
        var message: String
    }

    static let lengths = 16...1_024
    static let maximumCount = 16

    private let tokens: [[UInt8]]

    /// Reads a token file: a token a line, white space around it and empty lines ignored. All are accepted; the first is the one that this
    /// node sends, so that a new one can be brought to every node before any of them uses it.
    init(file: [UInt8]) throws(Malformed) {
        var tokens: [[UInt8]] = []
        for line in file.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let start = line.drop { isBlank($0) }
            let token = Array(start.prefix { !isBlank($0) })
            guard start.dropFirst(token.count).allSatisfy({ isBlank($0) }) else {
                throw Malformed(message: "a line holds more than one token")
            }
            if token.isEmpty { continue }
            guard Self.lengths.contains(token.count) else {
                throw Malformed(message: "a token has \(Self.lengths.lowerBound) to \(Self.lengths.upperBound) characters")
            }
            guard token.allSatisfy({ Self.characters.contains($0) }) else {
                throw Malformed(message: "a token is made of A-Z a-z 0-9 - . _ ~ + / =")
            }
            tokens.append(token)
        }
        guard !tokens.isEmpty else { throw Malformed(message: "there is no token") }
        guard tokens.count <= Self.maximumCount else { throw Malformed(message: "there are more than \(Self.maximumCount) tokens") }
        self.tokens = tokens
        self.authorization = "Bearer " + String(decoding: tokens[0], as: UTF8.self)
    }

    /// The tokens of a token file, if there is one.
    static func read(_ files: CredentialFiles, _ paths: CredentialFiles.Paths) throws(GroupCacheError) -> Tokens? {
        guard let token = files.token else { return nil }
        do throws(Malformed) {
            return try Tokens(file: token)
        } catch {
            throw GroupCacheError(.invalidConfiguration, "the token file \(paths.token ?? ""): \(error.message)")
        }
    }

    private static let characters = ByteClass("-._~+/=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

    /// What this node sends, as the value of an `Authorization` header.
    let authorization: String

    /// Whether the value of an `Authorization` header holds one of the tokens. The time that this takes tells nothing of them but their
    /// lengths.
    func accept(_ header: Span<UInt8>) -> Bool {
        let scheme = "bearer "
        guard header.count > scheme.utf8.count, header.matches(0..<scheme.utf8.count, scheme) else { return false }
        var start = scheme.utf8.count
        while start < header.count, header[start] == UInt8(ascii: " ") { start += 1 }
        var isAccepted = false
        // All of them, also after one has matched.
        for token in self.tokens where Self.areEqual(token.span, header.extracting(start..<header.count)) { isAccepted = true }
        return isAccepted
    }

    /// Not inlined, so that the optimiser does not see that the first difference decides.
    @inline(never)
    private static func areEqual(_ a: Span<UInt8>, _ b: Span<UInt8>) -> Bool {
        guard a.count == b.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<a.count { difference |= a[index] ^ b[index] }
        return difference == 0
    }
}
