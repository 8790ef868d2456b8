// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOCore
internal import Synchronization

/// Accepts no connection for a moment after one could not be accepted, for want of file descriptors or memory: the listening socket stays
/// readable all the while, so that trying again at once would keep a core busy with nothing.
///
/// NIO's `AcceptBackoffHandler` only delays the next `read()`, but the channel goes on with the read that failed; turning automatic reading off
/// is what takes the socket from the loop's interest.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let length = TimeAmount.milliseconds(100)
    private static let quiet = TimeAmount.seconds(10)

    private let core: PoolCore
    private var nextWarning = NIODeadline.uptimeNanoseconds(0)
    private var end: Scheduled<Void>?

    init(core: PoolCore) {
        self.core = core
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        self.core.counters.failedAccepts.wrappingAdd(1, ordering: .relaxed)
        if self.nextWarning <= .now() {
            self.nextWarning = .now() + Self.quiet
            self.core.logger.warning("no connection can be accepted for now", metadata: ["errno": "\(error.errnoCode)"])
        }
        guard self.end == nil else { return }
        self.setAutoRead(false, context.channel)
        let (pause, channel) = (NIOLoopBound(self, eventLoop: context.eventLoop), context.channel)
        self.end = context.eventLoop.scheduleTask(in: Self.length) {
            pause.value.end = nil
            pause.value.setAutoRead(true, channel)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end?.cancel()
        self.end = nil
        context.fireChannelInactive()
    }

    private func setAutoRead(_ value: Bool, _ channel: any Channel) {
        // Fails only on a channel that is closed.
        try? channel.syncOptions?.setOption(.autoRead, value: value)
    }
}
