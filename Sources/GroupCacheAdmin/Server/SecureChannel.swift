// SPDX-License-Identifier: Apache-2.0

internal import GroupCacheHTTP
internal import HummingbirdCore
internal import Logging
internal import NIOCore

/// A connection of the admin port, behind TLS if there is a certificate: that of the moment, so that a new one needs no new server.
struct SecureChannel<Base: ServerChildChannel>: ServerChildChannel {
    let base: Base
    let access: AdminAccess

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        self.base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            try self.access.secure(channel)
            return value
        }
    }

    func handle(value: Base.Value, logger: Logger) async { await self.base.handle(value: value, logger: logger) }
}
