// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// How many loads each HTTP origin is asked for at once. Groups that read from one host share its limit, or a slow origin would be asked
/// as often as there are groups.
struct OriginLimits {
    /// As many loads run as the client opens connections to a host: what ran beyond that would only wait in another place, where nobody
    /// counts it.
    static let running = 64

    private var limits: [String: LoadLimit] = [:]

    /// The limit of an origin; `nil`: it is not over HTTP, and its groups have a limit each.
    mutating func limit(of location: OriginLocation) -> LoadLimit? {
        guard case .http(let template) = location else { return nil }
        if let limit = self.limits[template.host] { return limit }
        let limit = LoadLimit(running: Self.running)
        self.limits[template.host] = limit
        return limit
    }
}
