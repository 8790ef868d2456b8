// SPDX-License-Identifier: Apache-2.0

/// A member as a document spells it: names and scalars, before anything is known to be right.
struct MemberFields: Sendable, Hashable {
    /// A scalar, and what its notation says that it is: `2` is a number, `"2"` is text.
    enum Scalar: Sendable, Hashable {
        case text(String)
        case number(String)
        case truth
        case null
        /// A list or an object.
        case other
    }

    var fields: [String: Scalar] = [:]

    static let names = ["id", "url", "zone", "weight", "state", "epoch"]

    /// - Parameters:
    ///   - place: where the document has it, for messages: `member 3`.
    ///   - isStrict: whether a name that nobody knows is an error. In a file that somebody writes it is a misspelt one, which would silently
    ///     do nothing; from a newer node it is something that this one need not know.
    func member(_ place: String, isStrict: Bool = true) throws(DiscoveryError) -> Member {
        if isStrict, let unknown = self.fields.keys.sorted().first(where: { !Self.names.contains($0) }) {
            throw DiscoveryError(
                .malformed,
                "\(place): no field \(Member.shown(unknown)); there are \(Self.names.joined(separator: ", "))"
            )
        }
        guard let url = try self.text("url", place) else { throw DiscoveryError(.malformed, "\(place) has no url") }
        var state = Member.State.ready
        if let text = try self.text("state", place) {
            guard let known = Member.State(rawValue: text) else {
                let names = Member.State.allCases.map(\.rawValue).joined(separator: ", ")
                throw DiscoveryError(.malformed, "\(place): no state \(Member.shown(text)); there are \(names)")
            }
            state = known
        }
        return try Member(
            id: self.text("id", place),
            url: url,
            zone: self.text("zone", place),
            weight: self.number("weight", place) ?? 1,
            state: state,
            epoch: self.number("epoch", place)
        )
    }

    private func text(_ name: String, _ place: String) throws(DiscoveryError) -> String? {
        switch self.fields[name] {
        case nil, .null: return nil
        case .text(let text): return text
        case .number(let number):
            throw DiscoveryError(.malformed, "\(place): \(name) is the number \(Member.shown(number)), not text: put it in quotes")
        case .truth, .other: throw DiscoveryError(.malformed, "\(place): \(name) is not text")
        }
    }

    private func number<Number: FixedWidthInteger>(_ name: String, _ place: String) throws(DiscoveryError) -> Number? {
        switch self.fields[name] {
        case nil, .null: return nil
        case .number(let text):
            guard let number = Number(text) else {
                throw DiscoveryError(.malformed, "\(place): \(name) is \(Member.shown(text)), which is not a whole number in its range")
            }
            return number
        case .text, .truth, .other: throw DiscoveryError(.malformed, "\(place): \(name) is not a number")
        }
    }
}
