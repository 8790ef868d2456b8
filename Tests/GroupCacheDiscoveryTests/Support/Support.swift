// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import Informers
import Logging
import NIOConcurrencyHelpers

@testable import GroupCacheDiscovery

/// A ring that remembers what it was told.
final class FakeRing: RingTarget {
    struct State: Sendable {
        var sets: [[String]] = []
        var own: String?
        var shown = MembershipView()
        var refusal: GroupCacheError?
    }

    let state = NIOLockedValueBox(State())

    var sets: [[String]] { self.state.withLockedValue { $0.sets } }
    var shown: MembershipView { self.state.withLockedValue { $0.shown } }
    var problem: String? { self.shown.problem?.message }
    var age: Duration? { self.shown.age }

    func setMembers(_ members: [Member], own: Member?) throws(GroupCacheError) {
        let refusal = self.state.withLockedValue { state in
            if state.refusal == nil {
                state.sets.append(members.map(\.id))
                state.own = own?.id
            }
            return state.refusal
        }
        if let refusal { throw refusal }
    }

    func show(_ view: MembershipView) { self.state.withLockedValue { $0.shown = view } }
}

/// A source whose answers a test sets, and which counts how often it is asked.
final class FakeMembers: MemberRegistry, AddressResolver {
    private struct State: Sendable {
        var result: Result<[Member], DiscoveryError> = .success([])
        var addresses: Result<[String], DiscoveryError> = .success([])
        var asked = 0
        var gate: Gate?
    }

    private let state = NIOLockedValueBox(State())

    var asked: Int { self.state.withLockedValue { $0.asked } }

    func answer(_ result: Result<[Member], DiscoveryError>, gate: Gate? = nil) {
        self.state.withLockedValue {
            $0.result = result
            $0.gate = gate
        }
    }

    func resolve(_ result: Result<[String], DiscoveryError>) {
        self.state.withLockedValue { $0.addresses = result }
    }

    func members() async throws(DiscoveryError) -> [Member] {
        let (gate, result) = self.state.withLockedValue { state in
            state.asked += 1
            return (state.gate, state.result)
        }
        try? await gate?.pass()
        return try result.get()
    }

    func addresses(of name: String) async throws(DiscoveryError) -> [String] {
        try self.state.withLockedValue { $0.addresses }.get()
    }

    func insert(_ member: Member) async throws(DiscoveryError) {
        let list = try self.state.withLockedValue { $0.result }.get()
        self.answer(.success(list.filter { $0.id != member.id } + [member]))
    }

    func delete(id: String) async throws(DiscoveryError) {
        let list = try self.state.withLockedValue { $0.result }.get()
        self.answer(.success(list.filter { $0.id != id }))
    }
}

extension Member {
    /// A member whose address follows from its id.
    static func named(_ id: String, weight: Int = 1, state: State = .ready, port: Int = 8001) -> Member {
        try! Member(id: id, url: "http://\(id):\(port)", weight: weight, state: state)
    }
}

/// The lists that came.
final class Lists: Sendable {
    private let state = NIOLockedValueBox<[Result<[Member], DiscoveryError>]>([])

    func take(_ result: Result<[Member], DiscoveryError>) { self.state.withLockedValue { $0.append(result) } }

    var count: Int { self.state.withLockedValue { $0.count } }
    /// The ids and states of the last list, if the last word was one.
    var last: [String]? {
        self.state.withLockedValue { state in
            try? state.last?.get().map { $0.state == .ready ? $0.id : "\($0.id) \($0.state.rawValue)" }.sorted()
        }
    }
    var members: [Member] { self.state.withLockedValue { (try? $0.last?.get()) ?? [] } }
    /// The last failure there was.
    var failure: String? {
        self.state.withLockedValue { state in
            for case .failure(let error) in state.reversed() { return error.message }
            return nil
        }
    }
}

extension Logger {
    static var silent: Logger { Logger(label: "t") { _ in SwiftLogNoOpLogHandler() } }
}
