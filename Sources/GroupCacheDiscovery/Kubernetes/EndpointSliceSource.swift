// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Informers
internal import NIOConcurrencyHelpers
internal import NIOCore

/// The EndpointSlices of one Service.
struct EndpointSliceSource: ListerWatcher {
    private struct Group: Decodable {
        struct Version: Decodable {
            var version: String
        }
        var versions: [Version]
    }

    private struct List: Decodable {
        struct Metadata: Decodable {
            var resourceVersion: String?
            var `continue`: String?
        }
        var kind: String?
        var metadata: Metadata
        var items: [EndpointSlice]?
    }

    private let api: KubernetesAPI
    private let namespace: String
    private let service: String
    /// The clock of ``answered``.
    private let moment: @Sendable () -> Int64
    /// Told when a question was sent that was answered, before what was answered is of any use.
    private let answered: @Sendable (Int64) -> Void
    /// When the first page of the list was asked for that is being read.
    private let began = NIOLockedValueBox(Int64.min)
    /// Told when a watch goes on where the last one ended: the source lives, and what is known still holds.
    private let heard: @Sendable () -> Void
    /// `v1`, or `v1beta1` of clusters before 1.21; `nil`: to be asked for.
    private let version = NIOLockedValueBox<String?>(nil)

    init(
        api: KubernetesAPI,
        namespace: String,
        service: String,
        moment: @escaping @Sendable () -> Int64 = { 0 },
        answered: @escaping @Sendable (Int64) -> Void = { _ in },
        heard: @escaping @Sendable () -> Void
    ) {
        self.moment = moment
        self.answered = answered
        self.api = api
        self.namespace = namespace
        self.service = service
        self.heard = heard
    }

    /// For messages.
    var name: String { "the API server at \(self.api.url)" }

    /// A page of the slices.
    func list(_ options: ListOptions) async throws -> ListResult<EndpointSlice> {
        var query = self.query
        if !options.resourceVersion.isEmpty { query.append(("resourceVersion", options.resourceVersion)) }
        if let match = options.resourceVersionMatch { query.append(("resourceVersionMatch", match.rawValue)) }
        if options.limit > 0 { query.append(("limit", "\(options.limit)")) }
        if options.continueToken.isEmpty {
            let moment = self.moment()
            self.began.withLockedValue { $0 = moment }
        } else {
            query.append(("continue", options.continueToken))
        }
        let list: List
        do {
            list = try await self.api.get(List.self, try await self.path(), query)
        } catch let status as Status where status.code == 404 {
            // The cluster has been upgraded under us: ask again which versions there are.
            self.version.withLockedValue { $0 = nil }
            throw status
        }
        guard list.kind == nil || list.kind == "EndpointSliceList" else {
            throw DiscoveryError(.malformed, "\(self.name) answers a list of another kind")
        }
        guard let version = list.metadata.resourceVersion, !version.isEmpty else {
            throw DiscoveryError(.malformed, "\(self.name) answers a list without a resource version")
        }
        if list.metadata.continue?.isEmpty ?? true { self.answered(self.began.withLockedValue { $0 }) }
        return ListResult((list.items ?? []).filter(self.isOurs), resourceVersion: version, continueToken: list.metadata.continue ?? "")
    }

    /// What changes after a version.
    func watch(_ options: WatchOptions) async throws -> WatchStream<EndpointSlice> {
        var query = self.query + [("watch", "1")]
        if !options.resourceVersion.isEmpty { query.append(("resourceVersion", options.resourceVersion)) }
        if options.allowBookmarks { query.append(("allowWatchBookmarks", "true")) }
        if let timeout = options.timeout { query.append(("timeoutSeconds", "\(max(1, timeout.components.seconds))")) }
        let path = try await self.path()
        let moment = self.moment()
        let body = try await self.api.open(path, query)
        self.answered(moment)
        self.heard()
        let source = DecodedWatchSource(body.map(\.readableBytesView)) { bytes in
            try JSONDecoder().decode(WatchEvent<EndpointSlice>.self, from: Data(bytes))
        }
        // Nonsense is an error. A connection that breaks, in whatever way, is an end.
        let stream = WatchStream(source) { error in
            error is DecodingError || error is WatchError ? WatchStream<EndpointSlice>.report(error) : nil
        }
        return stream.filtered { event in event.object.map { self.isOurs($0) } == false ? nil : event }
    }

    private var query: [(String, String)] { [("labelSelector", "kubernetes.io/service-name=\(self.service)")] }

    /// A server that does not know the selector would list those of all services.
    private func isOurs(_ slice: EndpointSlice) -> Bool {
        slice.metadata.labels?["kubernetes.io/service-name"].map { $0 == self.service } ?? true
    }

    private func path() async throws -> String {
        let version: String
        if let known = self.version.withLockedValue({ $0 }) {
            version = known
        } else {
            version = try await self.newestVersion()
            self.version.withLockedValue { $0 = version }
        }
        return "/apis/discovery.k8s.io/\(version)/namespaces/\(self.namespace)/endpointslices"
    }

    private func newestVersion() async throws -> String {
        let group: Group
        do {
            group = try await self.api.get(Group.self, "/apis/discovery.k8s.io")
        } catch let status as Status where status.code == 403 {
            // Some clusters let nobody look around; what was asked for may be allowed all the same.
            return "v1"
        } catch let status as Status where status.code == 404 {
            throw Status(.notFound, message: "\(self.name) has no EndpointSlices: they came with Kubernetes 1.17")
        }
        let versions = group.versions.map(\.version)
        guard let version = ["v1", "v1beta1"].first(where: { versions.contains($0) }) else {
            throw DiscoveryError(.unavailable, "\(self.name) has EndpointSlices of no version that is known here")
        }
        return version
    }
}
