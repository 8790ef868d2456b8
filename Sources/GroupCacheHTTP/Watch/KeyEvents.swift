// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import NIOCore

/// A key, or a range of keys, as lists and watches show it.
enum KeyEvents {
    /// What changes in a group at this node.
    ///
    /// - Parameter key: only of this one, and of ranges that may have it.
    static func watched(_ log: EventLog<LoggedChange>, _ group: any ListedGroup, key: Key?, _ query: WatchQuery) -> Watched<LoggedChange> {
        let name = group.name
        let (prefix, hasValues) = (query.prefix, query.hasValues)
        return Watched(
            log: log,
            topic: name,
            kind: "Key",
            isWanted: { event in
                guard let told = event.told else { return false }
                guard let changed = told.key else { return true }
                return key.map { $0 == changed } ?? true && changed.bytes.starts(with: prefix)
            },
            write: { event, version, json in
                guard let told = event.told else { return }
                // Read now, and so as new as what comes next: what has gone meanwhile has an event of its own.
                let value = hasValues && told.reason == .set ? told.key.flatMap { group.heldValue($0) } : nil
                self.write(told, of: name, version, value, &json)
            },
            initial: { place, event in
                var keys: [Key]
                var next: String?
                if let key {
                    keys = [key]
                } else {
                    // Values may be large, and are all written before the piece goes out.
                    let page = group.heldPage(from: place.flatMap { HeldPage.Cursor($0) } ?? .start, limit: hasValues ? 1 : 64)
                    keys = page.entries.filter { $0.isFresh && !$0.isNegative }.map(\.key)
                    next = page.next?.description
                }
                for key in keys where key.bytes.starts(with: prefix) {
                    guard let entry = group.heldValue(key) else { continue }
                    event { version, json in
                        json.object { json in
                            json.string("type", "ADDED")
                            json.object("object") { self.write(key, of: name, version, entry, hasValue: hasValues, &$0) }
                        }
                    }
                }
                return next
            }
        )
    }

    private static func write(
        _ told: GroupChange,
        of group: String,
        _ version: WatchVersion,
        _ value: ServedEntry?,
        _ json: inout JSONWriter
    ) {
        json.object { json in
            // What is past its time is there still.
            json.string("type", told.reason == .set || told.isSoft ? "MODIFIED" : "DELETED")
            json.object("object") { json in
                if let key = told.key {
                    self.write(key, of: group, version, value, hasValue: true, &json)
                } else {
                    json.string("kind", "KeyRange")
                    json.object("metadata") { json in
                        json.string("group", group)
                        version.write(&json)
                    }
                    if let tag = told.tag { json.string("tag", tag) }
                    if told.isSoft { json.bool("soft", true) }
                }
                json.string("reason", told.reason.rawValue)
            }
        }
    }

    /// The fields of an object that is a key.
    ///
    /// - Parameters:
    ///   - version: of the event; `nil`: in a list, which has one for all.
    ///   - entry: what is held of it; `nil`: nothing is said of that.
    static func write(
        _ key: Key,
        of group: String,
        _ version: WatchVersion?,
        _ entry: ServedEntry?,
        hasValue: Bool,
        _ json: inout JSONWriter
    ) {
        json.string("kind", "Key")
        json.object("metadata") { json in
            json.string("group", group)
            json.string("name", key.string)
            version?.write(&json)
            if let value = entry?.value { json.string("etag", EntityTag(of: value).description) }
        }
        // The name above is what text can be made of it.
        if String(validating: key.bytes, as: UTF8.self) == nil { json.string("nameBase64", Base64.encode(ByteView(key.bytes))) }
        guard let entry, let value = entry.value else { return }
        json.number("size", value.count)
        if let ttl = entry.ttl {
            let nanoseconds = HTTPDate.unixNanoseconds() + Int64(max(0, ttl.milliseconds)) * 1_000_000
            json.string("expiresAt", HTTPDate.internet(unixSeconds: nanoseconds / 1_000_000_000))
        }
        // It is another node's, which tells of its changes.
        if entry.source == .near { json.bool("copy", true) }
        guard hasValue else { return }
        let isText = value.withSpan { bytes in
            guard let text = try? UTF8Span(validating: bytes) else { return false }
            json.string("value", text)
            return true
        }
        if !isText { json.string("valueBase64", Base64.encode(value)) }
    }
}
