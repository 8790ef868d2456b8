/// Which source lists the members, as the command line has it.
public enum DiscoveryLocation: Sendable, Hashable, CustomStringConvertible {
    /// `file:PATH`
    case file(path: String)
    /// `dns:NAME:PORT`
    case dns(name: String, port: Int)

    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``, with one line on what is wrong.
    public init(_ text: String) throws(DiscoveryError) {
        func invalid(_ what: String) -> DiscoveryError {
            DiscoveryError(.invalidConfiguration, "--discovery \(Member.shown(text)): \(what)")
        }
        let kinds = "file:PATH or dns:NAME:PORT"
        guard let colon = text.firstIndex(of: ":") else { throw invalid("it is \(kinds)") }
        let rest = text[text.index(after: colon)...]
        switch text[..<colon] {
        case "file":
            guard !rest.isEmpty, !rest.utf8.contains(0) else { throw invalid("there is no path") }
            self = .file(path: String(rest))
        case "dns":
            guard let last = rest.lastIndex(of: ":") else { throw invalid("it is dns:NAME:PORT, as in dns:cache.internal:8001") }
            let (name, digits) = (rest[..<last], rest[rest.index(after: last)...])
            guard let port = UInt16(digits), port > 0, digits.utf8.allSatisfy({ (48...57).contains($0) }) else {
                throw invalid("the port is a number from 1 to 65535")
            }
            let allowed: (UInt8) -> Bool = {
                (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 46 || $0 == 95
            }
            guard (1...254).contains(name.utf8.count), name.utf8.allSatisfy(allowed), name.contains(where: { $0 != "." }) else {
                throw invalid("the name is not one of DNS")
            }
            self = .dns(name: String(name), port: Int(port))
        default: throw invalid("it is \(kinds)")
        }
    }

    /// As the command line has it.
    public var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .dns(let name, let port): "dns:\(name):\(port)"
        }
    }
}
