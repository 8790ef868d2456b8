// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

extension Admin {
    /// `GET /metrics`.
    func addMetrics(to routes: inout AdminRoutes) {
        routes.on(.get, "/metrics", .read) { request in
            let format = Exposition.Format(accept: request.head.headerFields[.accept])
            return Response(
                status: .ok,
                headers: [.contentType: format.contentType, .cacheControl: "no-store"],
                body: .init(byteBuffer: self.exposition(format))
            )
        }
    }

    /// All there is to say now.
    func exposition(_ format: Exposition.Format) -> ByteBuffer {
        var exposition = Exposition(format)
        CacheMetrics.write(self.pool, to: &exposition)
        if let metrics = self.metrics {
            exposition.family("groupcache_metrics_dropped", .gauge, help: CacheMetrics.help["groupcache_metrics_dropped"] ?? "")
            exposition.sample("", metrics.dropped)
            metrics.write(to: &exposition)
        }
        return exposition.finish()
    }
}
