// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Testing

@testable import GroupCacheNode

@Suite struct OriginCodecTests {
    private static let head = CachedHead([
        (name: "ETag", value: "\"v1\""), (name: "Last-Modified", value: "Fri, 27 Nov 2026 10:00:00 GMT"),
        (name: "Cache-Control", value: "max-age=5"),
        (name: "Cache-Control", value: "public"), (name: "Set-Cookie", value: "secret"),
    ])

    @Test(
        arguments: [
            nil, .http(Self.head), .file(seconds: 1_700_000_000, nanoseconds: 999_999_999, size: .max),
            .file(seconds: -1, nanoseconds: 0, size: 0),
        ]
            as [OriginValue.Validator?]
    )
    func whatIsKeptComesBackWithWhatItIsConfirmedBy(validator: OriginValue.Validator?) throws {
        for bytes: ByteView in ["", "630", ByteView([0, 1, 2, 255])] {
            let kept = try OriginCodec().encodeKept(OriginValue(bytes, validator: validator))
            let back = try OriginCodec().decodeKept(kept)
            #expect(back.bytes == bytes && back.validator == validator)
            // What crosses the wire is the bytes alone.
            #expect(OriginCodec().encode(back) == bytes)
        }
    }

    @Test func whateverElseThereIsInAFileIsRefusedOrIsAValue() throws {
        let codec = OriginCodec()
        let whole = try codec.encodeKept(OriginValue("630", validator: .http(Self.head)))
        let all = whole.withUnsafeBytes { Array($0) }
        // Cut short anywhere before its bytes begin it is none.
        for length in 0..<(all.count - 3) {
            #expect(throws: GroupCacheError.self, "\(length)") { try codec.decodeKept(ByteView(all[..<length])) }
        }
        for kind in 3...255 as ClosedRange<UInt8> {
            #expect(throws: GroupCacheError.self) { try codec.decodeKept(ByteView([kind, 1, 2])) }
        }
        for index in all.indices {
            var broken = all
            broken[index] ^= 0xFF
            // No trap, whatever it is.
            _ = try? codec.decodeKept(ByteView(broken))
        }
        // A head that confirms nothing is none.
        let plain = try codec.encodeKept(OriginValue("1", validator: .http(CachedHead([(name: "date", value: "now")]))))
        #expect(try codec.decodeKept(plain).validator == nil)
    }
}
