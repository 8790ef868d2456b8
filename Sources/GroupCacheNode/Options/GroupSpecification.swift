// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

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
    /// How long a caller waits where an old value may be served; nil: as the library has it.
    var softTimeout: Duration?
    /// How long what this node loads in another one's place is kept; nil: as the library has it.
    var standInTTL: Duration?
    /// How long a copy of what a peer owns is kept if nothing is heard of that one's changes; nil: as the library has it.
    var nearTTL: Duration?
    /// Whether redirects may lead to other hosts.
    var followsElsewhere = false

    private static let options = [
        "capacity", "ttl", "eviction", "stale-if-error", "stale-while-revalidate", "negative-ttl", "soft-timeout", "stand-in-ttl",
        "near-ttl", "redirects",
    ]

    /// Bytes. Less is most likely a unit that was forgotten, and would keep next to nothing without a word.
    private static let smallestCapacity = 64 << 10

    /// - Throws: ``CommandError`` that names what is wrong and what would be right.
    init(_ text: String) throws(CommandError) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw .usage("--group wants NAME=ORIGIN, as in scores=csv:scores.csv")
        }
        self.name = String(text[..<equals])
        let rest = text[text.index(after: equals)...]
        if let option = Self.strayOption(rest) {
            throw .usage(
                "group \(self.name): \"\(option)\" looks like an option; options are \(Self.options.joined(separator: ", ")), "
                    + "each after a comma and nothing else (,, is a comma of the origin)"
            )
        }
        let parts = Self.split(rest)
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
        case "stand-in-ttl": self.standInTTL = try self.duration(key, value)
        case "near-ttl": self.nearTTL = try self.duration(key, value)
        case "soft-timeout": self.softTimeout = try self.duration(key, value)
        case "redirects":
            guard value == "same-origin" || value == "any" else {
                throw .usage("group \(self.name): redirects is same-origin or any, not \"\(value)\"")
            }
            guard case .http = self.origin else { throw .usage("group \(self.name): redirects is for origins over HTTP") }
            self.followsElsewhere = value == "any"
        case "negative-ttl": self.negativeTTL = try self.duration(key, value)
        default:
            throw .usage(
                "group \(self.name): no option \"\(key)\"; there are \(Self.options.joined(separator: ", "))"
            )
        }
    }

    private func duration(_ key: String, _ value: String) throws(CommandError) -> Duration {
        guard let duration = DurationText.parse(value) else {
            throw .usage("group \(self.name): \(key) wants a time like 30s or 500ms, not \"\(value)\"")
        }
        return duration
    }

    /// What comes behind the last `{key}` of a URL and would be an option if it were written as one: with a semicolon or a blank before it, or
    /// an underscore in its name. As a part of the URL it would be asked of the origin with each key, and set nothing.
    private static func strayOption(_ text: Substring) -> String? {
        guard text.hasPrefix("http"), let start = text.ranges(of: "{key}").last?.upperBound else { return nil }
        // A doubled comma is one of the URL.
        var rest = text[start...].replacing(",,", with: ".")[...]
        while let separator = rest.first(where: { ",; ".contains($0) }), let place = rest.firstIndex(of: separator) {
            rest = rest[rest.index(after: place)...]
            let blanks = rest.prefix { $0 == " " || $0 == "\t" }
            rest = rest[blanks.endIndex...]
            let word = rest.prefix { $0.isASCII && ($0.isLetter || $0 == "-" || $0 == "_") }
            let end = rest[word.endIndex...].drop { $0 == " " }
            guard !word.isEmpty, end.first == "=" else { continue }
            // As an option is written, it is one, and judged as one.
            let isPlain = word.allSatisfy { $0 == "-" || ("a"..."z").contains($0) } && blanks.isEmpty && end.startIndex == word.endIndex
            if separator == ",", isPlain { continue }
            if separator == "," || Self.options.contains(word.lowercased().replacing("_", with: "-")) { return String(word) }
        }
        return nil
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
