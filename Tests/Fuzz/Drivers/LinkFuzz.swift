// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import GroupCacheHTTP

/// A message of the link: never a trap; what a plain second reader makes of it, ours does; what is read is written and read the same.
func fuzzLink(_ input: [UInt8]) {
    // The real limits, and some that short inputs reach.
    var small = LinkLimits(keyLength: 8, valueSize: 16, keysPerRequest: 3, requestsPerMessage: 2, messageSize: 256)
    (small.schemaLength, small.trailLength, small.attributesSize) = (4, 1, 12)
    for limits in [LinkLimits(), small] {
        let result = LinkContent.result(input, limits: limits)
        let expected = LinkReference(limits: limits).read(input)
        check((try? result.get()) == expected, "\(result) instead of \(String(describing: expected))")
        guard case .success(let contents) = result else { continue }
        // What is not UTF-8 becomes longer as text.
        let again = LinkContent.result(LinkContent.write(contents), limits: LinkLimits(schemaLength: .max, attributesSize: .max))
        check(again == .success(contents), "\(contents) came back as \(again)")
    }
}
