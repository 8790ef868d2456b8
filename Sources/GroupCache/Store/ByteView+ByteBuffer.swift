package import NIOCore

extension ByteBuffer {
    /// Appends the bytes of `view`.
    package mutating func write(_ view: ByteView) {
        view.withUnsafeBytes { _ = self.writeBytes($0) }
    }
}

extension ByteView {
    /// Calls `body` with the bytes.
    package func withSpan<R>(_ body: (Span<UInt8>) -> R) -> R {
        // Sound because the storage lives until the closure returns, and a span cannot leave it.
        self.withUnsafeBytes { body(Span(_unsafeBytes: $0)) }
    }
}
