/// How far a reflector has come, and from where it lists and watches next: a value, without I/O.
struct SyncedVersion: Sendable, Equatable {
    /// The last version seen; empty: none.
    private(set) var last = ""
    /// The source did not know ``last``: the next list asks for the newest there is.
    private(set) var isUnavailable = false

    /// What a list asks for. Not older than what was seen: a source that lags behind must not take anybody back in time.
    var relist: String {
        if self.isUnavailable { return "" }
        return self.last.isEmpty ? "0" : self.last
    }

    /// From where a streaming list begins.
    var rewatch: String { self.isUnavailable ? "" : self.last }

    mutating func advance(to version: String) { self.last = version }
    mutating func listed() { self.isUnavailable = false }
    mutating func refused() { self.isUnavailable = true }
}
