// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Logging
internal import NIOCore

/// What became of some of the requests for this node's routes: a line each, drawn by lot. Of paths only their pattern is told and the name of a group that there
/// is, so no line holds a key, a value, a query, a token, or who asked.
final class AccessLog: Sendable {
    /// A request that is to be logged when it is answered.
    struct Entry {
        var id: String
        var method: String
        var route: String
        var group: String?
        var trace: String?
        var began: NIODeadline
        /// Of an answer that is told piece by piece: what has been said of it so far.
        var status = 0
        var bytes = 0
    }

    private let logger: Logger
    /// A number is drawn, and below this one the request is logged; `nil`: each is.
    private let threshold: UInt64?

    /// - Parameter rate: the part of requests that is logged; `nil` when that is none.
    init?(rate: Double, logger: Logger) {
        guard rate > 0 else { return nil }
        self.logger = logger
        self.threshold = rate >= 1 ? nil : UInt64(rate * 0x1p64)
    }

    /// Whether a request is logged.
    func takes(_ lot: inout Lot) -> Bool { self.threshold.map { lot.draw() < $0 } ?? true }

    func entry(
        _ head: RequestHead,
        _ bytes: Span<UInt8>,
        _ match: RouteTable.Match,
        _ router: Router,
        now: NIODeadline,
        _ lot: inout Lot
    ) -> Entry {
        var entry = Entry(id: "", method: Self.method(head), route: "-", began: now)
        entry.id = Self.id(head, bytes) ?? Self.hexadecimal(lot.draw())
        entry.trace = head.traceparent.flatMap { Self.trace(bytes.string($0)) }
        if case .route(let handler, _, _, let group, _) = match {
            entry.route = router.core.routes.routes.first { $0.handler == handler }?.pattern ?? "-"
            if !group.isEmpty { entry.group = router.find(group, bytes, plusIsSpace: false)?.name }
        }
        return entry
    }

    /// - Parameter isCut: the client had gone before it had all of the answer.
    func write(_ entry: Entry, isCut: Bool, now: NIODeadline) {
        var metadata: Logger.Metadata = [
            "id": "\(entry.id)", "method": "\(entry.method)", "route": "\(entry.route)", "status": "\(entry.status)",
            "bytes": "\(entry.bytes)", "microseconds": "\(max(0, (now - entry.began).nanoseconds) / 1_000)",
        ]
        if let group = entry.group { metadata["group"] = "\(group)" }
        if let trace = entry.trace { metadata["trace"] = "\(trace)" }
        if isCut { metadata["cut"] = "true" }
        self.logger.notice("request", metadata: metadata)
    }

    private static func method(_ head: RequestHead) -> String {
        let name = Route.Methods(head.method).description
        return name.isEmpty ? (head.method == .options ? "OPTIONS" : "-") : name
    }

    /// What the client, or a proxy before it, calls the request, if that is short and plain.
    private static func id(_ head: RequestHead, _ bytes: Span<UInt8>) -> String? {
        var lines = LineScanner()
        guard let first = try? lines.next(in: bytes), !first.isEmpty || (try? lines.next(in: bytes)) != nil else { return nil }
        while let line = try? lines.next(in: bytes), !line.isEmpty, lines.lineStart <= head.length,
            let field = try? FieldLine(line, in: bytes)
        {
            guard bytes.matches(field.name, "x-request-id") else { continue }
            guard (1...64).contains(field.value.count) else { return nil }
            for index in field.value { guard ByteClass.unreserved.contains(bytes[index]) else { return nil } }
            return bytes.string(field.value)
        }
        return nil
    }

    /// The trace's own id (W3C Trace Context).
    private static func trace(_ parent: String) -> String? {
        let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[1].utf8.count == 32, parts[1].allSatisfy(\.isHexDigit) else { return nil }
        return String(parts[1])
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}

/// Numbers that nobody need be unable to guess (SplitMix64; Steele, Lea and Flood, OOPSLA 2014): what the system draws costs as much as an answer.
struct Lot {
    private var state: UInt64

    init(seed: UInt64 = .random(in: 0 ... .max)) { self.state = seed }

    mutating func draw() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension Response {
    /// The bytes of its body, as far as they are known beforehand.
    var bodySize: Int {
        switch self.body {
        case .none, .stream: 0
        case .bytes(let bytes): bytes.readableBytes
        case .value(let value), .message(let value, expire: _): value.count
        case .part(_, let range): range.count
        }
    }
}
