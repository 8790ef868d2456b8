// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What the server side of a dialect answers when it has no value.
extension Dialect {
    /// The status and the line of text that the dialect has for an error. Texts are those of the Go servers where clients read them.
    func answer(to error: GroupCacheError) -> (code: Int, text: StaticString) {
        switch error.code {
        case .noSuchGroup: (404, "no such group")
        case .notFound: (404, "not found")
        case .badRequest, .emptyKey, .keyTooLong: (400, "bad request")
        case .unauthorized: (403, "not allowed")
        case .conditionFailed: (412, "the condition does not hold")
        case .notOwner: (421, "not the owner")
        case .ownerChanging: (409, "the owner is changing")
        case .valueTooLarge: (413, "the value is too large")
        case .getterFailed:
            // mailgun's and v3's clients take 503 for the getter's word and 500 for a reason to load the key themselves.
            self.hasExpire ? (503, "the getter failed") : self.base == .native ? (502, "the getter failed") : (500, "the getter failed")
        case .overloaded: self.base == .native ? (503, "overloaded") : (500, "overloaded")
        case .shutDown: self.base == .native ? (503, "shutting down") : (500, "shutting down")
        case .deadlineExceeded: self.base == .native ? (504, "deadline exceeded") : (500, "deadline exceeded")
        default: (500, "internal error")
        }
    }
}
