// SPDX-License-Identifier: Apache-2.0

import Testing

/// `#expect` for what changes a value as it is asked: the macro would ask a copy.
func check(_ condition: Bool, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(condition, comment, sourceLocation: sourceLocation)
}
