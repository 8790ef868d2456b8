// SPDX-License-Identifier: Apache-2.0

import Testing

/// Tests with child processes. One after the other: each of them keeps both cores of a small machine busy.
@Suite(.serialized, .timeLimit(.minutes(3))) enum ProcessTests {}
