// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting

/// What a source may answer instead of what was asked for.
enum ModelFailure: String, Sendable, CaseIterable, CustomDebugStringConvertible {
    case internalError, tooManyRequests, expired, tooLarge, forbidden, refused, other

    var debugDescription: String { ".\(self.rawValue)" }

    var error: any Error {
        switch self {
        case .refused: WatchError(.connectionRefused)
        case .other: RecordingStore.Refused()
        default: self.status
        }
    }

    var status: Status {
        switch self {
        case .internalError: Status(.internalError)
        case .tooManyRequests: Status(.tooManyRequests, details: .init(retryAfterSeconds: 1))
        case .expired: Status.expired()
        case .tooLarge: Status(.timeout, message: "Too large resource version")
        case .forbidden: Status(.forbidden)
        case .refused, .other: Status(.unknown)
        }
    }

    static func random(using generator: inout SeededGenerator) -> ModelFailure {
        Self.allCases.randomElement(using: &generator) ?? .other
    }
}
