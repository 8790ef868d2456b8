internal import NIOConcurrencyHelpers

extension Reflector {
    /// Lists everything into the store.
    func list() async throws {
        let version = self.state.withLockedValue { $0.version.relist }
        var listed: (result: ListResult<Source.Object>, isPaged: Bool)
        do {
            listed = try await self.pages(at: version)
        } catch let status as Status where status.isExpired || status.isTooLargeResourceVersion {
            // The source does not know our version, any more or yet. Waiting would not help: ask for the newest at once.
            self.state.withLockedValue { $0.version.refused() }
            listed = try await self.pages(at: self.state.withLockedValue { $0.version.relist })
        }
        try Task.checkCancellation()
        self.state.withLockedValue { state in
            if version == "0", listed.isPaged { state.isPaged = true }
            state.version.listed()
        }
        self.configuration.heard?(nil)
        do {
            try await self.store.replace(listed.result.items, resourceVersion: listed.result.resourceVersion)
        } catch { throw StoreFailure(cause: error) }
        self.state.withLockedValue { $0.version.advance(to: listed.result.resourceVersion) }
    }

    private func pages(at version: String) async throws -> (ListResult<Source.Object>, isPaged: Bool) {
        var pager = ListPager<Source.Object>(ListOptions(resourceVersion: version, limit: self.pageSize(at: version)))
        while true {
            try Task.checkCancellation()
            let page: ListResult<Source.Object>
            do { page = try await self.source.list(pager.options) } catch {
                guard pager.fail(error) else { throw error }
                continue
            }
            if let list = pager.receive(page) { return (list, pager.isPaged) }
        }
    }

    private func pageSize(at version: String) -> Int {
        if self.configuration.pageSize > 0 { return self.configuration.pageSize }
        if self.state.withLockedValue({ $0.isPaged }) { return 500 }
        return version.isEmpty || version == "0" ? 500 : 0
    }
}
