internal import GroupCacheHTTP
internal import Logging

/// What a node is to be, checked as far as it can be without opening anything.
struct NodeSettings: Sendable {
    var listen: ListenAddress
    var advertise: String?
    var peers: [String]
    var dialect: Dialect
    var groups: [GroupSpecification]
    var logLevel: Logger.Level
    var drainDelay: Duration
    var drainTimeout: Duration

    /// - Throws: ``CommandError`` with one line on the first thing that is wrong.
    init(_ raw: RawSettings) throws(CommandError) {
        self.listen = try ListenAddress(raw.listen ?? "127.0.0.1:8001")
        guard self.listen.isLoopback || raw.insecure == true else {
            throw .usage(
                "\(self.listen.host) can be reached from other machines, and this node asks nobody who they are; "
                    + "listen on 127.0.0.1, or say --insecure if the network is yours alone"
            )
        }
        self.advertise = raw.advertise
        self.peers = raw.peers ?? []
        let dialect = raw.dialect ?? "native"
        guard let known = Dialect(dialect) else {
            throw .usage(
                "no dialect \"\(dialect)\"; there are native, groupcache, geecache, geecache-protobuf, mailgun, groupcache-go"
            )
        }
        self.dialect = known
        self.groups = []
        for text in raw.groups ?? [] {
            let group = try GroupSpecification(text)
            guard !self.groups.contains(where: { $0.name == group.name }) else { throw .usage("the group \(group.name) is given twice") }
            self.groups.append(group)
        }
        guard !self.groups.isEmpty else { throw .usage("a node needs a group, as in --group scores=csv:scores.csv") }
        let level = raw.logLevel ?? "notice"
        guard let logLevel = Logger.Level(rawValue: level) else {
            throw .usage("no log level \"\(level)\"; there are \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.logLevel = logLevel
        self.drainDelay = try Self.duration("drain-delay", raw.drainDelay, default: .zero)
        self.drainTimeout = try Self.duration("drain-timeout", raw.drainTimeout, default: .seconds(10))
    }

    private static func duration(_ name: String, _ text: String?, default: Duration) throws(CommandError) -> Duration {
        guard let text else { return `default` }
        guard let duration = DurationText.parse(text) else { throw .usage("--\(name) wants a time like 10s, not \"\(text)\"") }
        return duration
    }
}
