// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Names to addresses.
public protocol AddressResolver: Sendable {
    /// All IPv4 and IPv6 addresses of `name` in their usual notation, in any order; empty: the name is there and has none.
    ///
    /// - Throws: ``DiscoveryError/Code/notFound`` when there is no such name, by the word of those who must know;
    ///   ``DiscoveryError/Code/unavailable`` when nobody could say.
    func addresses(of name: String) async throws(DiscoveryError) -> [String]
}

/// The resolver of the system (`getaddrinfo`), with its `/etc/hosts`, search list and time limits.
public struct SystemResolver: AddressResolver {
    /// The system's resolver.
    public init() {}

    /// Asks the system, on a thread of its own.
    public func addresses(of name: String) async throws(DiscoveryError) -> [String] {
        let result: Result<[String], DiscoveryError>
        do {
            result = try await BlockingCall.run { Self.lookUp(name) }
        } catch {
            throw DiscoveryError(.unavailable, "\(name) was not looked up: the node stops")
        }
        return try result.get()
    }

    private static func lookUp(_ name: String) -> Result<[String], DiscoveryError> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        // One kind of socket: otherwise each address comes three times.
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else { return Self.failure(code, name) }
        defer { freeaddrinfo(list) }
        var addresses: [String] = []
        var entry = list
        while let info = entry {
            var text = [CChar](repeating: 0, count: 256)
            if getnameinfo(info.pointee.ai_addr, info.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                addresses.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            entry = info.pointee.ai_next
        }
        return .success(addresses)
    }

    private static func failure(_ code: Int32, _ name: String) -> Result<[String], DiscoveryError> {
        // Of the GNU system, where the header hides it: the name is there, but not with an address.
        #if canImport(Glibc)
            if code == -5 { return .success([]) }
        #endif
        if code == EAI_NONAME { return .failure(DiscoveryError(.notFound, "there is no name \(name) in DNS")) }
        return .failure(DiscoveryError(.unavailable, "\(name) cannot be looked up: \(String(cString: gai_strerror(code)))"))
    }
}
