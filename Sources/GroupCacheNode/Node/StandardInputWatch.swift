// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Ends when standard input does: a child process of `groupcache cluster` has a pipe there that nobody writes to, so its end says that
/// the parent has died, however it died.
struct StandardInputWatch: Service {
    func run() async throws {
        let channel = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .takingOwnershipOfDescriptor(input: dup(STDIN_FILENO))
            .get()
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await channel.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            channel.close(promise: nil)
        }
    }
}
