// SPDX-License-Identifier: Apache-2.0

// What a `Codable` value holds in memory, found by an encoder that writes nothing.
//
// What lies in the value itself the group counts by its type. Here it is about what lies beyond, on the heap: texts of more than 15 bytes,
// arrays with their elements, dictionaries. Elements lie in the array's block, so each counts with its whole stride, and what it refers to on top.
extension ValueSize {
    /// The size of `value`. Throws what its `encode(to:)` throws.
    init(walking value: some Encodable) throws {
        let sizer = ValueSizer()
        try value.encode(to: SizingEncoder(sizer: sizer))
        // What is in the value itself is part of the payload, and no cost.
        self.init(payload: sizer.payload, overhead: max(0, sizer.heap - sizer.payload))
    }
}

/// The sums of one walk.
private final class ValueSizer {
    /// Bytes of numbers and texts.
    var payload = 0
    /// Bytes of blocks on the heap.
    var heap = 0

    func add(_ text: String) {
        let count = text.utf8.count
        self.payload += count
        if count > 15 { self.heap += MallocChunk.size(32 + count + 1) }
    }

    /// The key type of the containers that dictionaries make, which has no public name.
    static let dictionaryKey: ObjectIdentifier? = {
        let probe = DictionaryProbe()
        try? ["": 0].encode(to: probe)
        return probe.found.key
    }()
}

private struct SizingEncoder: Encoder {
    let sizer: ValueSizer
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        let isDictionary = ObjectIdentifier(type) == ValueSizer.dictionaryKey
        if isDictionary { self.sizer.heap += 64 }
        return KeyedEncodingContainer(Fields<Key>(sizer: self.sizer, isDictionary: isDictionary))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        // The array's header, and what the allocator adds.
        self.sizer.heap += 48
        return Elements(sizer: self.sizer, isArray: true)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Elements(sizer: self.sizer, isArray: false) }
}

/// The properties of a value, or the pairs of a dictionary.
private struct Fields<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let sizer: ValueSizer
    let isDictionary: Bool
    var codingPath: [any CodingKey] { [] }

    /// Counts a pair, if it is one of a dictionary, whose table is at most three quarters full, and half of that after it has grown.
    ///
    /// - Returns: The size of the value itself.
    @discardableResult
    private func count<T>(_ key: Key, _ type: T.Type) -> Int {
        if self.isDictionary {
            self.sizer.heap += 2 * (MemoryLayout<String>.stride + MemoryLayout<T>.stride)
            self.sizer.add(key.stringValue)
        }
        return MemoryLayout<T>.size
    }

    func encodeNil(forKey key: Key) { self.count(key, Void.self) }
    func encode(_ value: Bool, forKey key: Key) { self.sizer.payload += self.count(key, Bool.self) }
    func encode<T: BinaryFloatingPoint & Encodable>(_ value: T, forKey key: Key) { self.sizer.payload += self.count(key, T.self) }
    func encode<T: FixedWidthInteger & Encodable>(_ value: T, forKey key: Key) { self.sizer.payload += self.count(key, T.self) }
    func encode(_ value: String, forKey key: Key) {
        self.count(key, String.self)
        self.sizer.add(value)
    }
    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        self.count(key, T.self)
        try value.encode(to: self.superEncoder())
    }

    func nestedContainer<Nested>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        self.superEncoder().container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { self.superEncoder().unkeyedContainer() }
    func superEncoder(forKey key: Key) -> any Encoder { self.superEncoder() }
    func superEncoder() -> any Encoder { SizingEncoder(sizer: self.sizer) }
}

/// The elements of an array, or one value by itself.
private struct Elements: UnkeyedEncodingContainer, SingleValueEncodingContainer {
    let sizer: ValueSizer
    let isArray: Bool
    var count: Int { 0 }
    var codingPath: [any CodingKey] { [] }

    /// Counts an element, if it is one of an array.
    ///
    /// - Returns: The size of the value itself.
    @discardableResult
    private func count<T>(_ type: T.Type) -> Int {
        if self.isArray { self.sizer.heap += MemoryLayout<T>.stride }
        return MemoryLayout<T>.size
    }

    func encodeNil() {}
    func encode(_ value: Bool) { self.sizer.payload += self.count(Bool.self) }
    func encode<T: BinaryFloatingPoint & Encodable>(_ value: T) { self.sizer.payload += self.count(T.self) }
    func encode<T: FixedWidthInteger & Encodable>(_ value: T) { self.sizer.payload += self.count(T.self) }
    func encode(_ value: String) {
        self.count(String.self)
        self.sizer.add(value)
    }
    func encode<T: Encodable>(_ value: T) throws {
        self.count(T.self)
        try value.encode(to: self.superEncoder())
    }

    func nestedContainer<Nested>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        self.superEncoder().container(keyedBy: type)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { self.superEncoder().unkeyedContainer() }
    func superEncoder() -> any Encoder { SizingEncoder(sizer: self.sizer) }
}

/// Finds out ``ValueSizer/dictionaryKey``.
private struct DictionaryProbe: Encoder {
    final class Found { var key: ObjectIdentifier? }
    let found = Found()
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        self.found.key = ObjectIdentifier(type)
        return KeyedEncodingContainer(Fields<Key>(sizer: ValueSizer(), isDictionary: false))
    }
    func unkeyedContainer() -> any UnkeyedEncodingContainer { Elements(sizer: ValueSizer(), isArray: true) }
    func singleValueContainer() -> any SingleValueEncodingContainer { Elements(sizer: ValueSizer(), isArray: false) }
}
