// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A program of others that a test works with. Without it the test is skipped by name; with `GROUPCACHE_REQUIRE=all` in the environment
/// it runs all the same and fails.
enum Neighbour: String, Sendable {
    case go
    case nginx
    case openssl
    case etcd
    case dnsmasq
    case redis = "redis-server"

    /// Whether the test is to run.
    var isWanted: Bool { self.path != nil || ProcessInfo.processInfo.environment["GROUPCACHE_REQUIRE"] == "all" }

    /// What to install.
    var comment: Comment {
        switch self {
        case .go: "needs Go and golang/groupcache (Debian: golang-go golang-github-golang-groupcache-dev)"
        case .openssl: "needs openssl 3 (Debian: openssl)"
        case .etcd: "needs etcd (Debian: etcd-server)"
        case .dnsmasq: "needs dnsmasq (Debian: dnsmasq-base)"
        case .redis: "needs Redis (Debian: redis-server)"
        case .nginx: "needs nginx (Debian: nginx-light)"
        }
    }

    /// Where the program is.
    func require() throws -> String {
        guard let path = self.path else {
            throw TestFailure("\(self.rawValue) is missing and GROUPCACHE_REQUIRE=all: the test \(self.comment)")
        }
        return path
    }

    private var path: String? {
        // Another version of it than the system's, by its path: GROUPCACHE_ETCD=PATH.
        let name = "GROUPCACHE_" + self.rawValue.uppercased().replacingOccurrences(of: "-", with: "_")
        if let path = ProcessInfo.processInfo.environment[name], !path.isEmpty { return path }
        let folders =
            (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/bin"]
        guard let path = folders.map({ $0 + "/" + self.rawValue }).first(where: FileManager.default.isExecutableFile) else { return nil }
        if self == .go, !FileManager.default.fileExists(atPath: "/usr/share/gocode/src/github.com/golang/groupcache") { return nil }
        return path
    }
}
