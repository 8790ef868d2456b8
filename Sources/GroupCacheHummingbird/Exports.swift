// SPDX-License-Identifier: Apache-2.0

// A pool is given a logger, and Hummingbird does not bring its type along.
@_exported public import struct Logging.Logger
