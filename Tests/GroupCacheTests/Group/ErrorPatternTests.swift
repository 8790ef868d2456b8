// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

// The forms in which a user tells errors apart.
@Suite("Errors: patterns")
struct ErrorPatternTests {
    struct Other: Error {}

    private func fail(_ error: GroupCacheError) async throws(GroupCacheError) { throw error }
    private func fail(any error: any Error) async throws { throw error }

    /// As in a function that throws nothing else: with the last `catch`, every error is caught, which the compiler checks.
    private func typed(_ error: GroupCacheError) async -> String {
        do {
            try await self.fail(error)
            return "none"
        } catch .notFound {
            return "notFound"
        } catch .overloaded where error.retryAfter != nil {
            return "overloaded, with a time"
        } catch .overloaded, .shutDown {
            return "later"
        } catch {
            return error.code.description
        }
    }

    /// As in a function that throws other errors, too.
    private func untyped(_ error: any Error) async -> String {
        do {
            try await self.fail(any: error)
            return "none"
        } catch GroupCacheError.notFound {
            return "notFound"
        } catch GroupCacheError.Code.overloaded {
            return "overloaded"
        } catch GroupCacheError.valueTooLarge, GroupCacheError.Code.keyTooLong {
            return "too large"
        } catch let error as GroupCacheError where error.code == .shutDown {
            return "shutDown"
        } catch {
            return "other"
        }
    }

    private func switched(_ error: GroupCacheError) -> [String] {
        let whole =
            switch error {
            case .notFound: "notFound"
            case .peerFailed, .deadlineExceeded: "no answer"
            default: "other"
            }
        let code =
            switch error.code {
            case .notFound: "notFound"
            case .peerFailed, .deadlineExceeded: "no answer"
            default: "other"
            }
        return [whole, code]
    }

    @Test("a catch names a code, whatever the error's text and cause")
    func catching() async {
        #expect(await self.typed(.notFound) == "notFound")
        #expect(await self.typed(GroupCacheError(.notFound, "no such user", cause: Other(), retryAfter: .seconds(1))) == "notFound")
        #expect(await self.typed(GroupCacheError(.overloaded, "full", retryAfter: .seconds(1))) == "overloaded, with a time")
        #expect(await self.typed(.overloaded) == "later")
        #expect(await self.typed(.shutDown) == "later")
        #expect(await self.typed(.codecFailed) == "codecFailed")

        #expect(await self.untyped(GroupCacheError(.notFound, "no such user")) == "notFound")
        #expect(await self.untyped(GroupCacheError.overloaded) == "overloaded")
        #expect(await self.untyped(GroupCacheError.valueTooLarge) == "too large")
        #expect(await self.untyped(GroupCacheError.keyTooLong) == "too large")
        #expect(await self.untyped(GroupCacheError.shutDown) == "shutDown")
        #expect(await self.untyped(GroupCacheError.cancelled) == "other")
        #expect(await self.untyped(Other()) == "other")
    }

    @Test("a switch over an error and one over its code take the same patterns")
    func switching() {
        #expect(self.switched(.notFound) == ["notFound", "notFound"])
        #expect(self.switched(GroupCacheError(.deadlineExceeded, "late")) == ["no answer", "no answer"])
        #expect(self.switched(.badRequest) == ["other", "other"])
    }

    @Test("an error that has a name of its own has the code of that name")
    func names() {
        let errors: [GroupCacheError] = [
            .notFound, .getterFailed, .peerFailed, .deadlineExceeded, .cancelled, .recursiveLoad, .overloaded, .shutDown, .emptyKey,
            .keyTooLong,
            .valueTooLarge, .codecFailed, .noSuchGroup, .duplicateGroup, .invalidConfiguration, .badRequest, .unsupported, .unauthorized,
            .notHeld,
        ]
        let codes: [GroupCacheError.Code] = [
            .notFound, .getterFailed, .peerFailed, .deadlineExceeded, .cancelled, .recursiveLoad, .overloaded, .shutDown, .emptyKey,
            .keyTooLong,
            .valueTooLarge, .codecFailed, .noSuchGroup, .duplicateGroup, .invalidConfiguration, .badRequest, .unsupported, .unauthorized,
            .notHeld,
        ]
        #expect(errors.map(\.code) == codes)
        #expect(Set(codes).count == 19)
        #expect(codes.allSatisfy { GroupCacheError.Code($0.description) == $0 })
    }
}
