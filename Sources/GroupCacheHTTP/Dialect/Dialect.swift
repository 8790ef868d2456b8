// SPDX-License-Identifier: Apache-2.0

public import GroupCache

/// How the members of a cluster speak to each other: paths, bodies and the ring. One per pool.
///
/// | dialect | base path | 200 body | TTL | set, remove | ring ids |
/// |---|---|---|---|---|---|
/// | ``native`` | `/_groupcache/` | the value | `GroupCache-TTL` | `PUT` with the value, `DELETE` | URL |
/// | ``groupcache`` | `/_groupcache/` | `GetResponse` | none | none | URL as given |
/// | ``geecache`` | `/_geecache/` | the value | none | none | URL as given |
/// | ``geecacheProtobuf`` | `/_geecache/` | `Response` | none | none | URL as given |
/// | ``mailgun`` | `/_groupcache/` | `GetResponse` | field `expire` | `PUT` with `SetRequest`, `DELETE` | URL as given |
/// | ``groupcacheGo`` | `/_groupcache/` | `GetResponse` | field `expire` | `PUT` with `SetRequest`, `DELETE` | `host:port` as given |
///
/// Among nodes of Go the next owner of a key is never asked, since such a node asks the owner in its turn: this one loads. A set or remove is told to
/// every other node where there is a word for it; where there is none, it throws ``/GroupCache/GroupCacheError/Code/unsupported``, with the change
/// made at this node if the key is its own.
///
/// A request with `Cache-Control: no-cache` makes one of our nodes load the value anew. Headers of our own, all optional; other implementations ignore them:
///
/// | header | on | meaning |
/// |---|---|---|
/// | `GroupCache-Ring` | request | ``/GroupCache/HashRing/version`` of the sender, 16 hexadecimal digits; a difference is counted |
/// | `GroupCache-Timeout` | request | how long the answer is of use, in milliseconds |
/// | `GroupCache-TTL` | 200, `PUT`, 404 | how much longer the value (or its absence) is fresh, in milliseconds; absent: without end |
/// | `GroupCache-Schema` | request, 200 | the name of the schema of the group's values, percent-encoded; absent: none is named |
/// | `GroupCache-Trail` | request | the loads in whose getters it is made, at most 16: 16 hexadecimal digits each, commas between them |
/// | `GroupCache-Content-Type` | 200, `PUT` | the value's media type |
/// | `GroupCache-Directives` | 200, `PUT` | what caches are to do with the value, as text |
/// | `GroupCache-Last-Modified` | 200, `PUT` | when whoever made the value has changed it last, in their words |
/// | `GroupCache-Date` | 200, `PUT` | when whoever made the value has sent it, by their clock, in seconds since 1970 |
/// | `GroupCache-Age` | 200 | how old the value is, in milliseconds; absent: not at all |
/// | `GroupCache-Tags` | 200, `PUT` | the value's tags, each percent-encoded, commas between them |
/// | `GroupCache-Handover` | request | by what to fetch a value that was loaded for a link and is too large for it, 16 hexadecimal digits |
/// | `GroupCache-Error` | any failure | ``/GroupCache/GroupCacheError/Code`` by name |
///
/// Keys are escaped as every Go server decodes them. A raw `+` in a path means a space in the dialects whose Go clients use
/// `url.QueryEscape` (``groupcache``, ``geecache``, ``geecacheProtobuf``), and a plus in all others.
public struct Dialect: Sendable, Hashable, CustomStringConvertible {
    enum Base: String, Hashable, CaseIterable {
        case native
        case groupcache
        case geecache
        case geecacheProtobuf = "geecache-protobuf"
        case mailgun
        case groupcacheGo = "groupcache-go"
    }

    let base: Base

    /// Our own, between nodes of this library.
    public static let native = Self(base: .native)
    /// golang/groupcache.
    public static let groupcache = Self(base: .groupcache)
    /// GeeCache of days 5 and 6: raw bodies.
    public static let geecache = Self(base: .geecache)
    /// GeeCache of day 7: protocol buffers.
    public static let geecacheProtobuf = Self(base: .geecacheProtobuf)
    /// mailgun/groupcache v2.
    public static let mailgun = Self(base: .mailgun)
    /// groupcache/groupcache-go v3.
    public static let groupcacheGo = Self(base: .groupcacheGo)

    /// All of them.
    public static let all = Base.allCases.map(Dialect.init(base:))

    /// The dialect called `name`: `native`, `groupcache`, `geecache`, `geecache-protobuf`, `mailgun` or `groupcache-go`.
    public init?(_ name: String) {
        guard let base = Base(rawValue: name) else { return nil }
        self.base = base
    }

    init(base: Base) { self.base = base }

    /// The dialect's name.
    public var description: String { self.base.rawValue }

    /// How keys are placed.
    public var ring: HashRing.Dialect {
        switch self.base {
        case .native: .native
        case .groupcache, .geecache, .geecacheProtobuf: .groupcache
        case .mailgun: .mailgun
        case .groupcacheGo: .groupcacheGo
        }
    }

    /// Where peers ask, with a slash at both ends.
    public var basePath: String {
        switch self.base {
        case .geecache, .geecacheProtobuf: "/_geecache/"
        default: "/_groupcache/"
        }
    }

    /// Whether a raw `+` in a path stands for a space.
    var plusIsSpace: Bool {
        switch self.base {
        case .groupcache, .geecache, .geecacheProtobuf: true
        case .native, .mailgun, .groupcacheGo: false
        }
    }

    /// Whether the body of an answer is a protocol buffer message, and not the value itself.
    var usesProtobuf: Bool {
        switch self.base {
        case .native, .geecache: false
        case .groupcache, .geecacheProtobuf, .mailgun, .groupcacheGo: true
        }
    }

    /// Whether answers tell when they expire, in field 3.
    var hasExpire: Bool { self.base == .mailgun || self.base == .groupcacheGo }

    /// Whether peers can set and remove.
    var canWrite: Bool { self.base == .native || self.hasExpire }

    /// Whether a node hangs up on who asks for a group that it does not have, so that a connection which breaks says nothing of its health: v3 calls
    /// a method of a group that is nil. One that is dead refuses the next connection.
    var hangsUpOnUnknownGroups: Bool { self.base == .groupcacheGo }

    /// The `Content-Type` of an answer.
    var contentType: StaticString {
        switch self.base {
        case .groupcache, .mailgun, .groupcacheGo: "application/x-protobuf"
        case .native, .geecache, .geecacheProtobuf: "application/octet-stream"
        }
    }
}
