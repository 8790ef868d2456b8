// SPDX-License-Identifier: Apache-2.0

/// What `groupcache cluster` says on standard output.
struct ClusterReport: Sendable {
    let plan: ClusterPlan
    let json: Bool
    /// What those show who may change something over the admin ports.
    var token: String?

    private struct Event: Encodable {
        var event: String
        var urls: [String]?
        var url: String?
        var admin: String?
        var admins: [String]?
        var token: String?
        var pid: Int32?
        var reason: String?
    }

    /// A node's process began.
    func started(_ node: Int, process: Int32) {
        if self.json {
            self.emit(Event(event: "node", url: self.plan.urls[node], admin: self.admin(of: node), pid: process))
        } else {
            Console.print("node \(node + 1)  \(self.plan.urls[node])  (process \(process))")
        }
    }

    /// Every node answers.
    func ready() {
        if self.json {
            let admins = self.plan.adminURLs.isEmpty ? nil : self.plan.adminURLs
            return self.emit(Event(event: "ready", urls: self.plan.urls, admins: admins, token: self.token))
        }
        let first = self.plan.urls[0]
        let last = self.plan.urls[self.plan.urls.count - 1]
        let group = self.plan.groups[0].prefix { $0 != "=" }
        let key = self.plan.isDemo ? "Tom" : "KEY"
        Console.print(
            """

            try
              curl \(first)/v1/groups/\(group)/keys/\(key)          # loaded by its owner, once
              curl \(last)/v1/groups/\(group)/keys/\(key)          # from the cache
              curl -i \(first)/v1/groups/\(group)/keys/nobody    # 404
              curl \(first)/v1/ring/\(group)/\(key)                 # who owns it
              curl '\(first)/v1/groups/\(group)/stats?scope=cluster'
            \(self.dashboard)stop with Ctrl-C

            ready
            """
        )
    }

    private func admin(of node: Int) -> String? { self.plan.adminURLs.isEmpty ? nil : self.plan.adminURLs[node] }

    private var dashboard: String {
        guard let admin = self.admin(of: 0) else { return "" }
        return "dashboard \(admin)/\(self.token.map { "   token \($0)" } ?? "")\n"
    }

    /// A node's process ended though nobody asked it to.
    func died(_ node: Int, reason: String) {
        if self.json {
            self.emit(Event(event: "died", url: self.plan.urls[node], reason: reason))
        } else {
            Console.error("node \(node + 1)  \(self.plan.urls[node])  died (\(reason)); the others go on")
        }
    }

    private func emit(_ event: Event) {
        if let line = try? JSONText.encode(event) { Console.print(line) }
    }
}
