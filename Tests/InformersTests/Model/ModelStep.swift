// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting

/// One thing that happens to a source, or to those who watch it.
enum ModelStep: Sendable, Hashable {
    /// An object is added or changed.
    case put(Int)
    /// An object is deleted, if it is there.
    case delete(Int)
    /// All connections break.
    case drop
    /// All connections break, and meanwhile something changes.
    case dropAndPut(Int)
    /// All connections break, and meanwhile something is deleted.
    case dropAndDelete(Int)
    /// All connections break, and all history is forgotten.
    case reset
    /// All history but the last few changes is forgotten.
    case compact(Int)
    /// The source restarts.
    case epoch
    /// A bookmark for everybody.
    case bookmark
    /// The next list fails.
    case failList(ModelFailure)
    /// The next watch is refused.
    case failWatch(ModelFailure)
    /// Every watch gets an ERROR event.
    case errorEvent(ModelFailure)
    /// Lists of "whatever there is" are so many changes old.
    case lag(Int)
    /// The tasks have so many turns.
    case turns(Int)
    /// Time passes, in milliseconds.
    case pass(Int)
    /// A handler comes.
    case addHandler
    /// A handler goes: the one of that number, counted in a circle.
    case removeHandler(Int)
    /// A handler of that number waits, or waits no longer, in its callbacks.
    case slow(Int)

    static func random(using generator: inout SeededGenerator) -> ModelStep {
        let key = Int.random(in: 0..<5, using: &generator)
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<26: return .put(key)
        case 26..<36: return .delete(key)
        case 36..<40: return .drop
        case 40..<43: return .dropAndPut(key)
        case 43..<46: return .dropAndDelete(key)
        case 46..<48: return .reset
        case 48..<52: return .compact(Int.random(in: 0...4, using: &generator))
        case 52..<55: return .epoch
        case 55..<58: return .bookmark
        case 58..<60: return .failList(.random(using: &generator))
        case 60..<62: return .failWatch(.random(using: &generator))
        case 62..<65: return .errorEvent(.random(using: &generator))
        case 65..<66: return .lag(Int.random(in: 0...3, using: &generator))
        case 66..<86: return .turns(Int.random(in: 1...60, using: &generator))
        case 86..<93: return .pass([1, 100, 900, 2000, 31_000].randomElement(using: &generator) ?? 1)
        case 93..<96: return .addHandler
        case 96..<98: return .removeHandler(key)
        default: return .slow(key)
        }
    }
}
