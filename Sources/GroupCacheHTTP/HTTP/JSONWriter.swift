// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Writes JSON (RFC 8259) into a buffer, in the order of the calls. It keeps track of commas, not of nesting: callers are few and tested.
package struct JSONWriter {
    package private(set) var buffer: ByteBuffer
    private var needsComma = false

    package init(_ buffer: ByteBuffer = ByteBuffer()) {
        self.buffer = buffer
    }

    package mutating func object(_ name: String? = nil, _ body: (inout JSONWriter) -> Void) {
        self.scope(name, "{", "}", body)
    }

    package mutating func array(_ name: String? = nil, _ body: (inout JSONWriter) -> Void) {
        self.scope(name, "[", "]", body)
    }

    package mutating func string(_ name: String? = nil, _ value: String?) {
        self.begin(name)
        if let value { self.quote(value.utf8.span) } else { self.buffer.writeStaticString("null") }
    }

    /// A text that needs no escapes, and a number behind it.
    mutating func string(_ name: String, plain text: String, _ number: UInt64) {
        self.begin(name)
        self.buffer.writeStaticString("\"")
        self.buffer.writeString(text)
        self.buffer.writeDecimal(Int(clamping: number))
        self.buffer.writeStaticString("\"")
    }

    /// What stands between texts of JSON.
    mutating func raw(_ text: String) {
        self.buffer.writeString(text)
        self.needsComma = false
    }

    package mutating func number(_ name: String? = nil, _ value: Int?) {
        self.begin(name)
        if let value { self.buffer.writeDecimal(value) } else { self.buffer.writeStaticString("null") }
    }

    mutating func number(_ name: String? = nil, _ value: Double) {
        self.begin(name)
        self.buffer.writeString(value.isFinite ? value.description : "null")
    }

    package mutating func bool(_ name: String? = nil, _ value: Bool) {
        self.begin(name)
        self.buffer.writeStaticString(value ? "true" : "false")
    }

    /// A name whose value the next call writes.
    package mutating func key(_ name: String) {
        self.begin(name)
        self.needsComma = false
    }

    package mutating func newline() {
        self.buffer.writeStaticString("\n")
        self.needsComma = false
    }

    private mutating func scope(_ name: String?, _ open: StaticString, _ close: StaticString, _ body: (inout JSONWriter) -> Void) {
        self.begin(name)
        self.buffer.writeStaticString(open)
        self.needsComma = false
        body(&self)
        self.buffer.writeStaticString(close)
        self.needsComma = true
    }

    private mutating func begin(_ name: String?) {
        if self.needsComma { self.buffer.writeStaticString(",") }
        self.needsComma = true
        guard let name else { return }
        self.quote(name.utf8.span)
        self.buffer.writeStaticString(":")
    }

    /// Text that is in memory already as UTF-8.
    mutating func string(_ name: String?, _ value: UTF8Span) {
        self.begin(name)
        self.quote(value.span)
    }

    /// What needs no escape, usually all of it, is written in one piece.
    private mutating func quote(_ text: Span<UInt8>) {
        self.buffer.writeStaticString("\"")
        var written = 0
        for index in 0..<text.count {
            let byte = text[index]
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
            self.buffer.writeBytes(text.extracting(written..<index).bytes)
            written = index + 1
            self.escape(byte)
        }
        self.buffer.writeBytes(text.extracting(written..<text.count).bytes)
        self.buffer.writeStaticString("\"")
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): self.buffer.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): self.buffer.writeStaticString("\\\\")
        case UInt8(ascii: "\n"): self.buffer.writeStaticString("\\n")
        case UInt8(ascii: "\r"): self.buffer.writeStaticString("\\r")
        case UInt8(ascii: "\t"): self.buffer.writeStaticString("\\t")
        default:
            self.buffer.writeStaticString(byte < 0x10 ? "\\u000" : "\\u001")
            self.buffer.writeInteger(byte & 15 < 10 ? 48 + (byte & 15) : 87 + (byte & 15))
        }
    }
}
