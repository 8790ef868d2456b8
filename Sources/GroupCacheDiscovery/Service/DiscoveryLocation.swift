// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

/// Which source lists the members, as the command line has it.
public enum DiscoveryLocation: Sendable, Hashable, CustomStringConvertible {
    /// `file:PATH`
    case file(path: String)
    /// `dns:NAME:PORT`
    case dns(name: String, port: Int)
    /// `etcd:URL[,URL…]/PREFIX`: the keys below `/PREFIX/members/`, where each node registers itself; the URLs are members of one etcd, of which any will do.
    case etcd(urls: [String], prefix: String)
    /// `kubernetes:NAMESPACE/SERVICE`: the EndpointSlices of a Service, asked for at the API server of the cluster that the node runs in.
    case kubernetes(namespace: String, service: String)

    /// - Throws: ``DiscoveryError/Code/invalidConfiguration``, with one line on what is wrong.
    public init(_ text: String) throws(DiscoveryError) {
        let kinds = "it is file:PATH, dns:NAME:PORT, etcd:URL[,URL…]/PREFIX or kubernetes:NAMESPACE/SERVICE"
        guard let colon = text.firstIndex(of: ":") else { throw Self.invalid(text, kinds) }
        let rest = text[text.index(after: colon)...]
        switch text[..<colon] {
        case "file":
            guard !rest.isEmpty, !rest.utf8.contains(0) else { throw Self.invalid(text, "there is no path") }
            self = .file(path: String(rest))
        case "dns": self = try Self.dns(rest, text)
        case "etcd": self = try Self.etcd(rest, text)
        case "kubernetes": self = try Self.kubernetes(rest, text)
        default: throw Self.invalid(text, kinds)
        }
    }

    private static func invalid(_ text: String, _ what: String) -> DiscoveryError {
        DiscoveryError(.invalidConfiguration, "--discovery \(Member.shown(text)): \(what)")
    }

    private static func dns(_ rest: Substring, _ text: String) throws(DiscoveryError) -> DiscoveryLocation {
        guard let last = rest.lastIndex(of: ":") else { throw self.invalid(text, "it is dns:NAME:PORT, as in dns:cache.internal:8001") }
        let (name, digits) = (rest[..<last], rest[rest.index(after: last)...])
        guard let port = UInt16(digits), port > 0, digits.utf8.allSatisfy({ (48...57).contains($0) }) else {
            throw self.invalid(text, "the port is a number from 1 to 65535")
        }
        guard (1...254).contains(name.utf8.count), self.isName(name), name.contains(where: { $0 != "." }) else {
            throw self.invalid(text, "the name is not one of DNS")
        }
        return .dns(name: String(name), port: Int(port))
    }

    private static func etcd(_ rest: Substring, _ text: String) throws(DiscoveryError) -> DiscoveryLocation {
        // What was meant for nobody's eyes is not repeated.
        guard !rest.contains("@") else {
            throw DiscoveryError(.invalidConfiguration, "--discovery etcd:…: a URL of etcd has no user in it")
        }
        // No comma is in a URL that is one, or in a prefix: the prefix is at the last.
        var urls = rest.split(separator: ",", omittingEmptySubsequences: false)
        // Where etcd is ends at the first slash after the scheme's two; the rest is the prefix.
        guard let last = urls.popLast(), let scheme = last.firstRange(of: "://"), let slash = last[scheme.upperBound...].firstIndex(of: "/")
        else {
            throw self.invalid(text, "it is etcd:URL[,URL…]/PREFIX, as in etcd:http://etcd:2379/my-cluster")
        }
        let prefix = last[last.index(after: slash)...]
        let parts = prefix.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...128).contains(prefix.utf8.count), parts.allSatisfy({ !$0.isEmpty && self.isName($0) }) else {
            throw self.invalid(text, "the prefix is names of A-Z a-z 0-9 . _ - with single slashes between, 128 characters at most")
        }
        urls.append(last[..<slash])
        var canonical: [String] = []
        for url in urls {
            let one: String
            do throws(GroupCacheError) { one = try HTTPPool.Peer.canonicalURL(String(url)) } catch {
                throw self.invalid(
                    text,
                    urls.count == 1 ? "that is not the URL of an etcd" : "\(Member.shown(String(url))) is not the URL of an etcd"
                )
            }
            guard one.firstRange(of: "://").map({ !one[$0.upperBound...].contains("/") }) == true else {
                throw self.invalid(text, "the prefix is said once, after the last URL")
            }
            guard !canonical.contains(one) else { throw self.invalid(text, "\(one) is given twice") }
            canonical.append(one)
        }
        guard canonical.count <= Self.maximumEndpoints else {
            throw self.invalid(text, "there are more than \(Self.maximumEndpoints) URLs")
        }
        // What is secret to one would be in clear on the way to another.
        guard Set(canonical.map { $0.hasPrefix("https://") }).count == 1 else {
            throw self.invalid(text, "all URLs of an etcd begin with https://, or none does")
        }
        return .etcd(urls: canonical, prefix: String(prefix))
    }

    /// An etcd has seven members at the most, if it follows its own advice.
    private static var maximumEndpoints: Int { 9 }

    private static func kubernetes(_ rest: Substring, _ text: String) throws(DiscoveryError) -> DiscoveryLocation {
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        // RFC 1035 labels, which is what Kubernetes calls its namespaces and services by.
        let isLabel: (Substring) -> Bool = { part in
            (1...63).contains(part.utf8.count) && part.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
                && part.first != "-" && part.last != "-"
        }
        guard parts.count == 2, parts.allSatisfy(isLabel) else {
            throw self.invalid(text, "it is kubernetes:NAMESPACE/SERVICE, as in kubernetes:default/cache")
        }
        return .kubernetes(namespace: String(parts[0]), service: String(parts[1]))
    }

    private static func isName(_ text: Substring) -> Bool {
        text.utf8.allSatisfy {
            (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 46 || $0 == 95
        }
    }

    /// As the command line has it.
    public var description: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .dns(let name, let port): "dns:\(name):\(port)"
        case .etcd(let urls, let prefix): "etcd:\(urls.joined(separator: ","))/\(prefix)"
        case .kubernetes(let namespace, let service): "kubernetes:\(namespace)/\(service)"
        }
    }
}
