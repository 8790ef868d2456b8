/// What `groupcache cluster` says on standard output.
struct ClusterReport: Sendable {
    let plan: ClusterPlan
    let json: Bool

    private struct Event: Encodable {
        var event: String
        var urls: [String]?
        var url: String?
        var pid: Int32?
        var reason: String?
    }

    /// A node's process began.
    func started(_ node: Int, process: Int32) {
        if self.json {
            self.emit(Event(event: "node", url: self.plan.urls[node], pid: process))
        } else {
            Console.print("node \(node + 1)  \(self.plan.urls[node])  (process \(process))")
        }
    }

    /// Every node answers.
    func ready() {
        if self.json { return self.emit(Event(event: "ready", urls: self.plan.urls)) }
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
            stop with Ctrl-C

            ready
            """
        )
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
