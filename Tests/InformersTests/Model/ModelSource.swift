// SPDX-License-Identifier: Apache-2.0

import InformersTesting

@testable import Informers

/// A source that the model can change and break.
protocol ModelSource: ListerWatcher<Item> {
    var objects: [String: Item] { get }
    func history(of key: String) -> [Item?]
    /// The versions of all changes in all lives, in order.
    var changes: [ResourceVersion] { get }
    var opened: Int { get }
    var closed: Int { get }

    func put(_ item: Item)
    func remove(_ key: String)
    /// As those, while all connections break.
    func putAndDrop(_ item: Item)
    func removeAndDrop(_ key: String)
    func dropWatches()
    func resetWatch()
    func compact(keeping count: Int)
    func changeEpoch()
    func bookmark()
    func fail(list error: any Error)
    func fail(watch error: any Error)
    func sendError(_ status: Status)
    func lag(by changes: Int)
    func forcePages(of size: Int)
}

extension FakeSource: ModelSource where Object == Item {
    var changes: [ResourceVersion] { self.changeVersions.compactMap { ResourceVersion("\($0)") } }
    func put(_ item: Item) { self.add(item) }
    func remove(_ key: String) { self.delete(key) }
    func fail(list error: any Error) { self.failLists(error) }
    func fail(watch error: any Error) { self.failWatches(error) }
    func sendError(_ status: Status) { self.inject(.error(status)) }

    func putAndDrop(_ item: Item) {
        self.add(item, silently: true)
        self.dropWatches()
    }

    func removeAndDrop(_ key: String) {
        self.delete(key, silently: true)
        self.dropWatches()
    }
}
