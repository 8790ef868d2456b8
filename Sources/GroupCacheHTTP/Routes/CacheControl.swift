/// The directives of a request's `Cache-Control` (RFC 9111 §5.2) that a set, and a peer's get, understand.
struct CacheControl: Equatable {
    /// Seconds.
    var maxAge: Int?
    var noStore = false
    /// Load the value anew.
    var noCache = false

    init(_ range: Range<Int>, _ bytes: Span<UInt8>) {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            while end < range.upperBound, bytes[end] != UInt8(ascii: ",") { end += 1 }
            var first = start
            var last = end
            while first < last, isBlank(bytes[first]) { first += 1 }
            while last > first, isBlank(bytes[last - 1]) { last -= 1 }
            let name = "max-age="
            if bytes.matches(first..<last, "no-store") {
                self.noStore = true
            } else if bytes.matches(first..<last, "no-cache") {
                self.noCache = true
            } else if last - first > name.utf8.count, bytes.matches(first..<first + name.utf8.count, name) {
                self.maxAge = bytes.decimal(first + name.utf8.count..<last)
            }
            start = end + 1
        }
    }
}
