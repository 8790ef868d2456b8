// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess

/// Certificates as people make them.
struct OpenSSL: Sendable {
    private let program: String
    private let folder: URL

    /// Makes an authority.
    init(folder: URL) async throws {
        self.program = try Neighbour.openssl.require()
        self.folder = folder
        try await self.run(
            ["req", "-x509"] + Self.key + ["-days", "2", "-subj", "/CN=peers", "-keyout", "authority.key", "-out", "authority.pem"]
        )
    }

    var authority: String { self.path("authority.pem") }

    func path(_ name: String) -> String { self.folder.appendingPathComponent(name).path }

    /// Makes `name.pem` and `name.key` for a node at 127.0.0.1.
    func issue(_ name: String) async throws {
        let subject = ["-subj", "/CN=\(name)", "-addext", "subjectAltName=IP:127.0.0.1"]
        try await self.run(["req"] + Self.key + subject + ["-keyout", "\(name).key", "-out", "\(name).csr"])
        try await self.run(
            [
                "x509", "-req", "-in", "\(name).csr", "-copy_extensions", "copy", "-days", "1", "-CA", "authority.pem", "-CAkey",
                "authority.key",
            ]
                + ["-out", "\(name).pem"]
        )
    }

    private static let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    private func run(_ arguments: [String]) async throws {
        let end = try await Child.run(self.program, arguments, folder: self.folder)
        guard end.status == .exited(0) else { throw TestFailure("openssl \(arguments[0]): \(end.error)") }
    }
}
