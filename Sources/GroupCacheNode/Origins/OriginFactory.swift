// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// Opens an origin in two steps: what can fail without a client, such as reading a file, then the getter.
enum OriginFactory: Sendable {
    case ready(any Getter<OriginValue>)
    case http(URLTemplate)

    /// - Throws: ``CommandError`` when the file or folder is missing or is not what it should be.
    init(_ location: OriginLocation) throws(CommandError) {
        switch location {
        case .csv(let path): self = .ready(try TableOrigin(path: path))
        case .directory(let path): self = .ready(try DirectoryOrigin(path: path))
        case .demo: self = .ready(TableOrigin(table: try DemoScores.table()))
        case .http(let template): self = .http(template)
        }
    }

    /// - Parameter followsElsewhere: Whether redirects may lead to other hosts.
    func getter(client: OriginClient, followsElsewhere: Bool) -> any Getter<OriginValue> {
        switch self {
        case .ready(let getter): getter
        case .http(let template): HTTPOrigin(template: template, client: client, followsElsewhere: followsElsewhere)
        }
    }
}
