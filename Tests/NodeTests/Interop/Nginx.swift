// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess

/// A real nginx that serves a folder of files on a port of its own.
struct Nginx: Sendable {
    let folder: URL
    let port: Int

    var root: URL { self.folder.appendingPathComponent("root") }
    var template: String { "http://127.0.0.1:\(self.port)/{key}" }

    init(folder: URL, port: Int) throws {
        self.folder = folder
        self.port = port
        try FileManager.default.createDirectory(at: self.root, withIntermediateDirectories: true)
        let text = """
            daemon off;
            master_process off;
            pid \(folder.path)/nginx.pid;
            error_log stderr crit;
            events { worker_connections 512; }
            http {
                access_log \(folder.path)/access.log combined;
                # A client may have opened more connections than it had requests for; told to quit, nginx waits that long for their first.
                client_header_timeout 1s;
                client_body_temp_path \(folder.path)/body;
                proxy_temp_path \(folder.path)/proxy;
                fastcgi_temp_path \(folder.path)/fastcgi;
                uwsgi_temp_path \(folder.path)/uwsgi;
                scgi_temp_path \(folder.path)/scgi;
                server {
                    listen 127.0.0.1:\(port);
                    root \(folder.path)/root;
                }
            }
            """
        try text.write(to: folder.appendingPathComponent("nginx.conf"), atomically: true, encoding: .utf8)
    }

    /// Runs nginx while `body` does, and returns when it has ended.
    func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let program = try Neighbour.nginx.require()
        let configuration = self.folder.appendingPathComponent("nginx.conf").path
        let end = try await Child.run(program, ["-e", "stderr", "-p", self.folder.path, "-c", configuration]) { child in
            _ = try await fetch("http://127.0.0.1:\(self.port)/", until: { _ in true })
            try await body()
            child.signal(.quit)
            await child.wait()
        }
        guard end.status == .exited(0) else { throw TestFailure("nginx ended with \(end.status): \(end.error)") }
    }

    /// How many requests were answered with a status.
    func count(status: Int) throws -> Int {
        let log = try String(contentsOf: self.folder.appendingPathComponent("access.log"), encoding: .utf8)
        return log.split(separator: "\n").count { $0.contains("HTTP/1.1\" \(status) ") }
    }
}
