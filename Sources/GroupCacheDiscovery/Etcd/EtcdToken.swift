// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// What etcd gives a user for its password, and what it is asked with from then on. It holds for a while, and not beyond the life of the member that gave it.
actor EtcdToken {
    /// What a question is asked with.
    struct Pass: Sendable, Hashable {
        /// Which one it is: the same text may be given twice.
        fileprivate let number: Int
        /// `nil`: etcd asks nobody who they are.
        let text: String?
    }

    /// Asks for a token; `nil`: etcd asks nobody.
    typealias Authenticate = @Sendable (_ name: String, _ password: String) async throws -> String?

    private let user: EtcdUser
    private let clock: InformerClock
    private let authenticate: Authenticate
    private var pass: Pass?
    private var count = 0
    /// There is one such question at a time: etcd's work with a password is meant to take long.
    private var running: Task<Pass, any Error>?
    /// The last refusal, which stands until then.
    private var refusal: (error: any Error, until: Duration, pause: Duration)?

    private static let pauses = (first: Duration.seconds(1), longest: Duration.seconds(30))

    init(_ user: EtcdUser, clock: InformerClock, authenticate: @escaping Authenticate) {
        self.user = user
        self.clock = clock
        self.authenticate = authenticate
    }

    /// What to ask with.
    ///
    /// - Parameter refused: what etcd did not take: another is asked for if it is still that one.
    /// - Throws: what etcd says to the password; for a while without asking it again.
    func current(refused: Pass? = nil) async throws -> Pass {
        if let pass = self.pass, pass != refused { return pass }
        if let refusal = self.refusal, self.clock.now < refusal.until { throw refusal.error }
        let running = self.running ?? Task { try await self.ask() }
        self.running = running
        // Who waits is a node's registration and its watch, which end together.
        return try await withTaskCancellationHandler {
            try await running.value
        } onCancel: {
            running.cancel()
        }
    }

    private func ask() async throws -> Pass {
        defer { self.running = nil }
        let user = self.user
        let password = try await BlockingCall.run { Result { () throws(DiscoveryError) in try user.password() } }.get()
        do {
            let text = try await self.authenticate(user.name, password)
            self.count += 1
            let pass = Pass(number: self.count, text: text)
            self.pass = pass
            self.refusal = nil
            return pass
        } catch let refused as EtcdRefusal where refused.failure.isOfAll {
            let error = DiscoveryError(
                .invalidConfiguration,
                "\(refused.url) does not take the password of the user \(Member.shown(user.name)): \(Member.shown(refused.failure.text))"
            )
            // The same error for as long: it is said once.
            let pause = self.refusal.map { min($0.pause * 2, Self.pauses.longest) } ?? Self.pauses.first
            self.refusal = (error, self.clock.now + pause, pause)
            throw error
        }
    }
}
