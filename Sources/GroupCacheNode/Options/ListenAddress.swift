internal import GroupCacheHTTP

/// `HOST:PORT` as `--listen` takes it; an IPv6 address stands in brackets.
struct ListenAddress: Sendable, Hashable {
    var host: String
    /// 0: any free one.
    var port: Int

    init(_ text: String) throws(CommandError) {
        // Swift reads numbers with a sign, too; a port has none.
        guard let colon = text.lastIndex(of: ":"), text[text.index(after: colon)...].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
            let port = UInt16(text[text.index(after: colon)...])
        else {
            throw .usage("--listen wants HOST:PORT, as in 127.0.0.1:8001, not \"\(text)\"")
        }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() } else if host.contains(":") { host = "" }
        guard !host.isEmpty else { throw .usage("--listen wants HOST:PORT, as in 127.0.0.1:8001 or [::1]:8001, not \"\(text)\"") }
        self.host = String(host)
        self.port = Int(port)
    }

    /// Whether only this machine can reach the address. A host name is not looked up: it counts as outside, but for `localhost`.
    var isLoopback: Bool { HTTPPool.Configuration.Address(host: self.host, port: self.port).isLoopback }
}
