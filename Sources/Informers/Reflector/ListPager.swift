/// Which pages to ask for, until a list is complete: a value, without I/O.
struct ListPager<Object: Sendable>: Sendable {
    private let requested: ListOptions
    private var collected: [Object] = []
    private var resourceVersion: String?
    private var unreadable = 0
    /// Where pages went on so far: a source that comes back to one of them would never come to an end.
    private var tokens: Set<String> = []
    private(set) var asksForAll = false
    /// Whether the source cut the list into pages.
    private(set) var isPaged = false
    /// What to ask for next.
    private(set) var options: ListOptions

    init(_ options: ListOptions) {
        self.requested = options
        self.options = options
    }

    /// Takes a page; the whole list when this was the last one.
    mutating func receive(_ page: ListResult<Object>) throws(WatchError) -> ListResult<Object>? {
        self.unreadable += page.unreadable
        // The version of the first page: a watch from there tells what changed while the others were read.
        let resourceVersion = self.resourceVersion ?? page.resourceVersion
        self.resourceVersion = resourceVersion
        if page.continueToken.isEmpty {
            // A list that came in one piece is passed on as it is.
            if self.collected.isEmpty { self.collected = page.items } else { self.collected += page.items }
            return ListResult(self.collected, resourceVersion: resourceVersion, unreadable: self.unreadable)
        }
        guard self.tokens.insert(page.continueToken).inserted else { throw WatchError(.malformed, "the pages of a list go in circles") }
        self.collected += page.items
        self.isPaged = true
        // A token names the version it belongs to; sources refuse both at once.
        self.options = ListOptions(limit: self.options.limit, continueToken: page.continueToken)
        return nil
    }

    /// Takes an error of the last page asked for. `true`: go on with ``options``, which now ask for the whole list at once. That is so once: a
    /// source that pages whatever is asked for, and whose pages expire, would be asked for ever.
    mutating func fail(_ error: any Error) -> Bool {
        // Only a later page can have expired because reading took so long; an expired first page is for the caller to deal with.
        guard let status = error as? Status, status.isExpired, !self.options.continueToken.isEmpty, !self.asksForAll else { return false }
        self.asksForAll = true
        self.collected = []
        self.unreadable = 0
        self.tokens = []
        self.resourceVersion = nil
        self.options = self.requested
        self.options.limit = 0
        return true
    }
}
