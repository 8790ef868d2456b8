// SPDX-License-Identifier: Apache-2.0

/// The application that is written three ways: scores that lie in a database, and are kept in a cache before it.
protocol Scores: Sendable {
    /// The score of a player; `nil`: there is no such player.
    func score(of name: String) async throws -> String?
    /// Gives a player another score. Whoever asks after it has returned should be told that one.
    func change(_ name: String, to score: String) async throws
    /// What runs beside the application for as long as that does.
    func run() async throws
}

/// What cache-aside needs of a cache. (No application writes this, which has one cache: it is here to have two.)
protocol LockingCache: Sendable {
    associatedtype Lock: Sendable

    func get(_ key: String) async throws -> String?
    func keep(_ key: String, _ value: String, for time: Duration) async throws
    func delete(_ key: String) async throws
    /// `nil`: somebody else has it.
    func lock(_ key: String, for time: Duration) async throws -> Lock?
    func unlock(_ lock: Lock) async throws
}

extension Scores {
    func run() async throws {}
}
