internal import GroupCache

/// Only the bytes cross the wire; the validator stays with the node that asks the origin, which is the owner.
struct OriginCodec: Codec {
    func encode(_ value: OriginValue) -> ByteView { value.bytes }
    func decode(_ bytes: ByteView) -> OriginValue { OriginValue(bytes) }

    func size(of value: OriginValue, encoded: () throws -> ByteView) -> ValueSize {
        var overhead = ByteView.overhead(count: value.bytes.count)
        switch value.validator {
        case .http(let entityTag, let lastModified):
            // A box, and for each text that is too long to lie in the String itself an object with a 32-byte header.
            overhead += 64
            for text in [entityTag, lastModified] {
                if let length = text?.utf8.count, length > 15 { overhead += 32 + length }
            }
        case .file: overhead += 48
        case nil: break
        }
        return ValueSize(payload: value.bytes.count, overhead: overhead)
    }
}
