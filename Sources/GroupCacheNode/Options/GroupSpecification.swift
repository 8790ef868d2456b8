internal import GroupCache

/// What `--group NAME=ORIGIN[,option=value]…` says.
///
/// The name ends at the first `=`. An option begins at a comma that is followed by lower-case letters or hyphens and `=`; every other
/// comma belongs to the origin, so `csv:/data/a,b.csv` and `http://h/x?a=1&b=2,3/{key}` need no quoting. Where an origin itself holds
/// something that looks like an option, double the comma: `csv:/data/odd,,ttl=5.csv` reads `/data/odd,ttl=5.csv`.
struct GroupSpecification: Sendable, Hashable {
    var name: String
    var origin: OriginLocation
    /// Bytes.
    var capacity = 64 << 20
    /// How long a value is fresh when its origin does not say; nil: without end.
    var ttl: Duration?
    var eviction: EvictionPolicy = .lru
    var staleIfError: Duration = .zero
    var staleWhileRevalidate: Duration = .zero
    /// How long "there is none" is remembered; zero: not at all.
    var negativeTTL: Duration = .zero

    /// Bytes. Less is most likely a unit that was forgotten, and would keep next to nothing without a word.
    private static let smallestCapacity = 64 << 10

    /// - Throws: ``CommandError`` that names what is wrong and what would be right.
    init(_ text: String) throws(CommandError) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw .usage("--group wants NAME=ORIGIN, as in scores=csv:scores.csv")
        }
        self.name = String(text[..<equals])
        let parts = Self.split(text[text.index(after: equals)...])
        self.origin = try OriginLocation(parts[0])
        var seen: Set<String> = []
        for option in parts.dropFirst() {
            let equals = option.firstIndex(of: "=") ?? option.endIndex
            let (key, value) = (String(option[..<equals]), String(option[equals...].dropFirst()))
            guard seen.insert(key).inserted else { throw .usage("group \(self.name): \(key) is given twice") }
            try self.apply(key, value)
        }
    }

    private mutating func apply(_ key: String, _ value: String) throws(CommandError) {
        switch key {
        case "capacity":
            guard let capacity = SizeText.parse(value), capacity > 0 else {
                throw .usage("group \(self.name): capacity wants a size like 64MiB, not \"\(value)\"")
            }
            guard capacity >= Self.smallestCapacity else {
                throw .usage("group \(self.name): a capacity of \(value) keeps hardly anything; give at least 64KiB")
            }
            self.capacity = capacity
        case "eviction":
            guard let eviction = EvictionPolicy(value) else {
                throw .usage("group \(self.name): eviction is lru or s3fifo, not \"\(value)\"")
            }
            self.eviction = eviction
        case "ttl": self.ttl = try self.duration(key, value)
        case "stale-if-error": self.staleIfError = try self.duration(key, value)
        case "stale-while-revalidate": self.staleWhileRevalidate = try self.duration(key, value)
        case "negative-ttl": self.negativeTTL = try self.duration(key, value)
        default:
            throw .usage(
                "group \(self.name): no option \"\(key)\"; there are capacity, ttl, eviction, stale-if-error, stale-while-revalidate, negative-ttl"
            )
        }
    }

    private func duration(_ key: String, _ value: String) throws(CommandError) -> Duration {
        guard let duration = DurationText.parse(value) else {
            throw .usage("group \(self.name): \(key) wants a time like 30s or 500ms, not \"\(value)\"")
        }
        return duration
    }

    /// The origin and the options, doubled commas undone.
    private static func split(_ text: Substring) -> [String] {
        var parts = [""]
        var rest = text
        while let character = rest.popFirst() {
            if character != "," {
                parts[parts.count - 1].append(character)
            } else if rest.first == "," {
                rest.removeFirst()
                parts[parts.count - 1].append(",")
            } else {
                let word = rest.prefix { $0 == "-" || ("a"..."z").contains($0) }
                if !word.isEmpty, rest[word.endIndex...].first == "=" {
                    parts.append("")
                } else {
                    parts[parts.count - 1].append(",")
                }
            }
        }
        return parts
    }
}
