// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird
internal import Informers
internal import NIOConcurrencyHelpers

extension Admin {
    /// How many may look for hot keys at the same time.
    private static var mostLooks: Int { 4 }

    /// `GET /v1/hotkeys`: which keys are hit most, found out while the client waits. It shows keys, so it needs a token.
    func addHotKeys(to routes: inout AdminRoutes) {
        routes.on(.get, "/v1/hotkeys", .keys) { request in
            try request.allowParameters("group", "for", "limit")
            let time = try request.duration("for") ?? .seconds(1)
            guard time >= .milliseconds(50), time <= .seconds(30) else { throw AdminFailure.badRequest("for is a time of 50ms to 30s") }
            var limit = 20
            if let text = try request.parameter("limit") {
                guard let number = Int(text), (1...HotKeys.capacity).contains(number) else {
                    throw AdminFailure.badRequest("limit is a number from 1 to \(HotKeys.capacity)")
                }
                limit = number
            }
            var groups = self.pool.groups
            if let name = try request.parameter("group") {
                groups = groups.filter { $0.name == name }
                guard !groups.isEmpty else { throw AdminFailure.noSuchGroup }
            }
            let isFree = self.looks.withLockedValue { looks in
                guard looks < Self.mostLooks else { return false }
                looks += 1
                return true
            }
            guard isFree else {
                throw AdminFailure(.tooManyRequests, "\(Self.mostLooks) others look for hot keys now", kind: "request", retryAfter: 1)
            }
            defer { self.looks.withLockedValue { $0 -= 1 } }
            let sampled = groups.compactMap { $0 as? any SampledGroup }
            return AdminJSON.response(try await HotKeys.look(at: sampled, for: time, limit: limit, clock: self.operations.clock))
        }
    }
}
