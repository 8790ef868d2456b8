// SPDX-License-Identifier: Apache-2.0

import Foundation
import Informers
import InformersTesting
import NIOConcurrencyHelpers
import NIOHTTP1
import Testing

@testable import GroupCacheDiscovery

/// An etcd that wants to know who asks.
@Suite(.timeLimit(.minutes(5))) struct EtcdTokenTests {
    /// What the server has been asked, and what it takes.
    private struct Book: Sendable {
        var given = 0
        var taken: Set<String> = []
        var isAsking = true
        var takesNone = false
        /// Of each question but those for a token.
        var shown: [String?] = []
        var passwords: [String] = []
    }

    private static let list = #"{"header":{"revision":"5"},"kvs":[]}"#

    /// A server that gives `t1`, `t2` … and takes the last one.
    private func server(_ book: NIOLockedValueBox<Book>, refusal: String, status: Int) -> TinyServer {
        TinyServer { request, reply in
            struct Question: Decodable { var name: String, password: String }
            if request.path == "/v3/auth/authenticate" {
                let question = try JSONDecoder().decode(Question.self, from: Data(request.body))
                let answer = book.withLockedValue { book -> (Int, String) in
                    book.passwords.append("\(question.name) \(question.password)")
                    guard book.isAsking else { return (412, #"{"code":9,"message":"etcdserver: authentication is not enabled"}"#) }
                    guard question.password == "pass word" else {
                        return (400, #"{"code":3,"message":"etcdserver: authentication failed, invalid user ID or password"}"#)
                    }
                    book.given += 1
                    book.taken = ["t\(book.given)"]
                    return (200, #"{"header":{"revision":"5"},"token":"t\#(book.given)"}"#)
                }
                return try await reply.whole(answer.0, answer.1)
            }
            let token = request.headers.first(name: "authorization")
            let isTaken = book.withLockedValue { book in
                book.shown.append(token)
                return !book.takesNone && (token.map { book.taken.contains($0) } ?? !book.isAsking)
            }
            if isTaken { try await reply.whole(200, Self.list) } else { try await reply.whole(status, refusal) }
        }
    }

    private static let invalid = #"{"code":16,"message":"etcdserver: invalid auth token"}"#

    private func run(
        _ book: NIOLockedValueBox<Book>,
        password: String = "pass word\n",
        refusal: String = EtcdTokenTests.invalid,
        status: Int = 401,
        _ body: (EtcdGateway) async throws -> Void
    ) async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("etcd-password-\(UUID().uuidString)")
        try Data(password.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let server = self.server(book, refusal: refusal, status: status)
        try await server.run {
            let client = SourceClient(name: "etcd", tls: nil)
            let gateway = EtcdGateway(
                endpoints: EtcdEndpoints([server.url], lease: .seconds(15)),
                prefix: EtcdPrefix("d"),
                client: client,
                user: EtcdUser(name: "cache", passwordFile: file.path)
            )
            let result: Result<Void, any Error>
            do { result = .success(try await body(gateway)) } catch { result = .failure(error) }
            await client.shutdown()
            try result.get()
        }
    }

    private func list(_ gateway: EtcdGateway) async throws {
        _ = try await EtcdSource(gateway: gateway, heard: {}).list(ListOptions())
    }

    @Test func thereIsOneTokenForAllQuestions() async throws {
        let book = NIOLockedValueBox(Book())
        try await self.run(book) { gateway in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<8 { tasks.addTask { try await self.list(gateway) } }
                try await tasks.waitForAll()
            }
            let seen = book.withLockedValue { $0 }
            #expect(seen.passwords == ["cache pass word"] && seen.shown == Array(repeating: "t1", count: 8))
        }
    }

    /// The member that gave it has begun anew, or what users may do has changed: etcd has several words for it.
    @Test(arguments: [
        (401, EtcdTokenTests.invalid), (200, EtcdTokenTests.invalid),
        (400, #"{"code":3,"message":"etcdserver: revision of auth store is old"}"#),
        (500, #"{"code":2,"message":"auth: revision in header is old"}"#), (400, #"{"code":3,"message":"etcdserver: user name is empty"}"#),
    ])
    func aTokenThatIsNotTakenAnyMoreIsReplaced(status: Int, refusal: String) async throws {
        let book = NIOLockedValueBox(Book())
        // A 200 with an error is what streams answer.
        let isStream = status == 200
        try await self.run(book, refusal: isStream ? #"{"error":\#(refusal)}"# : refusal, status: status) { gateway in
            func ask() async throws {
                guard isStream else { return try await self.list(gateway) }
                // It has no lease, but is answered.
                await #expect { _ = try await gateway.perform(.keepAlive(lease: 1), as: .named("n1")) } throws: {
                    "\($0)".contains("keeps alive nothing")
                }
            }
            try await ask()
            book.withLockedValue { $0.taken = [] }
            try await ask()
            let seen = book.withLockedValue { $0 }
            #expect(seen.given == 2 && seen.shown == ["t1", "t1", "t2"])
        }
    }

    @Test func aTokenThatIsNeverTakenIsReplacedOnce() async throws {
        let book = NIOLockedValueBox(Book())
        book.withLockedValue { $0.takesNone = true }
        try await self.run(book) { gateway in
            await #expect(throws: Status.self) { try await self.list(gateway) }
            #expect(book.withLockedValue { $0.shown } == ["t1", "t2"])
        }
    }

    @Test func anEtcdMayStopAskingAndBeginAgain() async throws {
        let book = NIOLockedValueBox(Book())
        try await self.run(book, refusal: #"{"code":3,"message":"etcdserver: user name is empty"}"#, status: 400) { gateway in
            try await self.list(gateway)
            book.withLockedValue { ($0.isAsking, $0.taken) = (false, []) }
            try await self.list(gateway)
            #expect(book.withLockedValue { $0.shown } == ["t1", "t1", nil])
            book.withLockedValue { $0.isAsking = true }
            try await self.list(gateway)
            #expect(book.withLockedValue { $0.shown } == ["t1", "t1", nil, nil, "t2"])
        }
    }

    @Test func aWrongPasswordIsSaidInAWordThatDoesNotHaveIt() async throws {
        let book = NIOLockedValueBox(Book())
        try await self.run(book, password: "wrong-secret") { gateway in
            for _ in 0..<3 {
                await #expect { try await self.list(gateway) } throws: { error in
                    let text = "\(error)"
                    return text.contains("does not take the password of the user") && text.contains("cache")
                        && !text.contains("wrong-secret")
                }
            }
            // And is not tried with each question.
            let seen = book.withLockedValue { $0 }
            #expect(seen.passwords == ["cache wrong-secret"] && seen.shown == [])
        }
    }

    @Test(arguments: ["", "\n", "a\nb\n", String(repeating: "x", count: 5_000)]) func whatIsNoPasswordIsSaid(text: String) async throws {
        try await self.run(NIOLockedValueBox(Book()), password: text) { gateway in
            await #expect { try await self.list(gateway) } throws: { "\($0)".contains("does not hold a password") }
        }
    }

    /// Longer each time, and with the right password all is well at once.
    @Test func aPasswordThatIsRefusedIsTriedAgainAfterAWhile() async throws {
        let clock = VirtualClock()
        let answers = NIOLockedValueBox((asked: 0, isRight: false))
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("etcd-password-\(UUID().uuidString)")
        try Data("x".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let token = EtcdToken(EtcdUser(name: "cache", passwordFile: file.path), clock: InformerClock(clock)) { _, _ in
            let isRight = answers.withLockedValue { answers in
                answers.asked += 1
                return answers.isRight
            }
            guard isRight else {
                let failure = try JSONDecoder().decode(EtcdMessage.Failure.self, from: Data(#"{"code":3,"message":"failed"}"#.utf8))
                throw EtcdRefusal(failure: failure, url: "http://e")
            }
            return "t"
        }
        for (number, pause) in [1, 2, 4, 8, 16, 30, 30].enumerated() {
            await #expect(throws: DiscoveryError.self) { try await token.current() }
            #expect(answers.withLockedValue { $0.asked } == number + 1)
            clock.advance(by: .seconds(pause) - .milliseconds(1))
            await #expect(throws: DiscoveryError.self) { try await token.current() }
            #expect(answers.withLockedValue { $0.asked } == number + 1)
            clock.advance(by: .milliseconds(1))
        }
        answers.withLockedValue { $0.isRight = true }
        let pass = try await token.current()
        #expect(pass.text == "t")
        // It was replaced already by somebody else's question.
        let other = try await token.current(refused: pass)
        try await #expect(token.current(refused: pass) == other)
        #expect(answers.withLockedValue { $0.asked } == 9)
    }
}
