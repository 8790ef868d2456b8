// The JSON of an event: {"type":"ADDED|MODIFIED|DELETED|BOOKMARK|ERROR","object":{…}}. An object's resource version stands in its metadata; a
// bookmark's object has nothing else; an error's is a Status.

private enum EventKeys: String, CodingKey { case type, object }
private enum ObjectKeys: String, CodingKey { case kind, metadata, elapsedMs }

private struct Metadata: Codable {
    var resourceVersion: String?
    var annotations: [String: String]?

    static let initialEventsEnd = "k8s.io/initial-events-end"
}

extension WatchEvent: Decodable where Object: Decodable {
    /// Reads an event. Throws ``WatchError/Code/unknownEventType`` for a type that is none of the five.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: EventKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        if type == "ERROR" {
            self = .error(try container.decode(Status.self, forKey: .object))
            return
        }
        guard ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"].contains(type) else {
            throw WatchError(.unknownEventType, "got invalid watch event type")
        }
        let object = try container.nestedContainer(keyedBy: ObjectKeys.self, forKey: .object)
        let metadata = try object.decodeIfPresent(Metadata.self, forKey: .metadata)
        if type == "BOOKMARK" {
            let isEnd = metadata?.annotations?[Metadata.initialEventsEnd] == "true"
            let elapsed =
                try object.decodeIfPresent(Int.self, forKey: .elapsedMs)
            let bookmark = Bookmark(isInitialEventsEnd: isEnd, elapsedMilliseconds: elapsed)
            self.init(.bookmark(bookmark), resourceVersion: metadata?.resourceVersion)
            return
        }
        let value = try container.decode(Object.self, forKey: .object)
        let change: Change =
            switch type {
            case "ADDED": .added(value)
            case "MODIFIED": .modified(value)
            default: .deleted(value)
            }
        self.init(change, resourceVersion: metadata?.resourceVersion)
    }
}

extension WatchEvent: Encodable where Object: Encodable {
    /// Writes an event. The object writes its own metadata; unknown and foreign events cannot be written.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: EventKeys.self)
        switch self.change {
        case .added(let object):
            try container.encode("ADDED", forKey: .type)
            try container.encode(object, forKey: .object)
        case .modified(let object):
            try container.encode("MODIFIED", forKey: .type)
            try container.encode(object, forKey: .object)
        case .deleted(let object):
            try container.encode("DELETED", forKey: .type)
            try container.encode(object, forKey: .object)
        case .error(let status):
            try container.encode("ERROR", forKey: .type)
            try container.encode(status, forKey: .object)
        case .bookmark(let bookmark):
            try container.encode("BOOKMARK", forKey: .type)
            var object = container.nestedContainer(keyedBy: ObjectKeys.self, forKey: .object)
            let annotations = bookmark.isInitialEventsEnd ? [Metadata.initialEventsEnd: "true"] : nil
            try object.encode(Metadata(resourceVersion: self.resourceVersion, annotations: annotations), forKey: .metadata)
            try object.encodeIfPresent(bookmark.elapsedMilliseconds, forKey: .elapsedMs)
        case .unknown, .foreign:
            throw WatchError(.unknownEventType, "only decoded, never encoded")
        }
    }
}
