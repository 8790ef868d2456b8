// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import GroupCacheHTTP

/// One message of a stream, as somebody has understood it.
struct HTTPMessage: Equatable {
    /// The method and the target as they were sent, or the status.
    var start: String
    /// The names in lower case, the values without blanks around them; in their order.
    var fields: [String]
    var body: [UInt8] = []

    init(_ start: String, fields: some Sequence<(name: String, value: String)>) {
        self.start = start
        self.fields = fields.map { "\($0.name.lowercased()): \($0.value.utf8.trimmed)" }
    }
}

extension String.UTF8View {
    fileprivate var trimmed: Substring {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard let first = self.firstIndex(where: { !isBlank($0) }), let last = self.lastIndex(where: { !isBlank($0) }) else { return "" }
        return Substring(self[first...last])
    }
}

/// Holds our parsers against llhttp, which NIOHTTP1 brings: what ours accept, it accepts with the same meaning, or the reason why not is here.
/// For tests and the fuzzer.
enum HTTPReference {
    /// What the first messages of a stream are to ours: those that have come whole.
    struct Ours {
        var messages: [HTTPMessage] = []
        /// Why llhttp may leave out the message of that number and all after it, if it does.
        var excuses: [Int: Excuse] = [:]
        /// Nothing after the last of them is read.
        var isOver = false
    }

    /// Where the two may differ. Each is a decision, not an oversight.
    enum Excuse: String, CaseIterable {
        /// Any token is a method to ours (RFC 9110 §9.1), and answered 405; llhttp knows a list of them.
        case method = "a method that nobody answers"
        /// Equal lengths are one (RFC 9110 §8.6); llhttp refuses a second field.
        case lengths = "several Content-Length fields of the same value"
        /// RFC 9112 §7.1.1: a recipient ignores extensions that it does not know. Ours takes any text without control characters, llhttp wants tokens.
        case chunkExtension = "an extension of a chunk"
        /// RFC 9112 §2.2 lets a server take bytes that are not ASCII as they are; llhttp refuses them in a target.
        case targetBytes = "bytes above ASCII in a target"
        /// What is no path and no `http://` matches no route, and is for methods that nobody answers; llhttp reads it as a URL, or refuses it.
        case form = "a target that is no path"
        /// `Connection: upgrade` with `Upgrade`: what follows is not HTTP to llhttp; ours goes on, if no link was asked for or agreed to.
        case upgrade = "an offer to upgrade"
    }

    /// Why the two do not agree; `nil`: they do.
    static func differenceOfRequests(_ bytes: [UInt8], cutAt cuts: [Int] = []) -> String? {
        self.difference(self.requests(pieces(of: bytes, cutAt: cuts)), self.theirRequests(bytes))
    }

    static func differenceOfResponses(_ bytes: [UInt8], cutAt cuts: [Int] = []) -> String? {
        self.difference(self.responses(pieces(of: bytes, cutAt: cuts)), self.theirResponses(bytes))
    }

    static func difference(_ ours: Ours, _ theirs: [HTTPMessage]) -> String? {
        for (number, message) in ours.messages.enumerated() {
            if number < theirs.count, theirs[number] == message { continue }
            // With an excuse it may be refused, and never be understood otherwise.
            if ours.excuses[number] != nil, number >= theirs.count { return nil }
            return
                "message \(number) is\n\(message)\nto us, and\n\(number < theirs.count ? "\(theirs[number])" : "refused or not whole")\nto llhttp"
        }
        return nil
    }

    private static func pieces(of bytes: [UInt8], cutAt cuts: [Int]) -> [ArraySlice<UInt8>] {
        let places = [0] + cuts.filter { (0...bytes.count).contains($0) }.sorted() + [bytes.count]
        return zip(places, places.dropFirst()).map { bytes[$0..<$1] }
    }

    // MARK: Ours

    static func requests(_ pieces: [ArraySlice<UInt8>]) -> Ours {
        var parser = RequestParser(limits: .init())
        return self.read(pieces) { (bytes: Span<UInt8>) throws(Refusal) in
            guard let head = try parser.parse(bytes) else { return nil }
            let fields = self.fields(bytes, length: head.length)
            var read = Read(length: head.length, body: head.body)
            var words = fields.start.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            read.message = HTTPMessage("\(Self.text(words.removeFirst())) \(Self.text(words.removeFirst()))", fields: fields.all)
            if head.method == .other { read.excuse = .method }
            if fields.start.contains(where: { $0 >= 0x80 }) { read.excuse = .targetBytes }
            if fields.start.drop(while: { $0 != UInt8(ascii: " ") }).dropFirst().first != UInt8(ascii: "/") { read.excuse = .form }
            if fields.count("content-length") > 1 { read.excuse = .lengths }
            // Where the target's parts lie is what the routes go by: together they are the target.
            let path =
                head.path.lowerBound..<(head.query.isEmpty ? max(head.path.upperBound, head.query.upperBound) : head.query.upperBound)
            if head.method != .other, !fields.start.hasSuffix(bytes, path) { read.message.start = "a path that is not of the target" }
            // Whatever comes then is not read.
            read.isLast = head.closes || fields.isForProxy
            let isTunnel = fields.start.starts(with: "CONNECT ".utf8)
            if isTunnel || fields.offersUpgrade {
                read.excuse = .upgrade
                read.isLast = true
                // What the first message has of a body, it has before the connection is used for something else (RFC 9110 §7.8).
                if isTunnel { read.body = .length(0) }
            }
            return read
        }
    }

    static func responses(_ pieces: [ArraySlice<UInt8>]) -> Ours {
        var parser = ResponseParser()
        return self.read(pieces) { (bytes: Span<UInt8>) throws(Refusal) in
            guard let head = try parser.parse(bytes) else { return nil }
            let fields = self.fields(bytes, length: head.length)
            var read = Read(length: head.length, body: head.body)
            read.message = HTTPMessage("\(head.status)", fields: fields.all)
            if fields.count("content-length") > 1 { read.excuse = .lengths }
            read.isLast = head.closes || head.status == 101 || fields.isForProxy
            if head.status != 101, fields.offersUpgrade {
                read.excuse = .upgrade
                read.isLast = true
            }
            return read
        }
    }

    private struct Read {
        var length: Int
        var body: RequestHead.Body?
        var message = HTTPMessage("", fields: [])
        var excuse: Excuse?
        var isLast = false
    }

    private static func read(_ pieces: [ArraySlice<UInt8>], _ head: (Span<UInt8>) throws(Refusal) -> Read?) -> Ours {
        var ours = Ours()
        var input = ByteBuffer()
        var message: (read: Read, decoder: BodyDecoder, body: ByteBuffer)?
        // What the bytes of a body are, its chunks and their extensions included: from where it begins to where the next message does.
        let stream = pieces.flatMap { $0 }
        var (received, begin) = (0, 0)
        func complete() {
            guard let done = message else { return }
            message = nil
            var whole = done.read.message
            whole.body = Array(done.body.readableBytesView)
            let raw = stream[begin..<received - input.readableBytes]
            let hasExtension = done.read.body == .chunked && raw.contains(UInt8(ascii: ";"))
            if let excuse = done.read.excuse ?? (hasExtension ? .chunkExtension : nil) { ours.excuses[ours.messages.count] = excuse }
            ours.messages.append(whole)
            ours.isOver = done.read.isLast
        }
        do throws(Refusal) {
            for piece in pieces {
                input.writeBytes(piece)
                received += piece.count
                while !ours.isOver {
                    if message == nil {
                        let bytes = input
                        guard let read = try head(bytes.readableBytesUInt8Span) else { break }
                        input.moveReaderIndex(forwardBy: read.length)
                        let decoder = try read.body.map { (body) throws(Refusal) in try BodyDecoder(body, limit: 1 << 20) }
                        message = (read, decoder ?? BodyDecoder(untilCloseWithin: 1 << 20), ByteBuffer())
                        begin = received - input.readableBytes
                    }
                    guard var begun = message else { break }
                    let isWhole = try begun.decoder.decode(&input, into: &begun.body)
                    message = begun
                    if !isWhole { break }
                    complete()
                }
            }
        } catch { return ours }
        if message?.decoder.endsAtClose == true { complete() }
        return ours
    }

    // MARK: Lines

    private struct Fields {
        var start: [UInt8] = []
        var all: [(name: String, value: String)] = []

        func count(_ name: String) -> Int { self.all.filter { $0.name.lowercased() == name }.count }
        /// RFC 9110 §7.6.1 has no `Proxy-Connection` and ours passes it over, as most do; to llhttp it is `Connection`, so that it may read nothing after it.
        var isForProxy: Bool { self.count("proxy-connection") > 0 }
        var offersUpgrade: Bool {
            self.count("upgrade") > 0 && (self.hasToken("upgrade", in: "connection") || self.hasToken("upgrade", in: "proxy-connection"))
        }
        func hasToken(_ token: String, in name: String) -> Bool {
            self.all.contains { field in
                field.name.lowercased() == name
                    && field.value.lowercased().utf8.split(separator: UInt8(ascii: ",")).contains { String($0)?.utf8.trimmed == token[...] }
            }
        }
    }

    /// The lines of a head that was accepted, read by our own readers of lines.
    private static func fields(_ bytes: Span<UInt8>, length: Int) -> Fields {
        var fields = Fields()
        var scanner = LineScanner()
        let head = bytes.extracting(0..<length)
        while let line = try? scanner.next(in: head) {
            if line.isEmpty { continue }
            if fields.start.isEmpty {
                fields.start = line.map { head[$0] }
            } else if let field = try? FieldLine(line, in: head) {
                fields.all.append((Self.text(field.name.map { head[$0] }), Self.text(field.value.map { head[$0] })))
            }
        }
        return fields
    }

    private static func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Theirs

    static func theirRequests(_ bytes: [UInt8]) -> [HTTPMessage] {
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        var messages: [HTTPMessage] = []
        var message: HTTPMessage?
        while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head):
                message = HTTPMessage("\(head.method.rawValue) \(head.uri)", fields: head.headers.map { ($0.name, $0.value) })
            case .body(let body): message?.body += body.readableBytesView
            case .end:
                if let message { messages.append(message) }
                message = nil
            }
        }
        return messages
    }

    static func theirResponses(_ bytes: [UInt8]) -> [HTTPMessage] {
        let decoder = HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .forward)
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(decoder))
        // It wants to know what each of them answers.
        for _ in 0..<64 {
            _ = try? channel.writeOutbound(HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")))
        }
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        // The end of the connection ends what has no other end.
        _ = try? channel.finish(acceptAlreadyClosed: true)
        var messages: [HTTPMessage] = []
        var message: HTTPMessage?
        while let part = try? channel.readInbound(as: HTTPClientResponsePart.self) {
            switch part {
            case .head(let head):
                let whole = HTTPMessage("\(head.status.code)", fields: head.headers.map { ($0.name, $0.value) })
                // Interim responses come without an end.
                if (100..<200).contains(head.status.code) { messages.append(whole) } else { message = whole }
            case .body(let body): message?.body += body.readableBytesView
            case .end:
                if let message { messages.append(message) }
                message = nil
            }
        }
        return messages
    }
}

extension [UInt8] {
    /// Whether these are the bytes before the version of a request line.
    fileprivate func hasSuffix(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let part = range.map { bytes[$0] }
        return self.dropLast(9).suffix(part.count).elementsEqual(part)
    }
}
