// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import NIOCore

/// A page of the keys that this node holds: `GET /v1/groups/{group}/keys`.
///
/// The place in the log is read first and the store after it. So what has changed in the meantime comes again from a watch that begins at that place, and
/// the pages together with the watch are whole. All pages have the place of the first.
struct KeyList: Sendable {
    /// Where a list goes on: opaque text for clients.
    struct Token: Sendable, Equatable, LosslessStringConvertible {
        var version: ResourceVersion
        var place: HeldPage.Cursor
        /// Of the group and the prefix: another list has other places.
        var check: UInt64

        init(version: ResourceVersion, place: HeldPage.Cursor, check: UInt64) {
            (self.version, self.place, self.check) = (version, place, check)
        }

        init?(_ description: String) {
            let parts = description.split(separator: "_", omittingEmptySubsequences: false)
            guard parts.count == 3, let version = ResourceVersion(String(parts[0])), let place = HeldPage.Cursor(String(parts[1])),
                let check = UInt64(parts[2], radix: 16), String(check, radix: 16) == parts[2]
            else { return nil }
            self.init(version: version, place: place, check: check)
        }

        var description: String { "\(self.version)_\(self.place)_\(String(self.check, radix: 16))" }
    }

    /// How many keys a page has if nobody says.
    static let usualLimit = 500
    static let maximumLimit = 5_000
    /// Whatever is asked for, no page looks at more entries, or is much longer.
    private static let maximumLooks = 65_536
    private static let maximumBytes = 4 << 20

    private let group: any ListedGroup
    private let limit: Int
    private let prefix: [UInt8]
    private let check: UInt64
    private let version: ResourceVersion
    private let place: HeldPage.Cursor

    init(_ group: any ListedGroup, _ log: EventLog<LoggedChange>, _ parameters: QueryParameters, keySize: Int) throws(Failure) {
        try WatchQuery.refuseSelectors(parameters)
        self.group = group
        self.prefix = try WatchQuery.prefix(parameters, keySize: keySize)
        self.limit = min(try parameters.number("limit") ?? Self.usualLimit, Self.maximumLimit)
        self.check = XXH64.hash((Array(group.name.utf8) + [0] + self.prefix).span)
        let asked = try parameters.text("resourceVersion")
        let match = try parameters.text("resourceVersionMatch")
        guard let text = try parameters.text("continue") else {
            let now = log.version
            try Self.check(asked, match, log, group.name, now)
            (self.version, self.place) = (now, .start)
            return
        }
        guard asked == nil || asked == "0", match == nil else {
            throw Failure(400, "continue goes on with the version of its list: resourceVersion is not for it", .request)
        }
        guard let token = Token(text) else { throw Failure(400, "the continue token is malformed", .request) }
        // A watch could not go on from there, so the list would be of no use.
        do throws(Status) { _ = try log.cursor(after: "\(token.version)", topic: group.name) } catch { throw Failure(error) }
        guard token.check == self.check else {
            throw Failure(400, "the continue token is of a list of another group or prefix", .request)
        }
        (self.version, self.place) = (token.version, token.place)
    }

    /// Whether what there is now is what was asked for.
    private static func check(_ asked: String?, _ match: String?, _ log: EventLog<LoggedChange>, _ group: String, _ now: ResourceVersion)
        throws(Failure)
    {
        guard match == nil || match == "Exact" || match == "NotOlderThan" else {
            throw Failure(400, "resourceVersionMatch is Exact or NotOlderThan", .request)
        }
        guard let asked else {
            if match != nil { throw Failure(400, "resourceVersionMatch needs a resourceVersion", .request) }
            return
        }
        if asked == "0" {
            if match == "Exact" { throw Failure(400, "resourceVersionMatch=Exact needs a version other than 0", .request) }
            return
        }
        // Of another life, or the future: whoever asks knows something else than this node.
        do throws(Status) {
            let cursor = try log.cursor(after: asked, topic: group)
            // Only what there is now can be listed.
            guard match != "Exact" || cursor.version == now else { throw Status.expired("only what there is now can be listed") }
        } catch {
            throw Failure(error)
        }
    }

    /// O(entries looked at), with one look at each value that is listed.
    var page: ByteBuffer {
        var json = JSONWriter()
        var count = 0
        var looks = 0
        var next: HeldPage.Cursor? = self.limit == 0 ? nil : self.place
        json.object { json in
            json.string("kind", "KeyList")
            json.array("items") { json in
                while let place = next, count < self.limit, looks < Self.maximumLooks, json.buffer.readableBytes < Self.maximumBytes {
                    let page = self.group.heldPage(from: place, limit: min(64, self.limit - count))
                    looks += max(1, page.entries.count)
                    for held in page.entries where held.isFresh && !held.isNegative && held.key.bytes.starts(with: self.prefix) {
                        guard let entry = self.group.heldValue(held.key) else { continue }
                        json.object { KeyEvents.write(held.key, of: self.group.name, nil, entry, hasValue: false, &$0) }
                        count += 1
                    }
                    next = page.next
                }
            }
            json.object("metadata") { json in
                json.string("resourceVersion", "\(self.version)")
                if let next { json.string("continue", "\(Token(version: self.version, place: next, check: self.check))") }
            }
        }
        json.newline()
        return json.buffer
    }
}
