// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache

/// Keys and values in memory, read once: `csv:FILE` and `demo:`.
struct TableOrigin: Getter {
    let table: [Key: ByteView]

    /// The table of a file.
    init(path: String) throws(CommandError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandError("cannot read the file \(path)")
        }
        do {
            self.table = try CSVParser.parse(Array(data))
        } catch {
            throw CommandError("\(path): \(error.description)")
        }
    }

    init(table: [Key: ByteView]) { self.table = table }

    func load(_ key: Key, context: LoadContext<OriginValue>) -> Loaded<OriginValue> {
        guard let value = self.table[key] else { return .notFound() }
        return .value(OriginValue(value))
    }
}
