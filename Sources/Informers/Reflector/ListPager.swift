/// Which pages to ask for, until a list is complete: a value, without I/O.
struct ListPager<Object: Sendable>: Sendable {
    private let requested: ListOptions
    private var collected: [Object] = []
    private var resourceVersion: String?
    /// Whether the source cut the list into pages.
    private(set) var isPaged = false
    /// What to ask for next.
    private(set) var options: ListOptions

    init(_ options: ListOptions) {
        self.requested = options
        self.options = options
    }

    /// Takes a page; the whole list when this was the last one.
    mutating func receive(_ page: ListResult<Object>) -> ListResult<Object>? {
        // The version of the first page: a watch from there tells what changed while the others were read.
        let resourceVersion = self.resourceVersion ?? page.resourceVersion
        self.resourceVersion = resourceVersion
        if page.continueToken.isEmpty {
            if self.collected.isEmpty { return ListResult(page.items, resourceVersion: resourceVersion) }
            return ListResult(self.collected + page.items, resourceVersion: resourceVersion)
        }
        self.collected += page.items
        self.isPaged = true
        // A token names the version it belongs to; sources refuse both at once.
        self.options = ListOptions(limit: self.options.limit, continueToken: page.continueToken)
        return nil
    }

    /// Takes an error of the last page asked for. `true`: go on with ``options``, which now ask for the whole list at once.
    mutating func fail(_ error: any Error) -> Bool {
        // Only a later page can have expired because reading took so long; an expired first page is for the caller to deal with.
        guard let status = error as? Status, status.isExpired, !self.options.continueToken.isEmpty else { return false }
        self.collected = []
        self.resourceVersion = nil
        self.options = self.requested
        self.options.limit = 0
        return true
    }
}
