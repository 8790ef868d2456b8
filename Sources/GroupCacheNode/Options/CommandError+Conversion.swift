// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import GroupCache
internal import NIOCore
internal import NIOPosix

extension CommandError {
    /// What to tell about an error that a command ended with; nil: it is ArgumentParser's.
    init?(of error: any Error) {
        switch error {
        case let error as CommandError:
            self = error
        case let error as GroupCacheError:
            let cause = error.cause.map { " (\(Self.text(of: $0)))" } ?? ""
            self.init(error.code == .notFound ? .notFound : .failure, error.message + cause)
        case let error as IOError:
            self.init(.failure, error.description)
        case let error as HTTPClientError:
            self.init(.unreachable, error.shortDescription)
        case is CancellationError:
            self.init(.failure, "cancelled")
        default:
            return nil
        }
    }

    /// One line about an error of another library.
    static func text(of error: any Error) -> String {
        switch error {
        case let error as GroupCacheError: error.message
        case let error as HTTPClientError: error.shortDescription
        case let error as NIOConnectionError: error.connectionErrors.first.map { self.text(of: $0.error) } ?? "no address to connect to"
        case let error as IOError: error.description
        default: String(describing: error).split(separator: "\n").first.map(String.init) ?? "unknown error"
        }
    }
}
