// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Informers

@Suite("Events and statuses as JSON")
struct WatchEventTests {
    private func decode(_ json: String) throws -> Event { try JSONDecoder().decode(Event.self, from: Data(json.utf8)) }

    @Test("W-1: types, objects, and versions where they belong")
    func types() throws {
        #expect(try zip(WatchStreamTests.lines, WatchStreamTests.events).allSatisfy { try self.decode($0) == $1 })
        let error = try self.decode(
            #"{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"reason":"Expired","message":"too old","details":{"retryAfterSeconds":3}}}"#
        )
        #expect(error == .error(Status(.expired, message: "too old", details: .init(retryAfterSeconds: 3))))
        #expect(error.resourceVersion == nil)
        #expect(error.object == nil)
    }

    @Test("W-11: a bookmark that ends the initial events is annotated so")
    func initialEventsEnd() throws {
        let json = #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#
        #expect(try self.decode(json) == .bookmark(resourceVersion: "9", isInitialEventsEnd: true))
        let other = json.replacingOccurrences(of: "\"true\"", with: "\"false\"")
        #expect(try self.decode(other) == .bookmark(resourceVersion: "9"))
    }

    @Test("A-8: a bookmark may tell the time since the stream began")
    func elapsed() throws {
        let json = #"{"type":"BOOKMARK","object":{"kind":"Key","metadata":{"resourceVersion":"9f3c.57"},"elapsedMs":120034}}"#
        #expect(try self.decode(json) == .bookmark(resourceVersion: "9f3c.57", elapsedMilliseconds: 120_034))
    }

    @Test("An object without metadata has no version, and says so")
    func noMetadata() throws {
        let json = #"{"type":"ADDED","object":{"value":1}}"#
        struct Bare: Codable, Sendable { var value: Int }
        let event = try JSONDecoder().decode(WatchEvent<Bare>.self, from: Data(json.utf8))
        #expect(event.resourceVersion == nil)
        #expect(event.object?.value == 1)
    }

    @Test("What is written can be read")
    func roundTrip() throws {
        let events =
            WatchStreamTests.events + [
                .bookmark(resourceVersion: "7", isInitialEventsEnd: true, elapsedMilliseconds: 5),
                .error(Status(.tooManyRequests, message: "m", details: .init(kind: "k", name: "n", causes: [.init(reason: "r")]))),
            ]
        for event in events {
            let json = try JSONEncoder().encode(event)
            #expect(try JSONDecoder().decode(Event.self, from: json) == event)
        }
        #expect(throws: WatchError.self) { try JSONEncoder().encode(Event(.unknown(type: "X"), resourceVersion: "1")) }
    }

    @Test(
        "E-3: the code of a reason",
        arguments: [
            (Status.Reason.badRequest, 400), (.unauthorized, 401), (.forbidden, 403), (.notFound, 404), (.methodNotAllowed, 405),
            (.notAcceptable, 406), (.alreadyExists, 409), (.conflict, 409), (.gone, 410), (.expired, 410), (.requestEntityTooLarge, 413),
            (.unsupportedMediaType, 415), (.invalid, 422), (.tooManyRequests, 429), (.internalError, 500), (.serverTimeout, 500),
            (.serviceUnavailable, 503), (.timeout, 504), ("SomethingElse", 500),
        ] as [(Status.Reason, Int)]
    )
    func codes(_ reason: Status.Reason, _ code: Int) {
        #expect(Status(reason).code == code)
    }

    @Test("E-2, E-3: the body of a status; an unknown error is 500 without a reason and does not show its text")
    func body() throws {
        let status = Status(.notFound, message: "no such thing", details: .init(kind: "thing", name: "x"))
        let object = try #require(try JSONSerialization.jsonObject(with: JSONEncoder().encode(status)) as? NSDictionary)
        #expect(
            object == [
                "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "no such thing",
                "details": ["kind": "thing", "name": "x"],
            ]
        )
        struct Secret: Error { let text = "hunter2" }
        let unknown = Status(Secret())
        #expect(unknown.code == 500)
        #expect(unknown.reason == .unknown)
        #expect(!unknown.message.contains("hunter2"))
        #expect(Status(status as any Error) == status)
        let success = try JSONDecoder().decode(Status.self, from: Data(#"{"status":"Success","code":200}"#.utf8))
        #expect(!success.isFailure)
    }

    @Test("FullListIfTooLarge: a version from the future is known by its cause, and by its text from older sources")
    func tooLarge() {
        #expect(Status(.timeout, details: .init(causes: [.init(reason: "ResourceVersionTooLarge")])).isTooLargeResourceVersion)
        #expect(Status(.timeout, message: "Timeout: Too large resource version").isTooLargeResourceVersion)
        #expect(Status(.timeout, message: "Too large resource version: 10, current: 5").isTooLargeResourceVersion)
        #expect(!Status(.timeout, message: "slow").isTooLargeResourceVersion)
        #expect(!Status(.invalid, message: "Too large resource version").isTooLargeResourceVersion)
    }
}
