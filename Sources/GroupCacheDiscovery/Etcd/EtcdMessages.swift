// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A 64-bit number as etcd's JSON has it: in quotes, because JavaScript would round it. Plain numbers are taken as well.
struct EtcdNumber: Decodable, Sendable, Hashable {
    var value: Int64

    init(_ value: Int64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let value = Int64(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a number")
            }
            self.value = value
        } else {
            self.value = try container.decode(Int64.self)
        }
    }
}

/// An answer to a question.
protocol EtcdAnswer: Decodable, Sendable {
    /// Which cluster gives it.
    var cluster: String? { get }
    /// An error that comes with the status of an answer.
    var failure: EtcdMessage.Failure? { get }
}

extension EtcdAnswer {
    var failure: EtcdMessage.Failure? { nil }
}

/// The answers of etcd's JSON gateway, as far as they are read. What is zero or empty is left out by etcd, so everything may be missing.
enum EtcdMessage {
    struct Header: Decodable, Sendable {
        var revision: EtcdNumber?
        /// Beyond what an `Int64` has: it is compared, and nothing else.
        var cluster_id: String?
    }

    struct KeyValue: Decodable, Sendable {
        /// Base64, as the value is.
        var key: String?
        var value: String?
        var create_revision: EtcdNumber?
        var mod_revision: EtcdNumber?
        var lease: EtcdNumber?

        var keyText: String? {
            self.key.flatMap { Data(base64Encoded: $0) }.flatMap { String(validating: $0, as: UTF8.self) }
        }

        var valueBytes: [UInt8]? {
            guard let value = self.value else { return [] }
            return Data(base64Encoded: value).map { Array($0) }
        }
    }

    struct Range: EtcdAnswer {
        var header: Header
        var kvs: [KeyValue]?
        var more: Bool?
        var cluster: String? { self.header.cluster_id }
    }

    struct Transaction: EtcdAnswer {
        struct Response: Decodable, Sendable {
            var response_range: Found?
        }
        struct Found: Decodable, Sendable {
            var kvs: [KeyValue]?
        }
        var header: Header
        var succeeded: Bool?
        var responses: [Response]?
        var cluster: String? { self.header.cluster_id }
    }

    struct Lease: EtcdAnswer {
        /// Every answer of etcd has one; a page of somebody else does not.
        var header: Header
        var ID: EtcdNumber?
        var TTL: EtcdNumber?
        var cluster: String? { self.header.cluster_id }
    }

    /// A line of the answer to `keepalive`, which is a stream.
    struct KeptAlive: EtcdAnswer {
        var result: Lease?
        var error: Failure?
        var cluster: String? { self.result?.cluster }
        var failure: Failure? { self.error }
    }

    struct Authenticated: EtcdAnswer {
        var header: Header
        var token: String?
        var cluster: String? { self.header.cluster_id }
    }

    struct Failure: Decodable, Sendable {
        var error: String?
        var message: String?
        var code: Int?
        var grpc_code: Int?

        /// Whether any member of etcd would say the same: what is asked for is wrong or not allowed. The rest, as that there is no leader or no time, is of the
        /// one that was asked.
        var isOfAll: Bool {
            [3, 5, 6, 7, 9, 11, 16].contains(self.code ?? self.grpc_code ?? 2) || self.isOfToken || self.text.contains("compacted")
        }
        /// Whether another token may help: this one is too old, of another life of etcd, or was none. Etcd has several words for it.
        var isOfToken: Bool {
            if (self.code ?? self.grpc_code) == 16 { return true }
            return ["invalid auth token", "user name is empty", "auth store is old", "revision in header is old"].contains {
                self.text.contains($0)
            }
        }
        /// Whether it is an error as etcd writes it, and not somebody else's object.
        var isEtcds: Bool { self.message != nil || self.error != nil || self.code != nil || self.grpc_code != nil }
        var text: String { self.message ?? self.error ?? "an error without a word" }
    }

    struct Event: Decodable, Sendable {
        /// Left out for `PUT`.
        var type: String?
        var kv: KeyValue?
    }

    struct Watch: Decodable, Sendable {
        var header: Header?
        var created: Bool?
        var canceled: Bool?
        var compact_revision: EtcdNumber?
        var cancel_reason: String?
        var events: [Event]?
    }

    /// A line of the answer to `watch`.
    struct WatchLine: Decodable, Sendable {
        var result: Watch?
        var error: Failure?
    }
}
