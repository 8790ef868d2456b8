// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// Under which names this node may be asked to change something.
///
/// A page of a stranger can have its own name point at this node (DNS rebinding): then the browser sends what the page wants to what it takes for the
/// page's own server, and says so in `Origin`. The name in `Host` gives it away. Addresses need no list: a page that is at an address is at that node.
struct HostList: Sendable, Equatable {
    /// Lower case, without ports; `nil`: see ``isStrict``.
    private let names: Set<String>
    /// Whether it is asked of every change, and not only of those of pages.
    let isStrict: Bool

    /// - Parameter names: beside `localhost` and addresses; `nil`: only pages are asked.
    init(_ names: [String]?) throws(GroupCacheError) {
        var known: Set<String> = []
        for name in names ?? [] {
            let isName = !name.isEmpty && name.utf8.count <= 255 && name.utf8.allSatisfy { ByteClass.unreserved.contains($0) }
            guard isName else {
                throw GroupCacheError(.invalidConfiguration, "\"\(name)\" is not the name of a host: it has no port, no scheme and no star")
            }
            known.insert(name.lowercased())
        }
        self.names = known
        self.isStrict = names != nil
    }

    /// - Parameters:
    ///   - host: with or without a port; empty in HTTP/1.0, in which no page is asked for.
    ///   - own: this node's host as its peers know it.
    func allows(_ host: Range<Int>, _ bytes: Span<UInt8>, own: String?) -> Bool {
        if host.isEmpty { return true }
        // An IPv6 address.
        if bytes[host.lowerBound] == UInt8(ascii: "[") { return true }
        var end = host.upperBound
        for index in host where bytes[index] == UInt8(ascii: ":") {
            end = index
            break
        }
        // A dot at the end says that the name is whole.
        if end > host.lowerBound, bytes[end - 1] == UInt8(ascii: ".") { end -= 1 }
        let name = bytes.string(host.lowerBound..<end).lowercased()
        if name == "localhost" || name.hasSuffix(".localhost") || name == own || self.names.contains(name) { return true }
        return IPAddress(name) != nil
    }
}
