// SPDX-License-Identifier: Apache-2.0

/// What may be shown of an error that somebody else has made.
enum ErrorText {
    /// So many characters of it at the most.
    private static let longest = 200
    /// So many bytes of it are looked at.
    private static let looked = 4_096

    /// The text in one line, cut short, and without what is not to be shown: where it names one of `secrets` there are dots instead. O(text × secrets).
    static func line(_ text: String, without secrets: [String]) -> String {
        var line = Array(text.utf8.prefix(self.looked).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 })
        let isCut = line.count == self.looked
        // The longest first: of two keys one may begin with the other.
        for secret in Set(secrets).map({ Array($0.utf8) }).sorted(by: { $0.count > $1.count }) where !secret.isEmpty {
            line = self.masked(line, secret, isCut: isCut)
        }
        let shown = String(decoding: line, as: UTF8.self)
        return shown.count > self.longest ? shown.prefix(self.longest) + "…" : shown
    }

    /// - Parameter isCut: The text went on, so that a part of the secret at its end is enough.
    private static func masked(_ text: [UInt8], _ secret: [UInt8], isCut: Bool) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            let rest = text[index...].prefix(secret.count)
            if rest.count == secret.count || isCut, rest.elementsEqual(secret.prefix(rest.count)) {
                result += Array("…".utf8)
                index += rest.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }
}
