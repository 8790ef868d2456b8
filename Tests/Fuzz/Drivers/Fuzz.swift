// SPDX-License-Identifier: Apache-2.0

import Foundation

/// libFuzzer's loop (llvm.org/docs/LibFuzzer.html): calls `test` with one input after the other until its time is over. Swift has no
/// header for it; the C convention and Swift's are the same for these parameters.
@_silgen_name("LLVMFuzzerRunDriver")
private func run(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main
enum Fuzz {
    static func main() {
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        exit(
            run(&count, &arguments) { data, count in
                // A copy of exactly these bytes, so that a step beyond them is seen.
                FuzzTarget.chosen.run(Array(UnsafeBufferPointer(start: data, count: count)))
                return 0
            }
        )
    }
}

/// Which decoder is tried. A run finds out more about one than about all at once, since each has a corpus of its own.
enum FuzzTarget: String {
    case link, changes, websocket, request, response, requestReference, responseReference, fields, body, percent, protobuf, snapshot

    /// By the environment: the arguments belong to libFuzzer.
    static let chosen: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? "link"
        guard let target = FuzzTarget(rawValue: name) else { fatalError("FUZZ_TARGET is \(name)") }
        return target
    }()

    func run(_ input: [UInt8]) {
        switch self {
        case .link: fuzzLink(input)
        case .changes: fuzzChanges(input)
        case .websocket: fuzzWebSocket(input)
        case .request: fuzzStream(input, HTTPEvents.requests)
        case .response: fuzzStream(input, HTTPEvents.responses)
        case .requestReference: fuzzReference(input, HTTPReference.differenceOfRequests)
        case .responseReference: fuzzReference(input, HTTPReference.differenceOfResponses)
        case .fields: fuzzPeerFields(input)
        case .body: fuzzBody(input)
        case .percent: fuzzPercentEncoding(input)
        case .protobuf: fuzzProtobuf(input)
        case .snapshot: fuzzSnapshot(input)
        }
    }
}

/// Ends the run with a finding.
func check(_ holds: Bool, _ finding: @autoclosure () -> String) {
    // Not a precondition: the fuzzer is built with optimisation, and its findings need their text.
    if !holds { fatalError(finding()) }
}
