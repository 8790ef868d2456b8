// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Set by CI. Not the default: a warning that a later compiler adds must not keep a newcomer from building.
let warningsAreErrors = Context.environment["GROUPCACHE_WARNINGS_AS_ERRORS"] == "1"

var settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
if warningsAreErrors { settings.append(.treatAllWarnings(as: .error)) }
// Continuations of the core are checked then.
if Context.environment["GROUPCACHE_CORE_ONLY"] == "1" { settings.append(.define("GROUPCACHE_CORE_ONLY")) }

func nio(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-nio") }
let ssl = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
/// Much of what an application that has this package takes to build is NIOSSL's BoringSSL.
let sslOfTrait = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["TLS"]))
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let configurationOfTrait = Target.Dependency.product(
    name: "Configuration",
    package: "swift-configuration",
    condition: .when(traits: ["Configuration"])
)
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "GroupCache",
    platforms: [.macOS("26.0")],
    products: [
        .library(name: "GroupCache", targets: ["GroupCache"]),
        .library(name: "Informers", targets: ["Informers"]),
        .library(name: "GroupCacheHTTP", targets: ["GroupCacheHTTP"]),
        .library(name: "GroupCacheDiscovery", targets: ["GroupCacheDiscovery"]),
        .library(name: "GroupCacheAdmin", targets: ["GroupCacheAdmin"]),
        .library(name: "GroupCacheHummingbird", targets: ["GroupCacheHummingbird"]),
        .library(name: "GroupCacheTesting", targets: ["GroupCacheTesting"]),
        .library(name: "InformersTesting", targets: ["InformersTesting"]),
        .executable(name: "groupcache", targets: ["GroupCacheNode"]),
    ],
    traits: [
        .trait(name: "TLS", description: "Peers and clients that speak TLS, by NIOSSL. Without it a pool that is to is refused."),
        .trait(name: "Configuration", description: "Settings of pools and groups read by swift-configuration: init(config:)."),
        .default(enabledTraits: ["TLS"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.31.0"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.20.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.6.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.0", traits: []),
    ],
    targets: [
        .target(
            name: "GroupCache",
            dependencies: [nio("NIOCore"), nio("NIOConcurrencyHelpers"), logging, metrics, tracing],
            swiftSettings: settings
        ),
        .target(
            name: "Informers",
            dependencies: [
                .product(name: "DequeModule", package: "swift-collections"), nio("NIOConcurrencyHelpers"), logging,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GroupCacheHTTP",
            dependencies: [
                "GroupCache", "Informers", nio("NIOCore"), nio("NIOPosix"), nio("NIOConcurrencyHelpers"), nio("NIOTLS"), sslOfTrait,
                httpTypes, logging, tracing, lifecycle, configurationOfTrait,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GroupCacheDiscovery",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "Informers", nio("NIOCore"), nio("NIOPosix"), nio("NIOConcurrencyHelpers"),
                nio("NIOHTTP1"), ssl, logging, lifecycle,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GroupCacheAdmin",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "Informers", nio("NIOCore"), nio("NIOPosix"), nio("NIOConcurrencyHelpers"), logging,
                metrics,
                lifecycle,
                .product(name: "Hummingbird", package: "hummingbird"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GroupCacheHummingbird",
            dependencies: ["GroupCache", "GroupCacheHTTP", nio("NIOCore"), nio("NIOConcurrencyHelpers"), logging, httpTypes, hummingbird],
            swiftSettings: settings
        ),
        .target(
            name: "GroupCacheTesting",
            dependencies: ["GroupCache", nio("NIOCore"), nio("NIOConcurrencyHelpers")],
            swiftSettings: settings
        ),
        .target(
            name: "InformersTesting",
            dependencies: ["Informers", nio("NIOConcurrencyHelpers")],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "GroupCacheNode",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "GroupCacheDiscovery", "GroupCacheAdmin", lifecycle, logging, metrics,
                nio("NIOCore"), nio("NIOPosix"), nio("NIOConcurrencyHelpers"), nio("NIOHTTP1"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTPCompression", package: "swift-nio-extras"),
                configuration,
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "EmbeddedServer",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "GroupCacheHummingbird", logging, hummingbird,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Examples/EmbeddedServer",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "HTTPResponseCache",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "GroupCacheHummingbird", logging, httpTypes, hummingbird, nio("NIOConcurrencyHelpers"),
            ],
            path: "Examples/HTTPResponseCache",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "JoinGoRing",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", lifecycle, logging,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Examples/JoinGoRing",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ReadThroughValkey",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "GroupCacheHummingbird", lifecycle, logging, hummingbird, nio("NIOCore"), nio("NIOPosix"),
            ],
            path: "Examples/ReadThroughValkey",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "InformerExample",
            dependencies: [
                "Informers", nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            path: "Examples/Informer",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ControllerExample",
            dependencies: ["Informers"],
            path: "Examples/Controller",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ChangesExample",
            dependencies: ["GroupCache", "GroupCacheDiscovery"],
            path: "Examples/Changes",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "InformersBenchmark",
            dependencies: ["Informers", logging],
            path: "Tests/Benchmarks/Informers",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "AsideBenchmark",
            dependencies: ["GroupCache", "GroupCacheHTTP", nio("NIOCore"), nio("NIOPosix")],
            path: "Tests/Benchmarks/Aside",
            swiftSettings: settings
        ),
        .testTarget(
            name: "GroupCacheTests",
            dependencies: [
                "GroupCache", "GroupCacheTesting", "InformersTesting", nio("NIOCore"), nio("NIOConcurrencyHelpers"), logging, metrics,
                tracing,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "InformersTests",
            dependencies: ["Informers", "InformersTesting", nio("NIOConcurrencyHelpers"), logging],
            swiftSettings: settings
        ),
        .testTarget(
            name: "InformerExampleTests",
            dependencies: [
                "InformerExample", "Informers", "InformersTesting", nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ControllerExampleTests",
            dependencies: ["ControllerExample", "Informers", "InformersTesting", nio("NIOConcurrencyHelpers")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ChangesExampleTests",
            dependencies: ["ChangesExample", "GroupCache", "GroupCacheHTTP", nio("NIOCore"), nio("NIOPosix")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GroupCacheHTTPTests",
            dependencies: [
                "GroupCache", "GroupCacheHTTP", "GroupCacheTesting", "Informers", nio("NIOCore"), nio("NIOPosix"), nio("NIOEmbedded"),
                nio("NIOHTTP1"),
                nio("NIOConcurrencyHelpers"), nio("NIOTLS"), ssl, httpTypes, logging, tracing, lifecycle,
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GroupCacheHummingbirdTests",
            dependencies: [
                "GroupCacheHummingbird", "GroupCache", "GroupCacheHTTP", "GroupCacheTesting", nio("NIOCore"), nio("NIOPosix"),
                nio("NIOConcurrencyHelpers"), logging, httpTypes, hummingbird,
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GroupCacheDiscoveryTests",
            dependencies: [
                "GroupCacheDiscovery", "GroupCache", "GroupCacheHTTP", "GroupCacheTesting", "Informers", "InformersTesting", nio("NIOCore"),
                nio("NIOPosix"), nio("NIOHTTP1"), nio("NIOConcurrencyHelpers"), logging, lifecycle,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GroupCacheAdminTests",
            dependencies: [
                "GroupCacheAdmin", "GroupCache", "GroupCacheHTTP", "GroupCacheTesting", "Informers", "InformersTesting", nio("NIOCore"),
                nio("NIOPosix"),
                nio("NIOConcurrencyHelpers"), nio("NIOHTTP1"), logging, metrics, lifecycle,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NodeTests",
            dependencies: [
                "GroupCacheNode", "EmbeddedServer", "HTTPResponseCache", "JoinGoRing", "ReadThroughValkey", "GroupCache", "GroupCacheHTTP",
                "GroupCacheDiscovery", "GroupCacheAdmin", "GroupCacheTesting",
                nio("NIOCore"), nio("NIOPosix"),
                nio("NIOHTTP1"), nio("NIOConcurrencyHelpers"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Hummingbird", package: "hummingbird"), logging,
            ],
            swiftSettings: settings
        ),
    ]
)

// The store, ring and flight tests run once more under ThreadSanitizer, which rebuilds everything: CI then leaves
// out what they do not need.
if Context.environment["GROUPCACHE_CORE_ONLY"] == "1" {
    let core: Set<String> = [
        "GroupCache", "Informers", "GroupCacheTesting", "InformersTesting", "GroupCacheTests", "InformersTests", "InformersBenchmark",
        "ControllerExample", "ControllerExampleTests",
    ]
    let packages: Set<String> = ["swift-nio", "swift-collections", "swift-log", "swift-metrics", "swift-distributed-tracing"]
    package.targets.removeAll { !core.contains($0.name) }
    package.products.removeAll { !core.contains($0.name) }
    package.dependencies.removeAll { dependency in
        guard case .sourceControl(_, let location, _) = dependency.kind else { return true }
        return !packages.contains { location.hasSuffix("/\($0).git") }
    }
}

// The fuzzers of Tests/Fuzz: the decoders by themselves and llhttp to hold them against, so that little has to be built, and only they are instrumented.
// For Tests/Fuzz/run.
if Context.environment["GROUPCACHE_FUZZ"] == "1" {
    let fuzzing = settings + [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])]
    let packages: Set<String> = ["swift-nio", "swift-log", "swift-metrics", "swift-distributed-tracing"]
    package.products = []
    package.targets.removeAll { $0.name != "GroupCache" }
    package.targets += [
        .target(
            name: "GroupCacheHTTP",
            dependencies: ["GroupCache", nio("NIOCore")],
            sources: [
                "Changes/ChangeMessages.swift", "HTTP", "Dialect/PeerFields.swift", "Link/Wire", "Link/LinkHandshake.swift",
                "Moving/MovedMessages.swift", "Routes/CacheControl.swift", "WebSocket",
            ],
            swiftSettings: fuzzing
        ),
        .target(
            name: "GroupCacheAdmin",
            dependencies: ["GroupCache"],
            sources: ["Volumes/SnapshotDecoder.swift", "Volumes/SnapshotError.swift", "Volumes/SnapshotFormat.swift"],
            swiftSettings: fuzzing
        ),
        .executableTarget(
            name: "Fuzz",
            dependencies: ["GroupCache", "GroupCacheHTTP", "GroupCacheAdmin", nio("NIOCore"), nio("NIOEmbedded"), nio("NIOHTTP1")],
            path: "Tests/Fuzz/Drivers",
            swiftSettings: fuzzing,
            // Not gold, the default: it fails over the debug information of the fuzzer.
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]
        ),
    ]
    package.dependencies.removeAll { dependency in
        guard case .sourceControl(_, let location, _) = dependency.kind else { return true }
        return !packages.contains { location.hasSuffix("/\($0).git") }
    }
}
