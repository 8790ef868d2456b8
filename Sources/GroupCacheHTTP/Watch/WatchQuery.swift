// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// What a client that watches has asked for.
package struct WatchQuery: Sendable, Equatable {
    /// After which place; empty: from now on.
    var version = ""
    /// Whether a browser names the place by itself: it does so again and again, whatever it is answered but 200, or gives up for ever.
    var isResumed = false
    /// Whether what there is comes first.
    var sendsInitialEvents = true
    /// Whether a bookmark says when that has been told.
    var marksInitialEnd = false
    /// Only keys that begin so.
    var prefix: [UInt8] = []
    /// After how long the stream ends.
    package var timeout: Duration
    /// Whether it wants bookmarks. Otherwise a sign of life stands in for them.
    var hasBookmarks = false
    /// How long there is nothing to tell before that is told.
    var heartbeat = Duration.seconds(60)
    /// Whether keys come with their values.
    var hasValues = false

    /// For how long a client watches that does not say: drawn by chance, so that those who came at once do not come back at once.
    package static let usualTimeout = 1_800..<3_600
    /// Nobody watches for longer.
    static let longestTimeout = 86_400

    /// - Parameters:
    ///   - parameters: of the query.
    ///   - lastEventID: where a browser was when its stream broke.
    ///   - keySize: how long a key may be.
    package init(_ parameters: QueryParameters, lastEventID: String? = nil, keySize: Int, random: () -> Int = { .random(in: usualTimeout) })
        throws(Failure)
    {
        if parameters["continue"] != nil { throw Failure(400, "a watch has no pages: continue is for lists", .request) }
        try Self.refuseSelectors(parameters)
        self.version = try parameters.text("resourceVersion") ?? ""
        let asked = try parameters.flag("sendInitialEvents")
        switch try parameters.text("resourceVersionMatch") {
        case nil: break
        case "NotOlderThan" where asked == true: break
        case "NotOlderThan", "Exact":
            throw Failure(400, "resourceVersionMatch of a watch is NotOlderThan, and goes with sendInitialEvents=true", .request)
        default: throw Failure(400, "resourceVersionMatch is Exact or NotOlderThan", .request)
        }
        if self.version == "0" { self.version = "" }
        self.sendsInitialEvents = asked ?? self.version.isEmpty
        if let lastEventID, !lastEventID.isEmpty {
            (self.version, self.isResumed, self.sendsInitialEvents) = (lastEventID, true, false)
        }
        self.marksInitialEnd = asked == true && self.sendsInitialEvents
        if !self.version.isEmpty, ResourceVersion(self.version) == nil { throw Failure(400, "the resource version is malformed", .request) }
        self.prefix = try Self.prefix(parameters, keySize: keySize)
        let seconds = try parameters.number("timeoutSeconds") ?? 0
        self.timeout = .seconds(seconds == 0 ? random() : min(seconds, Self.longestTimeout))
        let heartbeat = try parameters.number("heartbeatSeconds")
        if let heartbeat { self.heartbeat = .seconds(min(max(1, heartbeat), 60)) }
        self.hasBookmarks = try parameters.flag("allowWatchBookmarks") ?? false || heartbeat != nil
        self.hasValues = try parameters.flag("values") ?? false
    }

    /// Beyond a prefix nothing is selected here. Who asked for less must not be told everything.
    static func refuseSelectors(_ parameters: QueryParameters) throws(Failure) {
        for name in ["labelSelector", "fieldSelector"] where parameters[name] != nil {
            throw Failure(400, "\(name) is not understood here; prefix selects keys", .request)
        }
    }

    static func prefix(_ parameters: QueryParameters, keySize: Int) throws(Failure) -> [UInt8] {
        let prefix = parameters["prefix"] ?? []
        if prefix.count > keySize { throw Failure(400, "a prefix has at most \(keySize) bytes, as a key", .request) }
        return prefix
    }
}

/// In what form events are sent.
package enum WatchForm: Sendable, Equatable {
    /// A JSON object a line.
    case lines
    /// As browsers read it: `text/event-stream`.
    case eventStream
    /// A text message each, over a WebSocket.
    case frames

    /// The form that a client accepts; `nil`: none of ours.
    package init?(accept values: [String]) {
        var (lines, stream) = (values.isEmpty, false)
        for element in values.joined(separator: ",").split(separator: ",") {
            let parts = element.split(separator: ";").map { HeaderList.trimmed($0).lowercased() }
            // Of no worth: not that one.
            if parts.dropFirst().contains(where: { $0.hasPrefix("q=0") && $0.dropFirst(3).allSatisfy { $0 == "0" || $0 == "." } }) {
                continue
            }
            switch parts.first {
            case "text/event-stream": stream = true
            case "*/*", "application/*", "application/json", "application/jsonl", "application/x-ndjson": lines = true
            default: break
            }
        }
        guard lines || stream else { return nil }
        self = stream ? .eventStream : .lines
    }

    package var contentType: StaticString { self == .eventStream ? "text/event-stream" : "application/json" }
}
