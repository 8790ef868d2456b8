// SPDX-License-Identifier: Apache-2.0

/// Parts of a value that are asked for (RFC 9110 §14).
struct ByteRanges: Equatable, Sendable {
    enum Spec: Equatable, Sendable {
        /// From a place to another, both included; `nil`: to the end.
        case from(Int, through: Int?)
        /// The last so many bytes.
        case last(Int)
    }

    /// What is answered.
    enum Part: Equatable {
        case bytes(Range<Int>)
        /// None of the parts exists: 416.
        case nothing
    }

    /// Of more the request is passed over: overlapping ranges by the thousand are an old attack.
    static let maximumCount = 16

    let specs: [Spec]

    /// `bytes=` and a list of ranges; `nil`: something else, which is passed over, as RFC 9110 §14.2 wants.
    init?(_ value: Range<Int>, _ bytes: Span<UInt8>) {
        let unit = "bytes="
        guard value.count > unit.utf8.count, bytes.matches(value.lowerBound..<value.lowerBound + unit.utf8.count, unit) else { return nil }
        var specs: [Spec] = []
        var list = FieldList(value.lowerBound + unit.utf8.count..<value.upperBound)
        while let element = list.next(bytes) {
            guard specs.count < Self.maximumCount, let spec = Self.spec(element, bytes) else { return nil }
            specs.append(spec)
        }
        guard !specs.isEmpty else { return nil }
        self.specs = specs
    }

    private static func spec(_ element: Range<Int>, _ bytes: Span<UInt8>) -> Spec? {
        var dash = element.lowerBound
        while dash < element.upperBound, bytes[dash] != UInt8(ascii: "-") { dash += 1 }
        guard dash < element.upperBound else { return nil }
        let (first, last) = (element.lowerBound..<dash, dash + 1..<element.upperBound)
        if first.isEmpty { return Self.number(last, bytes).map { .last($0) } }
        guard let start = Self.number(first, bytes) else { return nil }
        guard !last.isEmpty else { return .from(start, through: nil) }
        guard let end = Self.number(last, bytes), end >= start else { return nil }
        return .from(start, through: end)
    }

    /// Digits; a number that is too long is as good as any that is beyond every value.
    private static func number(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Int? {
        guard !range.isEmpty else { return nil }
        var number = 0
        for index in range {
            let digit = Int(bytes[index]) - 48
            guard (0...9).contains(digit) else { return nil }
            number = min(number * 10 + digit, 1 << 50)
        }
        return number
    }

    /// What is answered for a value of `count` bytes; `nil`: all of it, as for several parts, of which nobody has asked so far.
    func part(of count: Int) -> Part? {
        let parts = self.specs.compactMap { spec -> Range<Int>? in
            switch spec {
            case .from(let start, let end): start < count ? start..<min(count, (end ?? count) + 1) : nil
            case .last(let length): length > 0 && count > 0 ? max(0, count - length)..<count : nil
            }
        }
        guard let first = parts.first else { return .nothing }
        return self.specs.count == 1 ? .bytes(first) : nil
    }
}
