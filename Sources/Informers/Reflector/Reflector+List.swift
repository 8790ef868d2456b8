// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

extension Reflector {
    /// Lists everything into the store.
    func list() async throws {
        let version = self.state.withLockedValue { $0.version.relist }
        var listed: (result: ListResult<Source.Object>, isPaged: Bool)
        do {
            listed = try await self.pages(at: version)
        } catch let expired as ExpiredPages {
            // It was asked for the whole list already. To ask at once for another version would be the same once more.
            throw expired.status
        } catch let status as Status where status.isExpired || status.isTooLargeResourceVersion {
            // The source does not know our version, any more or yet. Waiting would not help: ask for the newest at once.
            self.state.withLockedValue { $0.version.refused() }
            do { listed = try await self.pages(at: self.state.withLockedValue { $0.version.relist }) } catch let expired as ExpiredPages {
                throw expired.status
            }
        }
        try Task.checkCancellation()
        self.state.withLockedValue { state in
            if version == "0", listed.isPaged { state.isPaged = true }
            state.version.listed()
        }
        self.configuration.heard?(nil)
        do { try await self.replace(listed.result) } catch { throw StoreFailure(cause: error) }
        self.state.withLockedValue { $0.version.advance(to: listed.result.resourceVersion) }
    }

    private func pages(at version: String) async throws -> (ListResult<Source.Object>, isPaged: Bool) {
        var pager = ListPager<Source.Object>(ListOptions(resourceVersion: version, limit: self.pageSize(at: version)))
        while true {
            try Task.checkCancellation()
            let page: ListResult<Source.Object>
            do { page = try await self.source.list(pager.options) } catch {
                if pager.fail(error) { continue }
                if pager.asksForAll, let status = error as? Status, status.isExpired { throw ExpiredPages(status: status) }
                throw error
            }
            if let list = try pager.receive(page) { return (list, pager.isPaged) }
        }
    }

    /// Puts a list into the store, without the objects that have no key or cannot be transformed: one of them must not keep the others out for ever.
    private func replace(_ list: ListResult<Source.Object>) async throws {
        var leftOut = LeftOut(unreadable: list.unreadable)
        do { try await self.store.replace(list.items, resourceVersion: list.resourceVersion) } catch {
            // Only now is each of them looked at by itself: the usual list is not.
            if error is CancellationError { throw error }
            let kept = list.items.compactMap { leftOut.transformed($0, self.store)?.object }
            guard leftOut.isReason(kept: kept.count) else { throw error }
            try await self.store.replace(transformed: kept, resourceVersion: list.resourceVersion)
        }
        self.report(leftOut)
    }

    /// Says that objects of a list were left out, once for each list.
    func report(_ leftOut: LeftOut) {
        guard leftOut.count > 0 else { return }
        self.state.withLockedValue { $0.leftOut += leftOut.count }
        self.report(InformerError(.objectsLeftOut, leftOut.description))
    }

    private func pageSize(at version: String) -> Int {
        if self.configuration.pageSize > 0 { return self.configuration.pageSize }
        if self.state.withLockedValue({ $0.isPaged }) { return 500 }
        return version.isEmpty || version == "0" ? 500 : 0
    }
}

/// A list whose pages expire, though it was asked for as a whole.
private struct ExpiredPages: Error {
    var status: Status
}

/// Which objects of a list cannot be kept, by number.
struct LeftOut: Sendable, CustomStringConvertible {
    /// Those that the source could not read.
    var unreadable = 0
    private(set) var keyless = 0
    private(set) var untransformed = 0
    /// Why the first of the last kind could not be transformed.
    private(set) var cause: (any Error)?

    init(unreadable: Int = 0) { self.unreadable = unreadable }

    var count: Int { self.unreadable + self.keyless + self.untransformed }

    var description: String {
        "\(self.count) objects of a list were left out: \(self.unreadable) could not be read, \(self.untransformed) not transformed, \(self.keyless) have no key"
    }

    /// Whether what was left out is reason enough for the store to have refused the list. That nothing can be transformed is no fault of the objects.
    func isReason(kept: Int) -> Bool { self.keyless > 0 || self.untransformed > 0 && kept > 0 }

    /// What a store makes of an object, and its key; `nil`: it is left out.
    mutating func transformed<Store: ReflectorStore>(_ object: Store.Object, _ store: Store) -> (object: Store.Object, key: String)? {
        let made: Store.Object
        do { made = try store.transform(object) } catch {
            self.untransformed += 1
            self.cause = self.cause ?? error
            return nil
        }
        guard let key = try? store.key(for: made) else {
            self.keyless += 1
            return nil
        }
        return (made, key)
    }
}

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
