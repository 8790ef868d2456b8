// SPDX-License-Identifier: Apache-2.0

extension HashRing {
    /// Whose ring this is: how keys are hashed, where the points of a member lie, and how many there are.
    ///
    /// All nodes of a cluster must use the same dialect. The rule of lookup is the same in all: the owner of a key is the member of the
    /// first point that is not below the key's hash, unsigned, and past the last point the member of the first.
    public struct Dialect: Sendable, Hashable, CustomStringConvertible {
        enum Scheme: Sendable {
            case native, crc32, fnv1
        }

        /// The name of the dialect, as on the command line.
        public let name: String
        /// How many points a member has per unit of weight unless the ring is told otherwise.
        public let points: Int
        let scheme: Scheme

        /// This library's own ring.
        ///
        /// The hash of a key is its XXH64 with seed 0. The points of a member are the first `points × weight` outputs of SplitMix64
        /// (Steele, Lea and Flood, OOPSLA 2014) seeded with the XXH64 of its id:
        ///
        ///     state = XXH64(id)
        ///     repeat: state += 0x9E3779B97F4A7C15
        ///             z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9
        ///             z = (z ^ z >> 27) * 0x94D049BB133111EB
        ///             point = z ^ z >> 31
        ///
        /// With n nodes of equal weight and v points each, a node's share has a relative standard deviation of about 1/√v: 3 % here.
        public static let native = Self(name: "native", points: 1024, scheme: .native)

        /// The ring of golang/groupcache, galaxycache and GeeCache: CRC-32 of the key; points at CRC-32 of `"0" + id`, `"1" + id`, ….
        ///
        /// CRC-32 spreads similar ids badly: up to 1.6 times the average share for `http://localhost:800k`.
        public static let groupcache = Self(name: "groupcache", points: 50, scheme: .crc32)

        /// The ring of mailgun/groupcache: FNV-1 of the key; points at FNV-1 of the MD5 in lower-case hexadecimal of `"0" + id`, ….
        ///
        /// FNV-1 does not mix its last bytes, so numbered keys move around the ring in blocks.
        public static let mailgun = Self(name: "mailgun", points: 50, scheme: .fnv1)

        /// The ring of groupcache-go version 3: mailgun's, over ids of the form `host:port`.
        public static let groupcacheGo = Self(name: "groupcache-go", points: 50, scheme: .fnv1)

        /// Every dialect.
        public static let all: [Dialect] = [.native, .groupcache, .mailgun, .groupcacheGo]

        /// The dialect of that name; `geecache` and `galaxycache` are other names of `groupcache`.
        public init?(_ name: String) {
            let canonical = name == "geecache" || name == "galaxycache" ? Self.groupcache.name : name
            guard let dialect = Self.all.first(where: { $0.name == canonical }) else { return nil }
            self = dialect
        }

        private init(name: String, points: Int, scheme: Scheme) {
            self.name = name
            self.points = points
            self.scheme = scheme
        }

        /// The ``name``.
        public var description: String { self.name }
    }
}

extension HashRing.Dialect {
    /// How far the hashes of this dialect are shifted to the left to fill 64 bits, which keeps their order.
    var shift: UInt64 { self.scheme == .crc32 ? 32 : 0 }

    /// The position of a key on the ring.
    @inline(__always)
    func position(of key: Span<UInt8>) -> UInt64 {
        switch self.scheme {
        case .native: XXH64.hash(key)
        case .crc32: UInt64(CRC32.hash(key)) << 32
        case .fnv1: FNV1.hash(key)
        }
    }

    /// The positions of the first `count` points of the member `id`.
    func points(of id: String, count: Int) -> [UInt64] {
        let id = Array(id.utf8)
        if case .native = self.scheme {
            var generator = SplitMix64(state: XXH64.hash(id.span))
            return (0..<count).map { _ in generator.next() }
        }
        return (0..<count).map { index in
            let name = Array(String(index).utf8) + id
            return self.position(of: (self.scheme == .fnv1 ? self.hexadecimal(MD5.hash(name)) : name).span)
        }
    }

    private func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }
}

/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, with the constants of `java.util.SplittableRandom`.
///
/// Every seed is good, and neighbouring seeds give unrelated numbers.
package struct SplitMix64: RandomNumberGenerator {
    package var state: UInt64

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
