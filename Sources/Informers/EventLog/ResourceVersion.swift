/// A place in an ``EventLog``: `<epoch>.<sequence>`, the epoch in hexadecimal.
///
/// Clients take it as opaque: good for going on from it, and for comparing with `==`.
public struct ResourceVersion: Sendable, Hashable, LosslessStringConvertible {
    /// Which life of the log: another one for each start of the process.
    public var epoch: UInt64
    /// The entry; 0: before the first.
    public var sequence: UInt64

    /// A place.
    public init(epoch: UInt64, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// Reads what ``description`` writes; `nil` for anything else.
    public init?(_ description: String) {
        let parts = description.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Self.number(parts[0], radix: 16), let sequence = Self.number(parts[1], radix: 10) else {
            return nil
        }
        self.init(epoch: epoch, sequence: sequence)
    }

    /// `9f3c.42`
    public var description: String { "\(String(self.epoch, radix: 16)).\(self.sequence)" }

    /// Digits only, without zeros in front: each place has one spelling, because it is compared as text.
    private static func number(_ digits: Substring.UTF8View, radix: Int) -> UInt64? {
        let text = Substring(digits)
        guard let number = UInt64(text, radix: radix), String(number, radix: radix) == text else { return nil }
        return number
    }
}
