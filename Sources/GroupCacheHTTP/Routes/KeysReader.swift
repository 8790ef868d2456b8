// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Reads `{"keys":["…",…]}` (RFC 8259) as it arrives, so that no work is left for the end of a large body, and what is too much is refused when
/// it comes. A `group` is understood as well, as groupcache-go v3 sends it; other members are passed over.
///
/// A value: bytes in, keys out. The result does not depend on how the bytes were split. What is wrong with the text is kept for the end, and the rest
/// of it is passed over: then the connection can go on.
struct KeysReader {
    private enum Expected: Equatable {
        case object, nameOrEnd, name, colon, value, keyOrEnd, key, commaOrEndOfKeys, commaOrEnd, end
        /// Inside of a member that is not asked for, so many brackets deep.
        case skipped(depth: Int)
    }

    private enum Escape: Equatable {
        case none, sign
        /// So many digits of `\uXXXX`, and their number.
        case digits(Int, UInt32)
    }

    private enum Text { case name, key, group, skipped }

    /// So many bytes are read also when it is known that there are too many keys.
    private static let patience = 65_536
    private static let tooLong = Refusal(status: 413, message: "too many keys in one request")
    private static let maximumName = 256
    private static let maximumRefused = 20
    private static let maximumDepth = 32

    private let limit: Int
    private let keySize: Int
    private var expected = Expected.object
    /// What the text between quotes is, if we are in one.
    private var inside: Text?
    private var text: [UInt8] = []
    private var escape = Escape.none
    /// The first half of a character beyond the basic plane, whose second has to follow at once.
    private var half: UInt32?
    /// A number or a word that is passed over.
    private var word: [UInt8] = []
    private var name: [UInt8] = []
    private var isSeen = false
    private(set) var keys: [Key] = []
    private var count = 0
    private(set) var group: String?
    /// Bytes of the keys so far, with what it costs to keep them.
    private(set) var size = 0
    /// What is no key: the first of them by their places in the list, and how many there are.
    private(set) var refused: [(place: Int, error: GroupCacheError)] = []
    private(set) var refusedCount = 0
    private var isMalformed = false
    private var isTooLong = false
    private var received = 0

    /// - Parameters:
    ///   - limit: how many keys there may be.
    ///   - keySize: how many bytes one may have.
    init(limit: Int, keySize: Int = Key.maximumLength) {
        self.limit = limit
        self.keySize = keySize
    }

    /// Reads on.
    ///
    /// - Throws: 413 when there are too many keys, and so much of them that it does not pay to read the rest for the sake of the connection.
    mutating func read(_ bytes: Span<UInt8>) throws(Refusal) {
        self.received += bytes.count
        for index in 0..<bytes.count {
            if self.isMalformed || self.isTooLong { break }
            let byte = bytes[index]
            if self.inside != nil { self.inText(byte) } else { self.between(byte) }
        }
        if self.isTooLong, self.received > Self.patience { throw Self.tooLong }
    }

    /// What is wrong with it, now that all has come.
    ///
    /// - Parameter allowingRefused: Whether the list is of use although some of it is no key.
    func finish(allowingRefused: Bool = false) -> Failure? {
        if self.isTooLong { return Failure(Self.tooLong) }
        if self.isMalformed || self.expected != .end || !self.isSeen {
            return Failure(400, "the body is not {\"keys\":[\"…\"]}", .request)
        }
        return allowingRefused ? nil : self.refused.first.map { Failure($0.error) }
    }

    // MARK: Between texts

    private mutating func between(_ byte: UInt8) {
        if case .skipped(let depth) = self.expected { return self.skip(byte, depth) }
        if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { return }
        switch (self.expected, byte) {
        case (.object, UInt8(ascii: "{")): self.expected = .nameOrEnd
        case (.nameOrEnd, UInt8(ascii: "}")), (.commaOrEnd, UInt8(ascii: "}")): self.expected = .end
        case (.nameOrEnd, UInt8(ascii: "\"")), (.name, UInt8(ascii: "\"")): self.begin(.name)
        case (.colon, UInt8(ascii: ":")): self.expected = .value
        case (.commaOrEnd, UInt8(ascii: ",")): self.expected = .name
        case (.keyOrEnd, UInt8(ascii: "]")), (.commaOrEndOfKeys, UInt8(ascii: "]")): self.expected = .commaOrEnd
        case (.keyOrEnd, UInt8(ascii: "\"")), (.key, UInt8(ascii: "\"")):
            guard self.count < self.limit else { return self.isTooLong = true }
            self.begin(.key)
        case (.commaOrEndOfKeys, UInt8(ascii: ",")): self.expected = .key
        case (.value, _): self.value(byte)
        default: self.isMalformed = true
        }
    }

    private mutating func value(_ byte: UInt8) {
        if self.name == Array("keys".utf8) {
            // Twice, and nobody knows which are meant.
            guard byte == UInt8(ascii: "["), !self.isSeen else { return self.isMalformed = true }
            self.isSeen = true
            self.expected = .keyOrEnd
        } else if self.name == Array("group".utf8), byte == UInt8(ascii: "\"") {
            self.begin(.group)
        } else {
            self.expected = .skipped(depth: 0)
            self.skip(byte, 0)
        }
    }

    /// Passes over a value: brackets are counted, words have to be some.
    private mutating func skip(_ byte: UInt8, _ depth: Int) {
        switch byte {
        case UInt8(ascii: "\""):
            guard self.word.isEmpty else { return self.isMalformed = true }
            self.begin(.skipped)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard self.word.isEmpty, depth < Self.maximumDepth else { return self.isMalformed = true }
            self.expected = .skipped(depth: depth + 1)
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            guard self.endWord() else { return self.isMalformed = true }
            if depth > 0 {
                self.expected = depth == 1 ? .commaOrEnd : .skipped(depth: depth - 1)
            } else {
                self.expected = byte == UInt8(ascii: "}") ? .end : .object
                if byte != UInt8(ascii: "}") { self.isMalformed = true }
            }
        case UInt8(ascii: ","), UInt8(ascii: ":"):
            guard self.endWord() else { return self.isMalformed = true }
            if depth == 0 {
                if byte == UInt8(ascii: ":") { return self.isMalformed = true }
                self.expected = .name
            }
        case 0x20, 0x0A, 0x0D, 0x09:
            let hadWord = !self.word.isEmpty
            guard self.endWord() else { return self.isMalformed = true }
            if depth == 0, hadWord { self.expected = .commaOrEnd }
        default:
            guard self.word.count < 64 else { return self.isMalformed = true }
            self.word.append(byte)
        }
    }

    /// Whether what was passed over is `true`, `false`, `null`, of the letters of a number, or nothing.
    private mutating func endWord() -> Bool {
        defer { self.word.removeAll(keepingCapacity: true) }
        guard let first = self.word.first else { return true }
        if ["true", "false", "null"].contains(where: { Array($0.utf8) == self.word }) { return true }
        guard first == UInt8(ascii: "-") || (48...57).contains(first) else { return false }
        return self.word.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) }
    }

    // MARK: In a text

    private mutating func begin(_ text: Text) {
        self.inside = text
        self.text.removeAll(keepingCapacity: true)
    }

    private mutating func inText(_ byte: UInt8) {
        switch self.escape {
        case .none:
            switch byte {
            case UInt8(ascii: "\""): self.endText()
            case UInt8(ascii: "\\"): self.escape = .sign
            case 0..<0x20: self.isMalformed = true
            default: self.append(byte)
            }
        case .sign:
            self.escape = .none
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): self.append(byte)
            case UInt8(ascii: "b"): self.append(8)
            case UInt8(ascii: "f"): self.append(12)
            case UInt8(ascii: "n"): self.append(10)
            case UInt8(ascii: "r"): self.append(13)
            case UInt8(ascii: "t"): self.append(9)
            case UInt8(ascii: "u"): self.escape = .digits(0, 0)
            default: self.isMalformed = true
            }
        case .digits(let count, let number):
            guard let digit = hexDigit(byte) else { return self.isMalformed = true }
            let number = number << 4 | UInt32(digit)
            self.escape = count == 3 ? .none : .digits(count + 1, number)
            if count == 3 { self.append(unit: number) }
        }
    }

    private mutating func append(_ byte: UInt8) {
        if self.half != nil { return self.isMalformed = true }
        switch self.inside {
        case .skipped: return
        // One more shows that it is too long, and the rest need not be kept.
        case .key: if self.text.count > self.keySize { return }
        default: if self.text.count > Self.maximumName { return self.isMalformed = true }
        }
        self.text.append(byte)
    }

    /// A unit of UTF-16.
    private mutating func append(unit: UInt32) {
        switch unit {
        case 0xD800..<0xDC00:
            if self.half != nil { self.isMalformed = true }
            self.half = unit
        case 0xDC00..<0xE000:
            guard let half else { return self.isMalformed = true }
            self.half = nil
            self.append(scalar: 0x10000 + (half - 0xD800) << 10 + unit - 0xDC00)
        default: self.append(scalar: unit)
        }
    }

    private mutating func append(scalar: UInt32) {
        guard let scalar = Unicode.Scalar(scalar) else { return self.isMalformed = true }
        for byte in String(Character(scalar)).utf8 { self.append(byte) }
    }

    private mutating func endText() {
        guard self.half == nil else { return self.isMalformed = true }
        defer { self.inside = nil }
        switch self.inside {
        case .name:
            self.name = self.text
            self.expected = .colon
        case .group:
            self.group = String(validating: self.text, as: UTF8.self)
            self.expected = .commaOrEnd
            if self.group == nil { self.isMalformed = true }
        case .key:
            self.expected = .commaOrEndOfKeys
            self.count += 1
            if let error = Key.error(length: self.text.count, limit: self.keySize) {
                self.refusedCount += 1
                if self.refused.count < Self.maximumRefused { self.refused.append((self.count - 1, error)) }
            } else if String(validating: self.text, as: UTF8.self) == nil {
                self.isMalformed = true
            } else {
                self.keys.append(Key(bytes: self.text))
                self.size += self.text.count + 64
            }
        case .skipped: if self.expected == .skipped(depth: 0) { self.expected = .commaOrEnd }
        case nil: break
        }
    }
}
