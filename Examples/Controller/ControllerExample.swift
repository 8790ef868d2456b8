// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Informers

/// Keeps a folder as a copy of another one: `swift run ControllerExample FROM TO`.
@main
struct ControllerExample {
    static func main() async throws {
        let folders = CommandLine.arguments.dropFirst().map { URL(filePath: $0, directoryHint: .isDirectory) }
        guard folders.count == 2 else { return print("usage: ControllerExample FROM TO") }
        let leftovers = try FileManager.default.contentsOfDirectory(atPath: folders[1].path())
        try await Self.controller(from: folders[0], to: folders[1], clock: .continuous).run(leftovers: leftovers)
    }

    static func controller(from: URL, to: URL, clock: InformerClock) -> Controller<FolderSource.File> {
        var configuration = SharedInformerConfiguration<FolderSource.File>()
        configuration.reflector.backoff = Backoff(initial: .milliseconds(100), maximum: .milliseconds(100))
        let source = FolderSource(folder: from, clock: clock)
        let informer = SharedInformer(source, key: { $0.name }, configuration: configuration, clock: clock)
        return Controller(informer: informer, queue: WorkQueue("files", clock: clock), key: { $0.name }) { name, file in
            let copy = to.appending(path: name)
            if file != nil {
                try Data(contentsOf: from.appending(path: name)).write(to: copy, options: .atomic)
            } else if FileManager.default.fileExists(atPath: copy.path()) {
                try FileManager.default.removeItem(at: copy)
            }
        }
    }
}
