// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// A `keys:get`: each key is one JSON line, written as soon as its value is there.
struct KeysRequest: Sendable {
    let group: any PeerServing
    let keys: [Key]
    let timeout: Duration?

    /// - Parameter write: suspends while the client reads more slowly than values arrive; false: nobody reads any more.
    func run(_ write: @escaping @Sendable (ByteBuffer) async -> Void) async {
        await Serving.get(self.group, self.keys, timeout: self.timeout) { key, result in
            guard !Task.isCancelled else { return }
            await write(Self.line(key, result))
        }
    }

    /// `{"key":…,"value":…}`, with `valueBase64` in place of `value` for bytes that are not UTF-8, or `{"key":…,"status":{…}}`.
    static func line(_ key: Key, _ result: Result<ServedEntry, GroupCacheError>) -> ByteBuffer {
        var json = JSONWriter()
        json.object { json in
            json.string("key", key.string)
            switch result {
            case .success(let entry):
                guard let value = entry.value else {
                    json.failure(Failure(.notFound))
                    break
                }
                // Straight from the cache's bytes into the buffer: values may be large.
                let isText = value.withSpan { bytes in
                    guard let text = try? UTF8Span(validating: bytes) else { return false }
                    json.string("value", text)
                    return true
                }
                if !isText { json.string("valueBase64", Base64.encode(value)) }
                if let ttl = entry.ttl { json.number("ttl", max(0, ttl.milliseconds / 1_000)) }
            case .failure(let error):
                json.failure(Failure(error))
            }
        }
        json.newline()
        return json.buffer
    }
}

extension JSONWriter {
    fileprivate mutating func failure(_ failure: Failure) {
        self.key("status")
        failure.write(&self)
    }
}
