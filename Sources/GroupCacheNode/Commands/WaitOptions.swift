// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// What commands take that change something for more nodes than one.
struct WaitOptions: ParsableArguments {
    @Flag(help: "Wait until no node serves what was there before, and fail if that cannot be said.")
    var applied = false

    /// The query of the request.
    func query(_ others: String...) -> String {
        let all = others + (self.applied ? ["wait=applied"] : [])
        return all.isEmpty ? "" : "?" + all.joined(separator: "&")
    }
}
