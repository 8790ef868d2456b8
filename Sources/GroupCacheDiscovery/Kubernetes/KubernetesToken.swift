// SPDX-License-Identifier: Apache-2.0

internal import Informers

/// The token of a service account. Kubernetes replaces it about once an hour, in the file.
actor KubernetesToken {
    private let path: String
    private let clock: InformerClock
    private var value: String?
    private var read = Duration.zero
    private static let age = Duration.seconds(60)

    init(path: String, clock: InformerClock) {
        self.path = path
        self.clock = clock
    }

    /// The token, from the file if the last look at it is a minute old.
    ///
    /// - Parameter refused: a token that the server did not take: read again if it is still that one.
    /// - Throws: ``DiscoveryError``: the file cannot be read, and never could.
    func current(refused: String? = nil) async throws(DiscoveryError) -> String {
        if let value = self.value, value != refused, self.clock.now - self.read < Self.age { return value }
        let result: Result<[UInt8], DiscoveryError>
        let path = self.path
        do {
            result = try await BlockingCall.run { FileSource.contents(path) }
        } catch {
            throw DiscoveryError(.unavailable, "\(path) was not read: the node stops")
        }
        do throws(DiscoveryError) {
            let text = String(decoding: try result.get(), as: UTF8.self).trimmedOfWhitespace
            // It goes into a header: one line of visible characters, or it is no token.
            guard !text.isEmpty, text.utf8.count <= 65_536, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw DiscoveryError(.invalidConfiguration, "\(path) does not hold a token")
            }
            self.value = text
            self.read = self.clock.now
            return text
        } catch {
            // The last one may still be good for a while.
            if let value = self.value { return value }
            throw error
        }
    }
}

extension String {
    fileprivate var trimmedOfWhitespace: String {
        let isSpace: (Character) -> Bool = { $0.isWhitespace }
        return String(self.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
