// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Informers

/// The files of a folder, for one who can only look: a watch says that there is something new by asking for a new list.
struct FolderSource: ListerWatcher {
    struct File: Sendable, Hashable {
        var name: String
        var size: Int
        var modified: Date
    }

    let folder: URL
    let clock: InformerClock

    func list(_ options: ListOptions) async throws -> ListResult<File> {
        let files = try self.files()
        return ListResult(Array(files), resourceVersion: "\(files.hashValue)")
    }

    func watch(_ options: WatchOptions) async throws -> WatchStream<File> {
        while try "\(self.files().hashValue)" == options.resourceVersion { try await self.clock.sleep(for: .seconds(1)) }
        throw Status(.expired)
    }

    private func files() throws -> Set<File> {
        let keys: Set<URLResourceKey> = [.isRegularFileKey, .fileSizeKey, .contentModificationDateKey]
        let urls = try FileManager.default.contentsOfDirectory(at: self.folder, includingPropertiesForKeys: Array(keys))
        return try Set(
            urls.compactMap { url in
                let values = try url.resourceValues(forKeys: keys)
                guard values.isRegularFile == true, let size = values.fileSize, let date = values.contentModificationDate else {
                    return nil
                }
                return File(name: url.lastPathComponent, size: size, modified: date)
            }
        )
    }
}
