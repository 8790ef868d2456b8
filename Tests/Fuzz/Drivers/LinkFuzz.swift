import NIOCore

@testable import GroupCacheHTTP

/// A message of the link: never a trap; what a plain second reader makes of it, ours does; what is read is written and read the same.
func fuzzLink(_ input: [UInt8]) {
    // The real limits, and some that short inputs reach.
    let small = LinkLimits(keyLength: 8, valueSize: 16, keysPerRequest: 3, requestsPerMessage: 2, messageSize: 256)
    for limits in [LinkLimits(), small] {
        let result = LinkContent.result(input, limits: limits)
        let expected = LinkReference(limits: limits).read(input)
        check((try? result.get()) == expected, "\(result) instead of \(String(describing: expected))")
        guard case .success(let contents) = result else { continue }
        let again = LinkContent.result(LinkContent.write(contents))
        check(again == .success(contents), "\(contents) came back as \(again)")
    }
}
