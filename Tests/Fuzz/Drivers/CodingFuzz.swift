// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore

@testable import GroupCacheHTTP

/// Percent-encoding: any bytes are escaped and come back; any text is decoded or refused.
func fuzzPercentEncoding(_ input: [UInt8]) {
    var buffer = ByteBuffer()
    PercentEncoding.append(input.span, to: &buffer)
    let escaped = Array(buffer.readableBytesView)
    var decoded: [UInt8] = []
    for plusIsSpace in [false, true] {
        check(PercentEncoding.decode(0..<escaped.count, escaped.span, plusIsSpace: plusIsSpace, into: &decoded), "refused its own")
        check(decoded == input, "\(input) came back as \(decoded)")
        let isDecoded = PercentEncoding.decode(0..<input.count, input.span, plusIsSpace: plusIsSpace, into: &decoded)
        let isPlain = PercentEncoding.isPlain(0..<input.count, input.span, plusIsSpace: plusIsSpace)
        check(!isPlain || (isDecoded && decoded == input), "plain, and yet decoded otherwise")
    }
    for byte in escaped { check(ByteClass.unreserved.contains(byte) || byte == UInt8(ascii: "%"), "\(byte) is not escaped") }
}

/// The messages of other members of the family: never a trap; what is read is written and read the same.
func fuzzProtobuf(_ input: [UInt8]) {
    if let message = try? Protobuf.getResponse(input.span) {
        let value = Array(input[message.value])
        var buffer = ByteBuffer()
        Protobuf.appendGetResponse(value: ByteView(value), expire: message.expire, to: &buffer)
        let length = Protobuf.getResponseLength(valueCount: value.count, expire: message.expire)
        check(buffer.readableBytes == length, "\(buffer.readableBytes) bytes instead of \(length)")
        let written = Array(buffer.readableBytesView)
        let again = try? Protobuf.getResponse(written.span)
        check(again?.expire == message.expire && again.map { Array(written[$0.value]) } == value, "a get response came back otherwise")
    }
    if let message = try? Protobuf.setRequest(input.span) {
        let (key, value) = (Array(input[message.key]), Array(input[message.value]))
        let group = String(decoding: input[message.group], as: UTF8.self)
        var buffer = ByteBuffer()
        Protobuf.appendSetRequest(group: group, key: Key(bytes: key), value: ByteView(value), expire: message.expire, to: &buffer)
        let written = Array(buffer.readableBytesView)
        guard let again = try? Protobuf.setRequest(written.span) else { fatalError("a set request is refused") }
        check(
            Array(written[again.group]) == Array(group.utf8) && Array(written[again.key]) == key && Array(written[again.value]) == value
                && again.expire == message.expire,
            "a set request came back otherwise"
        )
    }
}

/// Our own headers of a request and of a response: never a trap, and nothing out of bounds; what is read is written and read the same.
func fuzzPeerFields(_ input: [UInt8]) {
    let fields = PeerFields(input.span, length: input.count)
    check((fields.schema?.utf8.count ?? 1) <= PeerRequest.schemaLimit && fields.trail.count <= PeerRequest.trailLimit, "\(fields)")
    var head = ByteBuffer(string: "HTTP/1.1 200 OK")
    fields.append(to: &head)
    head.writeStaticString("\r\n\r\n")
    let written = Array(head.readableBytesView)
    let again = PeerFields(written.span, length: written.count)
    check(again == fields, "\(fields) came back as \(again)")
    var parser = ResponseParser()
    let parsed = try? parser.parse(written.span)
    check(parsed?.length == written.count, "a head of our own is refused")
    check(parsed?.hasPeerFields == (fields != PeerFields()), "fields go unnoticed")
}
