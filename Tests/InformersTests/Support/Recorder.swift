// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers

/// Collects what happens in callbacks.
final class Recorder<Element: Sendable>: Sendable {
    private let elements = NIOLockedValueBox<[Element]>([])

    var all: [Element] { self.elements.withLockedValue { $0 } }
    var count: Int { self.all.count }

    func record(_ element: Element) { self.elements.withLockedValue { $0.append(element) } }

    func clear() { self.elements.withLockedValue { $0 = [] } }
}
