// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheHTTP

/// Files of a test, removed with it.
final class TestFiles: Sendable {
    private let folder: URL

    init() throws {
        self.folder = FileManager.default.temporaryDirectory.appendingPathComponent("groupcache-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: self.folder) }

    func path(_ name: String) -> String { self.folder.appendingPathComponent(name).path }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: self.path(name), atomically: true, encoding: .utf8)
        return self.path(name)
    }

    /// Writes (or replaces) what a node shows, and whom it trusts.
    @discardableResult
    func tls(
        _ identity: TestAuthority.Identity,
        trusting authority: TestAuthority? = nil,
        verification: HTTPPool.Configuration.TLS.ClientVerification = .none,
        name: String = "node"
    ) throws -> HTTPPool.Configuration.TLS {
        HTTPPool.Configuration.TLS(
            certificateFile: try self.write("\(name).pem", identity.certificate),
            keyFile: try self.write("\(name).key", identity.key),
            trustRootsFile: try authority.map { try self.write("\(name)-roots.pem", $0.pem) },
            clientVerification: verification
        )
    }
}
