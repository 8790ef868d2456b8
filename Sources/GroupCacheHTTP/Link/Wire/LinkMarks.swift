// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What is said of a request or a reply by single bits.
struct LinkMarks: OptionSet, Equatable, Sendable {
    let rawValue: UInt32

    // MARK: Of a change

    /// Answer when everybody who follows has heard of it.
    static let waits = LinkMarks(rawValue: 1)
    /// Whatever your ring says: the owner cannot be reached.
    static let acting = LinkMarks(rawValue: 2)
    /// Of a remove: you owned the key until a moment ago, and may still be asked for it.
    static let former = LinkMarks(rawValue: 4)

    init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Of a request for a change.
    init(_ terms: ChangeTerms) {
        switch terms.role {
        case .owner: self = []
        case .acting: self = .acting
        case .former: self = .former
        }
    }

    /// The terms of a change that a request asks for.
    var terms: ChangeTerms { ChangeTerms(as: self.contains(.former) ? .former : self.contains(.acting) ? .acting : .owner) }

    // MARK: Of a reply

    /// Of a value: the answerer owns the key and tells who follows it when this is not its value any more.
    static let own = LinkMarks(rawValue: 1)
    /// Of a peek: the answerer makes no change of the key as its owner any more, or tells who comes after it.
    static let handedOver = LinkMarks(rawValue: 4)
    /// Of a change: everybody who follows has heard of it.
    static let applied = LinkMarks(rawValue: 2)

    /// Of the reply with an entry.
    init(of entry: ServedEntry) {
        self = []
        if entry.isOwn { self.insert(.own) }
        if entry.isHandedOver { self.insert(.handedOver) }
    }
}
