// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite struct TokensTests {
    private static let first = "0123456789abcdef"
    private static let second = "tok-._~+/EN==tok-._~+/EN=="

    private static func parse(_ text: String) -> Result<Tokens, Tokens.Malformed> {
        Result { () throws(Tokens.Malformed) in try Tokens(file: Array(text.utf8)) }
    }

    private static func accept(_ tokens: Tokens, _ header: String) -> Bool { tokens.accept(Array(header.utf8).span) }

    @Test(
        "a file holds a token a line; white space around it does not count",
        arguments: [
            "0123456789abcdef", "0123456789abcdef\n", "\n\n  0123456789abcdef\t\r\n\r\n", "0123456789abcdef\ntok-._~+/EN==tok-._~+/EN==\n",
        ]
    )
    func files(text: String) throws {
        let tokens = try Self.parse(text).get()
        #expect(tokens.authorization == "Bearer 0123456789abcdef")
        #expect(Self.accept(tokens, "Bearer \(Self.first)"))
        #expect(Self.accept(tokens, "Bearer \(Self.second)") == text.contains(Self.second))
    }

    @Test(
        "a file that is of no use says why, and not what is in it",
        arguments: [
            ("", "no token"), ("\n \t\n", "no token"), ("short", "16 to 1024 characters"), ("0123456789abcde", "16 to 1024 characters"),
            (String(repeating: "a", count: 1_025), "16 to 1024 characters"), ("0123456789abcdef 0123456789abcdef", "more than one"),
            ("0123456789abcd\u{0}f", "made of"), ("pässwörterpässwörter", "made of"), ("0123456789abcdef,", "made of"),
            (Array(repeating: "0123456789abcdef", count: 17).joined(separator: "\n"), "more than 16 tokens"),
        ]
    )
    func malformed(text: String, part: String) {
        guard case .failure(let error) = Self.parse(text) else { return #expect(Bool(false), "accepted") }
        #expect(error.message.contains(part) && !error.message.contains("0123"), "\(error.message)")
    }

    @Test("only a whole token behind the scheme is accepted")
    func headers() throws {
        let tokens = try Self.parse("\(Self.first)\n\(Self.second)").get()
        for header in ["Bearer \(Self.first)", "bearer \(Self.first)", "BEARER   \(Self.second)"] {
            #expect(Self.accept(tokens, header), "\(header)")
        }
        for header in [
            "", "Bearer", "Bearer ", Self.first, "Basic \(Self.first)", "Bearer\(Self.first)", "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeg",
            "Bearer x123456789abcdef", "Bearer \(Self.first)0", "Bearer \(Self.first) \(Self.first)", "Bearer \(Self.first),\(Self.second)",
            "Bearer \(Self.first.uppercased())", "Bearer \t\(Self.first)",
        ] { #expect(!Self.accept(tokens, header), "\(header)") }
    }
}
