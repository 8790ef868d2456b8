// SPDX-License-Identifier: Apache-2.0

/// Why a message of a link could not be read. The link is closed with ``closeCode``: what its sender meant is no longer known.
struct LinkFault: Error, Hashable {
    /// What is wrong with the message. More may come.
    struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base: String {
            case truncated, varint, length, fieldNumber, wireType, group, messageSize
            case keyLength, valueSize, keyCount, requestCount, groupCount
            case schemaLength, trailLength, attributesSize
        }

        private let base: Base

        /// The message ends inside a field.
        static let truncated = Self(base: .truncated)
        /// A number has more than 10 bytes, or more than 64 bits.
        static let varint = Self(base: .varint)
        /// A field is longer than what is left of the message it lies in.
        static let length = Self(base: .length)
        /// A field's number is 0, or more than 2²⁹-1.
        static let fieldNumber = Self(base: .fieldNumber)
        /// A known field is of another type, or any field is of a type that this protocol does not have (3, 4, 6, 7).
        static let wireType = Self(base: .wireType)
        /// A request names a group that the message has not named before it.
        static let group = Self(base: .group)
        /// The message is longer than ``LinkLimits/messageSize``.
        static let messageSize = Self(base: .messageSize)
        /// A key is longer than ``LinkLimits/keyLength``.
        static let keyLength = Self(base: .keyLength)
        /// A value is larger than ``LinkLimits/valueSize``.
        static let valueSize = Self(base: .valueSize)
        /// A get of many has more than ``LinkLimits/keysPerRequest``.
        static let keyCount = Self(base: .keyCount)
        /// The message has more requests than ``LinkLimits/requestsPerMessage``.
        static let requestCount = Self(base: .requestCount)
        /// The message has more names of groups than ``LinkLimits/requestsPerMessage``.
        static let groupCount = Self(base: .groupCount)

        /// A schema's name is longer than ``LinkLimits/schemaLength``.
        static let schemaLength = Self(base: .schemaLength)
        /// A trail has more loads than ``LinkLimits/trailLength``.
        static let trailLength = Self(base: .trailLength)
        /// The attributes of a value are more than ``LinkLimits/attributesSize``.
        static let attributesSize = Self(base: .attributesSize)

        /// The name of the code, fit for a metric label.
        var description: String { self.base.rawValue }

        /// Whether the message is well formed, but more than is accepted.
        fileprivate var isLimit: Bool {
            switch self.base {
            case .messageSize, .keyLength, .valueSize, .keyCount, .requestCount, .groupCount: true
            case .schemaLength, .trailLength, .attributesSize: true
            case .truncated, .varint, .length, .fieldNumber, .wireType, .group: false
            }
        }
    }

    var code: Code

    /// The code of the WebSocket close frame (RFC 6455 §7.4.1): 1009 when something is beyond a limit, else 1002.
    var closeCode: UInt16 { self.code.isLimit ? 1009 : 1002 }

    static let truncated = Self(code: .truncated)
    static let varint = Self(code: .varint)
    static let length = Self(code: .length)
    static let fieldNumber = Self(code: .fieldNumber)
    static let wireType = Self(code: .wireType)
    static let group = Self(code: .group)
    static let messageSize = Self(code: .messageSize)
    static let keyLength = Self(code: .keyLength)
    static let valueSize = Self(code: .valueSize)
    static let keyCount = Self(code: .keyCount)
    static let requestCount = Self(code: .requestCount)
    static let groupCount = Self(code: .groupCount)
    static let schemaLength = Self(code: .schemaLength)
    static let trailLength = Self(code: .trailLength)
    static let attributesSize = Self(code: .attributesSize)
}

extension LinkFault: CustomStringConvertible {
    var description: String { "link message: \(self.code)" }
}
