// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers

/// A snapshot file all of whose checksums were compared, open: it cannot become another one while it is read, and if its bytes change they are found out.
final class VerifiedSnapshot: Sendable {
    private struct Contents {
        var head: SnapshotHead
        var records: Int
        /// Of keys, values and what is said of those.
        var bytes = 0
        /// In which bands there are entries: see ``bands``.
        var bands: Set<UInt8>
    }

    private let file: OpenFile
    private let contents: NIOLockedValueBox<Contents?>

    init(file: OpenFile) {
        self.file = file
        self.contents = NIOLockedValueBox(nil)
    }

    /// In how many passes entries are read, hottest first: a byte of hotness has this many bands.
    static let bandCount: UInt8 = 8
    static func band(_ hotness: UInt8) -> UInt8 { Self.bandCount - 1 - hotness / (255 / Self.bandCount + 1) }

    private func known() -> Contents {
        self.contents.withLockedValue { $0 }
            ?? Contents(
                head: SnapshotHead(id: 0, moment: 0, group: "", schema: nil, hasValues: false),
                records: 0,
                bands: []
            )
    }

    var head: SnapshotHead { self.known().head }
    var records: Int { self.known().records }
    /// The bytes of all keys and values, and of what is said of those.
    var bytes: Int { self.known().bytes }
    static func bytes(_ entry: KeptEntry) -> Int { entry.key.count + (entry.value?.count ?? 0) + entry.attributes.footprint }
    /// The bands that have entries, the hottest first.
    var bands: [UInt8] { self.known().bands.sorted() }

    /// Reads all of it.
    func verify(_ isCancelled: () -> Bool) throws(SnapshotError) -> SnapshotHead {
        var contents: Contents?
        var cursor = try self.cursor()
        while true {
            if isCancelled() { throw SnapshotError(.cancelled, "it was told to stop") }
            switch try cursor.next() {
            case .head(let head): contents = Contents(head: head, records: 0, bands: [])
            case .entries(let entries, _):
                contents?.records += entries.count
                for entry in entries {
                    contents?.bands.insert(Self.band(entry.hotness))
                    contents?.bytes += Self.bytes(entry)
                }
            case .end:
                guard let contents else { throw SnapshotError.damaged.of(self.file.path) }
                self.contents.withLockedValue { $0 = contents }
                return contents.head
            case .more: continue
            }
        }
    }

    /// Calls `body` with each chunk's entries, until it says that it has enough.
    func forEach(_ body: ([KeptEntry], Int64) throws(SnapshotError) -> Bool) throws(SnapshotError) {
        var cursor = try self.cursor()
        while true {
            switch try cursor.next() {
            case .entries(let entries, let moment): if try !body(entries, moment) { return }
            case .end: return
            case .head, .more: continue
            }
        }
    }

    func cursor() throws(SnapshotError) -> Cursor { Cursor(file: self.file) }

    /// A place in the file: what is read next, chunk by chunk.
    struct Cursor: Sendable {
        let file: OpenFile
        private var place = 0
        private var decoder = SnapshotDecoder()

        init(file: OpenFile) { self.file = file }

        /// The next step. Whoever has been told the end asks no more.
        mutating func next() throws(SnapshotError) -> SnapshotDecoder.Step {
            do throws(SnapshotError) {
                let bytes = try self.file.read(self.decoder.needed, at: self.place)
                self.place += bytes.count
                let step = try self.decoder.read(bytes)
                if case .end = step, try !self.file.read(1, at: self.place).isEmpty {
                    throw SnapshotError(.corrupt, "something follows its end")
                }
                return step
            } catch {
                throw error.of(self.file.path)
            }
        }
    }
}
