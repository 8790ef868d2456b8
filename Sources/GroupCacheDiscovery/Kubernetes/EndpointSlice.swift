// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// A part of the addresses of a Service, as `discovery.k8s.io/v1` and `v1beta1` have it, and as far as it is read.
struct EndpointSlice: Decodable, Sendable, Hashable {
    struct Metadata: Decodable, Sendable, Hashable {
        var name: String
        var labels: [String: String]?
    }

    struct Conditions: Decodable, Sendable, Hashable {
        var ready: Bool?
        var serving: Bool?
        var terminating: Bool?
    }

    struct Target: Decodable, Sendable, Hashable {
        var name: String?
        var uid: String?
    }

    struct Endpoint: Decodable, Sendable, Hashable {
        var addresses: [String]
        var conditions: Conditions?
        var hostname: String?
        var zone: String?
        /// Where `v1beta1` has the zone.
        var topology: [String: String]?
        var targetRef: Target?
    }

    struct Port: Decodable, Sendable, Hashable {
        var name: String?
        var port: Int?
    }

    var metadata: Metadata
    var addressType: String
    var endpoints: [Endpoint]?
    var ports: [Port]?
}

extension EndpointSlice.Endpoint {
    /// Absent conditions are those of an endpoint that is ready: `ready` is true without a word, and `serving` is what `ready` is. A Service that
    /// publishes those who are not ready calls them all ready; `serving` tells the truth then.
    var state: Member.State {
        let ready = self.conditions?.ready ?? true
        let serving = self.conditions?.serving ?? ready
        if self.conditions?.terminating == true { return serving ? .draining : .gone }
        return ready && serving ? .ready : .joining
    }
}

/// The members that all slices of a service are together.
enum SliceMembers {
    /// Where an endpoint is, and which node's it is.
    private struct Place {
        var state: Member.State
        /// The better one of those that say something of one node counts.
        var rank: Int
        var uid: String?
        var isIPv4: Bool
        var url: String
        var zone: String?
    }

    /// - Parameter scheme: of the nodes' URLs.
    /// - Returns: one member for each pod, whatever families its addresses are of, in however many slices they are.
    static func members(of slices: [EndpointSlice], scheme: String) -> Result<[Member], DiscoveryError> {
        do throws(DiscoveryError) {
            var places: [String: [Place]] = [:]
            /// Endpoints that are no pod's: which addresses of the two families belong to one node cannot be known.
            var nameless: [Place] = []
            for slice in slices {
                for endpoint in slice.endpoints ?? [] {
                    let place = try self.place(endpoint, slice, scheme)
                    if let name = endpoint.targetRef?.name ?? endpoint.hostname {
                        places[name, default: []].append(place)
                    } else {
                        nameless.append(place)
                    }
                }
            }
            var members: [Member] = []
            members.reserveCapacity(places.count + nameless.count)
            for (name, places) in places { members.append(try self.member(name, places)) }
            let hasIPv4 = nameless.contains { $0.isIPv4 }
            let byURL = Dictionary(grouping: nameless.filter { $0.isIPv4 == hasIPv4 }) { $0.url }
            for places in byURL.values { members.append(try self.member(nil, places)) }
            return .success(members)
        } catch {
            return .failure(error)
        }
    }

    private static func place(_ endpoint: EndpointSlice.Endpoint, _ slice: EndpointSlice, _ scheme: String) throws(DiscoveryError) -> Place
    {
        let name = Member.shown(slice.metadata.name)
        // All addresses of an endpoint are the same to Kubernetes.
        guard let address = endpoint.addresses.first, !address.isEmpty else {
            throw DiscoveryError(.malformed, "an endpoint of the slice \(name) has no address")
        }
        let state = endpoint.state
        let rank =
            switch state {
            case .ready: 0
            case .joining: 1
            case .draining: 2
            case .gone: 3
            }
        return Place(
            state: state,
            rank: rank,
            uid: endpoint.targetRef?.uid,
            isIPv4: !address.contains(":"),
            url: "\(scheme)://\(address.contains(":") ? "[\(address)]" : address):\(try self.port(slice))",
            zone: endpoint.zone ?? endpoint.topology?["topology.kubernetes.io/zone"]
        )
    }

    private static func port(_ slice: EndpointSlice) throws(DiscoveryError) -> Int {
        let ports = slice.ports ?? []
        let chosen = ports.count == 1 ? ports[0] : ports.first { $0.name == "groupcache" }
        guard let port = chosen?.port, (1...65_535).contains(port) else {
            let name = Member.shown(slice.metadata.name)
            throw DiscoveryError(
                .malformed,
                "the slice \(name) has \(ports.count) ports, and not one that is alone or is called groupcache"
            )
        }
        return port
    }

    /// A pod may stand in two slices for a while, and one of its name may follow another: what is best for it counts, and of its addresses the
    /// one of IPv4, on every node.
    private static func member(_ name: String?, _ places: [Place]) throws(DiscoveryError) -> Member {
        let sorted = places.sorted { ($0.rank, $0.isIPv4 ? 0 : 1, $0.url) < ($1.rank, $1.isIPv4 ? 0 : 1, $1.url) }
        let best = sorted[0]
        let place = sorted.first { $0.uid == best.uid && $0.isIPv4 } ?? best
        return try Member(id: name, url: place.url, zone: best.zone, state: best.state)
    }
}

extension EndpointSlice {
    /// The members that a reflector finds in slices.
    static func members(
        scheme: String,
        take: @escaping @Sendable (@escaping Listing) -> Void
    ) -> MemberStore<EndpointSlice> {
        MemberStore(name: \.metadata.name, members: { SliceMembers.members(of: $0, scheme: scheme) }, take: take)
    }
}
