// SPDX-License-Identifier: Apache-2.0

import GroupCache

@testable import GroupCacheAdmin

/// A snapshot file: never a trap, never a demand for more than a chunk; what is read is written and read the same.
///
/// A checksum keeps nearly every input from being looked at at all. So the rest of an input that begins with another byte than 0 is put into a chunk
/// whose checksum is right: the byte's lowest bit says whether the file has values, the next two bytes how many records the chunk claims.
func fuzzSnapshot(_ input: [UInt8]) {
    guard let first = input.first, first != 0, input.count > 3 else { return check(input, isOurs: false) }
    let head = SnapshotHead(id: 7, moment: 5, group: "scores", schema: nil, hasValues: first & 1 == 1)
    var encoder = SnapshotEncoder(head)
    var file = encoder.begin()
    var chunk: [UInt8] = []
    let body = Array(input[3...])
    append(UInt32(body.count), to: &chunk)
    append(UInt32(input[1]) | UInt32(input[2]) << 8, to: &chunk)
    chunk += body
    append(XXH64.hash(chunk.span, seed: SnapshotFormat.seed(head.id, chunk: 0)), to: &chunk)
    file += chunk + encoder.end()
    check(file, isOurs: true)
}

private func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
    for index in 0..<(number.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
}

private func check(_ file: [UInt8], isOurs: Bool) {
    var head: SnapshotHead?
    for (entries, moment) in chunks(of: file, &head) {
        guard let head else { fatalError("entries come before the head") }
        var encoder = SnapshotEncoder(head)
        var written = encoder.begin()
        for entry in entries { written += encoder.add(entry, at: moment) ?? [] }
        written += encoder.end()
        var again: SnapshotHead?
        let read = chunks(of: written, &again)
        check(again == head, "a head came back otherwise")
        check(read.flatMap(\.entries) == entries, "\(entries) came back as \(read)")
        check(read.allSatisfy { $0.moment == moment }, "a moment came back otherwise")
    }
    check(!isOurs || head != nil, "a head of our own is refused")
}

/// What can be read of a file before it is refused, or ends.
private func chunks(of file: [UInt8], _ head: inout SnapshotHead?) -> [(entries: [KeptEntry], moment: Int64)] {
    var decoder = SnapshotDecoder()
    var place = 0
    var found: [(entries: [KeptEntry], moment: Int64)] = []
    while decoder.needed > 0 {
        check(decoder.needed <= SnapshotFormat.longestChunk + 8, "it asks for \(decoder.needed) bytes")
        let end = min(file.count, place + decoder.needed)
        guard let step = try? decoder.read(Array(file[place..<end])) else { break }
        place = end
        switch step {
        case .more: continue
        case .head(let some): head = some
        case .entries(let entries, let moment): found.append((entries, moment))
        case .end(let records): check(records == UInt64(found.reduce(0) { $0 + $1.entries.count }), "it ends with \(records) records")
        }
    }
    return found
}
