internal import NIOCore

extension ByteBuffer {
    /// Takes what a read has brought, behind what is still to be looked at.
    ///
    /// What has been looked at goes first: in a stream whose messages never end where a read ends, there is always a rest, and a buffer
    /// only grows.
    mutating func append(_ incoming: inout ByteBuffer) {
        // Usually there is nothing left of the read before, and the buffer is taken as it is.
        guard self.readableBytes > 0 else {
            swap(&self, &incoming)
            return
        }
        if self.readerIndex > self.readableBytes { self.discardReadBytes() }
        self.writeBuffer(&incoming)
    }
}
