// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Informers

/// What a route asks of who uses it.
enum AdminRight: Sendable {
    /// Nothing: it says nothing of this node.
    case nothing
    /// A token, where reading needs one.
    case read
    /// A token: it shows keys.
    case keys
    /// A token: it changes something.
    case change
}

/// Which paths there are, what each method of them does, and what it asks for. A value; nothing here does I/O.
struct AdminRoutes: Sendable {
    typealias Handler = @Sendable (AdminRequest) async throws -> Response

    struct Route: Sendable {
        var right: AdminRight
        var handler: Handler
    }

    private enum Segment: Sendable, Hashable {
        case text(String)
        /// One segment of any text.
        case name(String)
        /// All that comes.
        case rest(String)
    }

    private struct Row: Sendable {
        var pattern: String
        var segments: [Segment]
        var methods: [HTTPRequest.Method: Route]
    }

    /// What a request is about.
    struct Match: Sendable {
        var route: Route
        var pattern: String
        /// Percent-decoded.
        var names: [String: [UInt8]]
    }

    private var rows: [Row] = []

    /// Every pattern and method, with what it asks for.
    var all: [(pattern: String, method: HTTPRequest.Method, right: AdminRight)] {
        self.rows.flatMap { row in row.methods.map { (row.pattern, $0.key, $0.value.right) } }
    }

    /// A route.
    ///
    /// - Parameter pattern: as in `/v1/groups/:group/keys/:key/explain`; `*rest` at the end takes all segments that come. Segments are decoded after
    ///   they are parted, so that an escaped slash is part of one.
    mutating func on(_ method: HTTPRequest.Method, _ pattern: String, _ right: AdminRight, _ handler: @escaping Handler) {
        let route = Route(right: right, handler: handler)
        if let index = self.rows.firstIndex(where: { $0.pattern == pattern }) {
            self.rows[index].methods[method] = route
            return
        }
        let segments = pattern.split(separator: "/", omittingEmptySubsequences: true).map { part -> Segment in
            switch part.first {
            case ":": .name(String(part.dropFirst()))
            case "*": .rest(String(part.dropFirst()))
            default: .text(String(part))
            }
        }
        self.rows.append(Row(pattern: pattern, segments: segments, methods: [method: route]))
    }

    /// - Parameter path: as it came.
    /// - Throws: ``AdminFailure``: no such path, no such method of it, or an escape that is none.
    func match(_ method: HTTPRequest.Method, _ path: String) throws(AdminFailure) -> Match {
        guard path.hasPrefix("/") else { throw .noSuchPath }
        let parts = path == "/" ? [] : path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for row in self.rows {
            guard let names = try Self.names(row.segments, parts) else { continue }
            // What answers GET answers HEAD.
            if let route = row.methods[method] ?? (method == .head ? row.methods[.get] : nil) {
                return Match(route: route, pattern: row.pattern, names: names)
            }
            let allowed = (Array(row.methods.keys) + (row.methods[.get] == nil ? [] : [.head])).sorted { $0.rawValue < $1.rawValue }
            var failure = AdminFailure(.methodNotAllowed, "this path does not do that", kind: "request")
            failure.allow = allowed
            throw failure
        }
        throw .noSuchPath
    }

    private static func names(_ segments: [Segment], _ parts: [Substring]) throws(AdminFailure) -> [String: [UInt8]]? {
        var texts: [(String, Substring)] = []
        var index = 0
        for segment in segments {
            if case .rest(let name) = segment {
                guard index < parts.count else { return nil }
                texts.append((name, parts[index...].joined(separator: "/")[...]))
                index = parts.count
                break
            }
            guard index < parts.count else { return nil }
            switch segment {
            case .text(let text): guard parts[index] == text else { return nil }
            case .name(let name):
                guard !parts[index].isEmpty else { return nil }
                texts.append((name, parts[index]))
            case .rest: break
            }
            index += 1
        }
        guard index == parts.count else { return nil }
        var names: [String: [UInt8]] = [:]
        for (name, text) in texts {
            guard let decoded = Self.decode(text) else {
                throw .badRequest("a percent sign stands before something else than two hexadecimal digits", kind: "path")
            }
            names[name] = decoded
        }
        return names
    }

    /// Percent-decodes; `nil` for an escape that is none.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(self.digit), let low = rest.popFirst().flatMap(self.digit) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
