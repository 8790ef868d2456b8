internal import GroupCache
internal import GroupCacheHTTP

/// Only the bytes cross the wire; the validator stays with the node that asks the origin, which is the owner.
struct OriginCodec: Codec {
    func encode(_ value: OriginValue) -> ByteView { value.bytes }
    func decode(_ bytes: ByteView) -> OriginValue { OriginValue(bytes) }

    func size(of value: OriginValue, encoded: () throws -> ByteView) -> ValueSize {
        var overhead = ByteView.overhead(count: value.bytes.count)
        switch value.validator {
        // A box, and what the head takes.
        case .http(let head): overhead += 48 + head.footprint
        case .file: overhead += 48
        case nil: break
        }
        return ValueSize(payload: value.bytes.count, overhead: overhead)
    }
}
