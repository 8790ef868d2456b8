// SPDX-License-Identifier: Apache-2.0

/// The character classes of RFC 9110 §5.6 and RFC 3986, each a set of the lower 128 code points as two words.
struct ByteClass: Sendable {
    let low: UInt64
    let high: UInt64

    init(_ characters: String) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        for byte in characters.utf8 {
            if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte - 64) }
        }
        self.low = low
        self.high = high
    }

    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        byte < 128 && ((byte < 64 ? self.low : self.high) >> UInt64(byte & 63)) & 1 == 1
    }

    // Written out as constants so that the hot loops read no global; ByteClassTests checks them against the characters.

    /// `!#$%&'*+-.^_`|~`, digits and letters: names of methods and header fields.
    static var token: Self { Self(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE) }
    /// What a request target may hold: visible ASCII but `"#<>\^`{|}`, which senders must escape.
    static var target: Self { Self(low: 0xAFFF_FFF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFF) }
    /// `A-Z a-z 0-9 - . _ ~`: what never needs an escape.
    static var unreserved: Self { Self(low: 0x03FF_6000_0000_0000, high: 0x47FF_FFFE_87FF_FFFE) }
    /// What a host with a port may hold: unreserved, sub-delims, `:`, `[`, `]`, `%`.
    static var host: Self { Self(low: 0x2FFF_7FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE) }
}

/// Whether `byte` may stand in the value of a header field: visible, space, tab, or one of the upper half.
@inline(__always)
func isFieldByte(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7F) || byte == 0x09 }
