/// FNV-1 with 64 bits (multiply, then xor): <http://www.isthe.com/chongo/tech/comp/fnv/>.
///
/// It has no final mixing, so keys that differ in the last characters only lie close together on a ring.
enum FNV1 {
    /// The hash of `bytes`. O(n), one multiplication per byte.
    static func hash(_ bytes: Span<UInt8>) -> UInt64 {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for index in bytes.indices {
            hash = (hash &* 1_099_511_628_211) ^ UInt64(bytes[index])
        }
        return hash
    }
}
