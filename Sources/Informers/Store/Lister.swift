// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOConcurrencyHelpers

/// Reads a store by selectors and namespaces.
public struct Lister<Object: Sendable>: Sendable {
    private let all: @Sendable () -> [Object]
    private let find: @Sendable (_ namespace: String) throws(InformerError) -> [Object]
    private let namespaceIndex: String
    private let namespace: @Sendable (Object) -> String
    private let logger: Logger
    private let warnings = NIOLockedValueBox(Repeated())

    /// Reads `indexer`.
    ///
    /// - Parameters:
    ///   - indexer: What to read.
    ///   - namespaceIndex: The index that finds objects by namespace. Without it every object is looked at.
    ///   - namespace: The namespace of an object.
    ///   - label: The label of the logger that warns if the index is missing.
    public init(
        _ indexer: Indexer<Object>,
        namespaceIndex: String = "namespace",
        label: String = "Informers.Lister",
        namespace: @escaping @Sendable (Object) -> String
    ) {
        self.init(namespaceIndex: namespaceIndex, label: label, namespace: namespace) {
            indexer.list()
        } find: { (namespace) throws(InformerError) in
            try indexer.objects(index: namespaceIndex, value: namespace)
        }
    }

    /// - Parameters:
    ///   - all: All objects.
    ///   - find: Those of a namespace; throws when there is no index of it.
    init(
        namespaceIndex: String,
        label: String = "Informers.Lister",
        namespace: @escaping @Sendable (Object) -> String,
        all: @escaping @Sendable () -> [Object],
        find: @escaping @Sendable (_ namespace: String) throws(InformerError) -> [Object]
    ) {
        self.all = all
        self.find = find
        self.namespaceIndex = namespaceIndex
        self.namespace = namespace
        self.logger = Logger(label: label)
    }

    /// All objects that `selector` takes; all there are without one.
    public func list(where selector: ((Object) -> Bool)? = nil) -> [Object] {
        let all = self.all()
        return selector.map { all.filter($0) } ?? all
    }

    /// The objects of a namespace that `selector` takes. The empty namespace stands for all of them.
    public func list(namespace: String, where selector: ((Object) -> Bool)? = nil) -> [Object] {
        if namespace.isEmpty { return self.list(where: selector) }
        do {
            let found = try self.find(namespace)
            return selector.map { found.filter($0) } ?? found
        } catch {
            if self.warnings.withLockedValue({ $0.happened(now: InformerClock.continuous.now) }) != nil {
                self.logger.warning(
                    "there is no index by namespace: every object is looked at",
                    metadata: ["index": "\(self.namespaceIndex)"]
                )
            }
            return self.list { self.namespace($0) == namespace && selector?($0) ?? true }
        }
    }
}

/// A name within a namespace, or without one: the usual parts of a key.
public struct ObjectName: Sendable, Hashable, CustomStringConvertible {
    /// The namespace; empty if there is none.
    public var namespace: String
    /// The name.
    public var name: String

    /// A name.
    public init(namespace: String = "", name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// Reads `namespace/name` or `name`; throws ``InformerError/Code/unexpectedKeyFormat`` for anything with more than one slash.
    public init(key: String) throws(InformerError) {
        let parts = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(Substring($0)) }
        switch parts.count {
        case 1: self.init(name: parts[0])
        case 2: self.init(namespace: parts[0], name: parts[1])
        default: throw InformerError(.unexpectedKeyFormat, "a key is of the form namespace/name or name")
        }
    }

    /// `namespace/name`, or `name` if there is no namespace.
    public var description: String { self.namespace.isEmpty ? self.name : "\(self.namespace)/\(self.name)" }
}
