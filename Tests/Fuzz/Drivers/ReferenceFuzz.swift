// SPDX-License-Identifier: Apache-2.0

@testable import GroupCacheHTTP

/// A stream of messages: as llhttp understands it, however it is cut.
func fuzzReference(_ input: [UInt8], _ difference: (_ bytes: [UInt8], _ cuts: [Int]) -> String?) {
    var cuts: [[Int]] = [[]]
    if let first = input.first { cuts.append([Int(first) * 7 % input.count]) }
    if input.count <= 256 { cuts.append(Array(0..<input.count)) }
    for cut in cuts {
        let found = difference(input, cut)
        check(found == nil, found ?? "")
    }
}
