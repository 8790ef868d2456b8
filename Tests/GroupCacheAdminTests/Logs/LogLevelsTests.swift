// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import Logging
import NIOConcurrencyHelpers
import NIOHTTP1
import Testing

@testable import GroupCacheAdmin

@Suite(.timeLimit(.minutes(5))) struct LogLevelsTests {
    private func logger(_ label: String, _ levels: LogLevels) -> Logger {
        Logger(label: label) { LevelledLogHandler(label: $0, levels: levels) { _ in } }
    }

    @Test func theLastPatternThatFitsDecides() throws {
        let levels = LogLevels(.notice)
        let (http, link, group) = (
            self.logger("groupcache.http", levels), self.logger("groupcache.http.link", levels), self.logger("g", levels)
        )
        #expect([http, link, group].map(\.logLevel) == [.notice, .notice, .notice])
        #expect(try levels.set("groupcache.http*=trace") == ["groupcache.http", "groupcache.http.link"])
        #expect([http, link, group].map(\.logLevel) == [.trace, .trace, .notice])
        try levels.set("*.link = error")
        #expect([http, link, group].map(\.logLevel) == [.trace, .error, .notice])
        levels.level = .debug
        #expect([http, link, group].map(\.logLevel) == [.trace, .error, .debug])
        // One that comes later goes by what holds then.
        #expect(self.logger("another.link", levels).logLevel == .error)
        try levels.set("groupcache.http*=warning")
        #expect(levels.rules.count == 2 && link.logLevel == .warning)
        try levels.set("")
        #expect([http, link, group].map(\.logLevel) == [.debug, .debug, .debug])
    }

    @Test(arguments: [
        "x", "=debug", "x=", "x=loud", "x=debug=info", "x=debug,", ",", "x=debug,y", String(repeating: "p", count: 300) + "=debug",
    ])
    func whatIsNoPatternChangesNothing(text: String) throws {
        let levels = LogLevels(.notice)
        let logger = self.logger("x", levels)
        #expect(throws: LogLevels.Failure.self) { try levels.set(text) }
        #expect(levels.rules.isEmpty && logger.logLevel == .notice)
    }

    @Test func aPatternThatMatchesNothingIsTold() throws {
        let levels = LogLevels(.notice)
        let logger = self.logger("groupcache.http", levels)
        let failure = #expect(throws: LogLevels.Failure.self) { try levels.set("groupcache.http=debug,grupcache*=trace") }
        #expect(failure?.isUnknown == true && failure?.description.contains("grupcache*") == true)
        #expect(levels.rules.isEmpty && logger.logLevel == .notice)
    }

    @Test func labelsAndPatternsAreBounded() throws {
        let levels = LogLevels(.notice)
        for index in 0..<2_000 { _ = self.logger("label \(index)", levels) }
        #expect(levels.labels.count == 1_000)
        let other = self.logger("label 1999", levels)
        levels.level = .error
        #expect(other.logLevel == .error)
        for index in 0..<500 { try levels.set("label \(index)=debug") }
        #expect(levels.rules.count == 100)
        #expect(throws: LogLevels.Failure.self) { try levels.set((0..<200).map { "label \($0)=debug" }.joined(separator: ",")) }
    }

    @Test(arguments: [
        ("a.b", "a.b", true), ("a.b", "a.*", true), ("a.b", "*", true), ("a.b", "*b", true), ("a.b", "a*b*", true), ("a.b", "**", true),
        ("a.b", "a", false), ("a.b", "b*", false), ("a.b", "a.b.c", false), ("", "*", true), ("aXbXc", "a*b*c", true),
        ("aaaaaaab", "a*a*a*c", false),
    ])
    func starsStandForAnyText(label: String, pattern: String, fits: Bool) {
        #expect(LogLevels.fits(label, pattern) == fits)
    }

    @Test func nobodyWritesLinesOfTheirOwn() throws {
        let now = Date(timeIntervalSince1970: 0)
        let metadata: Logger.Metadata = ["peer": "a\nb", "n": "1"]
        let text = LevelledLogHandler.line(.warning, "l", "one\r\ntwo \u{1B}[31m", metadata, .text, now: now)
        #expect(text == "1970-01-01T00:00:00.000Z warning l one\\r\\ntwo \\u{1b}[31m n=1 peer=a\\nb\n")
        let json = LevelledLogHandler.line(.warning, "l", "one\n\"two\"", metadata, .json, now: now)
        #expect(json.filter { $0 == "\n" }.count == 1)
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        #expect(object?["message"] as? String == "one\n\"two\"" && object?["level"] as? String == "warning")
        #expect((object?["metadata"] as? [String: String])?["peer"] == "a\nb")
    }

    @Test func levelsAreChangedOverThePort() async throws {
        let levels = LogLevels(.notice)
        let logger = self.logger("groupcache.http", levels)
        try await RunningAdmin.with(.init(levels: levels)) { (admin) async throws in
            let token = RunningAdmin.token
            let shown = try await admin.ask(.GET, "/v1/loglevel")
            #expect(shown.status == 200 && shown.json["level"] as? String == "notice")
            for (body, token, status) in [
                (#"{"level":"debug"}"#, nil, 401), (#"{"level":"debug"}"#, "wrong-token-wrong-token", 401),
                (#"{"level":"loud"}"#, token, 400),
                (#"{}"#, token, 400), ("", token, 400), ("[", token, 400), (#"{"level":1}"#, token, 400),
                (#"{"level":"error","pattern":"nothing*=debug"}"#, token, 404), (#"{"pattern":"=debug"}"#, token, 400),
            ] as [(String, String?, Int)] {
                let answer = try await admin.ask(.PUT, "/v1/loglevel", token: token, body: body)
                #expect(answer.status == status, "\(body): \(answer.body)")
                #expect(answer.json["kind"] as? String == "Status", "\(body)")
            }
            #expect(levels.level == .notice && logger.logLevel == .notice)
            // A token that stands in the query is none, and is not logged by whoever stands in between.
            #expect(try await admin.ask(.PUT, "/v1/loglevel?token=\(token)", body: #"{"level":"debug"}"#).status == 401)
            #expect(try await admin.ask(.PUT, "/v1/loglevel", token: token, body: String(repeating: " ", count: 9 << 20)).status == 413)
            let changed = try await admin.ask(
                .PUT,
                "/v1/loglevel",
                token: token,
                body: #"{"level":"error","pattern":"groupcache.http*=trace"}"#
            )
            #expect(changed.status == 200 && changed.json["matched"] as? [String] == ["groupcache.http"])
            #expect(logger.logLevel == .trace && levels.level == .error)
            #expect(try await admin.ask(.POST, "/v1/loglevel", token: token).status == 405)
        }
        try await RunningAdmin.with(.init(hasToken: false, levels: levels)) { (admin) async throws in
            let refused = try await admin.ask(.PUT, "/v1/loglevel", token: RunningAdmin.token, body: #"{"level":"debug"}"#)
            #expect(refused.status == 403 && refused.body.contains("--admin-token-file"))
        }
    }
}
