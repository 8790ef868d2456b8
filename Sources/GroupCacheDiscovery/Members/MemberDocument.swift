// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A list of members as somebody writes it into a file: JSON, or the few forms of YAML that say the same.
///
/// ```json
/// {"members": [{"id": "n1", "url": "http://10.0.0.1:8001", "zone": "a", "weight": 2}]}
/// ```
/// ```yaml
/// members:
///   - id: n1
///     url: http://10.0.0.1:8001
///     zone: a
///     weight: 2
/// ```
enum MemberDocument {
    /// Larger files are refused unread; 10,000 members fit.
    static let maximumSize = 4 << 20

    /// - Throws: ``DiscoveryError/Code/malformed``, with one line on the first thing that is wrong. Half a file is malformed as well: JSON
    ///   lacks its last bracket, and YAML, which has none, the end of its last line.
    static func parse(_ bytes: [UInt8]) throws(DiscoveryError) -> [Member] {
        guard bytes.count <= self.maximumSize else {
            throw DiscoveryError(.malformed, "the list is larger than \(self.maximumSize >> 20) MiB")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DiscoveryError(.malformed, "the list is not UTF-8")
        }
        guard let first = text.unicodeScalars.first(where: { !" \t\r\n".unicodeScalars.contains($0) }) else {
            throw DiscoveryError(.malformed, "the file is empty; a list of nobody is {\"members\":[]}")
        }
        if first == "<" { throw DiscoveryError(.malformed, "the list is a page of HTML or XML") }
        let list = first == "{" ? try self.json(bytes) : try YAMLMembers.parse(text)
        var members: [Member] = []
        members.reserveCapacity(list.count)
        for (index, fields) in list.enumerated() { members.append(try fields.member("member \(index + 1)")) }
        return members
    }

    /// The fields of one member, as JSON has them.
    static func fields(json bytes: [UInt8]) throws(DiscoveryError) -> MemberFields {
        guard let fields = try? JSONDecoder().decode(JSONFields.self, from: Data(bytes)) else {
            throw DiscoveryError(.malformed, "a member is not a JSON object")
        }
        return fields.fields
    }

    private static func json(_ bytes: [UInt8]) throws(DiscoveryError) -> [MemberFields] {
        do {
            return try JSONDecoder().decode(JSONDocument.self, from: Data(bytes)).members
        } catch let error as DiscoveryError {
            throw error
        } catch {
            throw DiscoveryError(.malformed, "the list is not {\"members\":[{\"id\":…,\"url\":…}]}, or not all of it is there yet")
        }
    }

    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct JSONDocument: Decodable {
        var members: [MemberFields]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Name.self)
            if let unknown = container.allKeys.map(\.stringValue).sorted().first(where: { $0 != "members" }) {
                throw DiscoveryError(.malformed, "the list has a field \(Member.shown(unknown)) beside members")
            }
            self.members = try container.decode([JSONFields].self, forKey: Name(stringValue: "members")).map(\.fields)
        }
    }

    private struct JSONFields: Decodable {
        var fields = MemberFields()

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Name.self)
            for name in container.allKeys {
                self.fields.fields[name.stringValue] = Self.scalar(container, name)
            }
        }

        private static func scalar(_ container: KeyedDecodingContainer<Name>, _ name: Name) -> MemberFields.Scalar {
            if (try? container.decodeNil(forKey: name)) == true { return .null }
            if let text = try? container.decode(String.self, forKey: name) { return .text(text) }
            if (try? container.decode(Bool.self, forKey: name)) != nil { return .truth }
            if let number = try? container.decode(UInt64.self, forKey: name) { return .number(String(number)) }
            if let number = try? container.decode(Int64.self, forKey: name) { return .number(String(number)) }
            if let number = try? container.decode(Double.self, forKey: name) { return .number(String(number)) }
            return .other
        }
    }
}
