import Synchronization

/// Collects what happens in callbacks.
final class Recorder<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { self.elements.withLock { $0 } }
    var count: Int { self.all.count }

    func record(_ element: Element) { self.elements.withLock { $0.append(element) } }

    func clear() { self.elements.withLock { $0 = [] } }
}
