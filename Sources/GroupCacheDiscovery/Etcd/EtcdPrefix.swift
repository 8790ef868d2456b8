// SPDX-License-Identifier: Apache-2.0

/// A key below the prefix with what it holds.
struct EtcdEntry: Sendable, Hashable {
    /// The whole key.
    var key: String
    /// Empty for one that is gone.
    var value: [UInt8]
    /// What the value says, or said when it could last be read.
    var member: Member?

    init(key: String, value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// The keys of a cluster: `/PREFIX/members/` and the id.
struct EtcdPrefix: Sendable, Hashable {
    let text: String

    /// - Parameter name: one or more parts with slashes between, none of them empty.
    init(_ name: String) { self.text = "/\(name)/members/" }

    func key(of id: String) -> String { self.text + id }

    func id(of key: String) -> String? { key.hasPrefix(self.text) ? String(key.dropFirst(self.text.count)) : nil }

    /// The first key that no longer begins with the prefix.
    var end: [UInt8] { Self.end(of: Array(self.text.utf8)) }

    static func end(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.popLast() {
            if last < 0xFF { return end + [last + 1] }
        }
        // All keys from here on.
        return [0]
    }

    /// The member that an entry stands for. Its id is in its key, so that one id cannot be there twice.
    func member(_ entry: EtcdEntry) throws(DiscoveryError) -> Member {
        guard let id = self.id(of: entry.key) else { throw DiscoveryError(.malformed, "a key beyond the prefix") }
        let place = "the entry \(Member.shown(id))"
        var fields: MemberFields
        do throws(DiscoveryError) {
            fields = try MemberDocument.fields(json: entry.value)
        } catch {
            throw DiscoveryError(.malformed, "\(place) is not a JSON object")
        }
        fields.fields["id"] = .text(id)
        // Other programs write numbers as etcd does, in quotes.
        for name in ["weight", "epoch"] {
            if case .text(let text) = fields.fields[name] { fields.fields[name] = .number(text) }
        }
        return try fields.member(place, isStrict: false)
    }
}

extension Member {
    /// What an entry of etcd holds of a member: all but its id, which is the key.
    var etcdValue: [UInt8] {
        // All of it is text that needs no escaping but quotes and backslashes, which visible ASCII has as well.
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        var fields = ["\"url\":\(quoted(self.url))", "\"weight\":\(self.weight)", "\"state\":\(quoted(self.state.rawValue))"]
        if let zone = self.zone { fields.append("\"zone\":\(quoted(zone))") }
        // In quotes, as etcd writes its own: JavaScript would round it.
        if let epoch = self.epoch { fields.append("\"epoch\":\"\(epoch)\"") }
        return Array("{\(fields.joined(separator: ","))}".utf8)
    }
}
