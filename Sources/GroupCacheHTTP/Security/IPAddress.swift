internal import NIOCore

/// What of a textual IP address matters here.
struct IPAddress {
    let isLoopback: Bool

    /// `nil` for names. Brackets are no part of an address.
    init?(_ text: String) {
        switch try? SocketAddress(ipAddress: text, port: 0) {
        case .v4: self.isLoopback = text.hasPrefix("127.")
        // The system writes an address in one way only, however it was given.
        case .v6(let address): self.isLoopback = SocketAddress.v6(address).ipAddress == "::1"
        default: return nil
        }
    }
}
