// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
package import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

// What a pool says of itself and its peers, at notice and warning: once, and without keys.
extension HTTPPool {
    package var groupLogger: Logger? { self.core.logger }

    /// Says who has gone, and who is back. Once a second.
    func note(peers notices: inout PeerNotices) {
        let peers = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }.map { ($0.id, $0.standing.health.isUp) }
        for notice in notices.look(peers, now: .now()) {
            switch notice {
            case .down(let id):
                self.core.logger.warning("a peer is down: others stand in for it", metadata: ["peer.id": "\(id)"])
            case .up(let id, let time):
                let seconds = time.nanoseconds / 1_000_000_000
                self.core.logger.notice("a peer is up again", metadata: ["peer.id": "\(id)", "seconds": "\(seconds)"])
            }
        }
    }

    func noteListening(on address: SocketAddress) {
        let scheme = self.configuration.tls == nil ? "http" : "https"
        let host = address.ipAddress.map { $0.contains(":") ? "[\($0)]" : $0 } ?? ""
        self.core.logger.notice(
            "listening",
            metadata: [
                "url": "\(scheme)://\(host):\(address.port ?? 0)", "advertised": "\(self.url ?? "")",
                "nodes": "\(max(1, self.ring.members.count))",
            ]
        )
    }

    /// A group asks whom to ask, and nobody runs the pool: no peer can reach this node, and it hears of no change. Says so, once.
    func noteNotRun() {
        guard self.core.isForgotten(now: .now()) else { return }
        self.core.logger.warning("the pool has groups and is not run: add it to the services of the application, or call run()")
    }

    /// What `bind` says, in one line.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
        return "\(String(cString: strerror(error.errnoCode))) (errno \(error.errnoCode))"
    }
}
