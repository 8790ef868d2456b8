// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers
internal import Synchronization

/// From which level on each label is logged, changed while the process runs: what glog's `v` and `vmodule` are for.
///
/// ```swift
/// let levels = LogLevels(.notice)
/// LoggingSystem.bootstrap { LevelledLogHandler(label: $0, levels: levels, format: .json) }
/// try levels.set("groupcache.http*=trace")
/// ```
///
/// The last pattern that fits a label decides; without one, the level of all does. A logger asks with one atomic load.
public final class LogLevels: Sendable {
    /// A pattern and the level of what fits it.
    public struct Rule: Sendable, Hashable {
        /// A label, in which `*` stands for any text.
        public var pattern: String
        /// From which level on.
        public var level: Logger.Level
    }

    /// Why levels could not be set.
    public struct Failure: Error, Hashable, CustomStringConvertible {
        /// What is wrong, for people; no more of what was given than its patterns.
        public var description: String
        /// Whether a pattern fits no label that has logged anything.
        public var isUnknown = false
    }

    /// The level of one label.
    final class Cell: Sendable {
        private let level: Synchronization.Atomic<Int>

        init(_ level: Logger.Level) { self.level = Synchronization.Atomic(Self.index(level)) }

        var value: Logger.Level {
            get { Logger.Level.allCases[self.level.load(ordering: .relaxed)] }
            set { self.level.store(Self.index(newValue), ordering: .relaxed) }
        }

        private static func index(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
    }

    private struct State {
        var level: Logger.Level
        var rules: [Rule] = []
        var cells: [String: Cell] = [:]

        func level(of label: String) -> Logger.Level { self.rules.last { LogLevels.fits(label, $0.pattern) }?.level ?? self.level }
    }

    /// More labels than these go by the level of all, in one.
    private static let mostLabels = 1_000
    private static let mostRules = 100
    private static let longestPattern = 256

    private let state: NIOLockedValueBox<State>
    private let others: Cell

    /// - Parameter level: of every label, until something else is said.
    public init(_ level: Logger.Level) {
        self.state = NIOLockedValueBox(State(level: level))
        self.others = Cell(level)
    }

    /// The level of all that no pattern fits.
    public var level: Logger.Level {
        get { self.state.withLockedValue { $0.level } }
        set { self.change { $0.level = newValue } }
    }

    /// The patterns in force; the last that fits decides.
    public var rules: [Rule] { self.state.withLockedValue { $0.rules } }

    /// Every label that there is a logger of, and its level now.
    public var labels: [(label: String, level: Logger.Level)] {
        self.state.withLockedValue { state in state.cells.map { ($0.key, $0.value.value) } }.sorted { $0.0 < $1.0 }
    }

    /// Sets the levels of patterns, as in `groupcache.http*=trace,groupcache.group.scores=debug`. One that is there already is replaced; no text at all
    /// takes every pattern away.
    ///
    /// - Returns: The labels that they fit.
    /// - Throws: ``Failure`` for what is no pattern or no level, for too many, and for one that fits no label there is a logger of; then nothing has changed.
    @discardableResult
    public func set(_ text: String) throws(Failure) -> [String] {
        let rules = try Self.parse(text)
        var unknown: String?
        var fitting: [String] = []
        self.change { state in
            if rules.isEmpty {
                state.rules = []
                return
            }
            unknown = rules.first { rule in !state.cells.keys.contains { Self.fits($0, rule.pattern) } }?.pattern
            guard unknown == nil else { return }
            let patterns = Set(rules.map(\.pattern))
            state.rules = Array((state.rules.filter { !patterns.contains($0.pattern) } + rules).suffix(Self.mostRules))
            fitting = state.cells.keys.filter { label in rules.contains { Self.fits(label, $0.pattern) } }.sorted()
        }
        if let unknown { throw Failure(description: "nothing logs under a label that \(unknown) fits", isUnknown: true) }
        return fitting
    }

    /// A label's level, for its loggers.
    func cell(of label: String) -> Cell {
        self.state.withLockedValue { state in
            if let cell = state.cells[label] { return cell }
            guard state.cells.count < Self.mostLabels else { return self.others }
            let cell = Cell(state.level(of: label))
            state.cells[label] = cell
            return cell
        }
    }

    private func change(_ body: (inout State) -> Void) {
        self.state.withLockedValue { state in
            body(&state)
            self.others.value = state.level
            for (label, cell) in state.cells { cell.value = state.level(of: label) }
        }
    }

    static func parse(_ text: String) throws(Failure) -> [Rule] {
        if text.trimming().isEmpty { return [] }
        var rules: [Rule] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false).map { $0.trimming() }
            guard sides.count == 2, !sides[0].isEmpty, sides[0].utf8.count <= Self.longestPattern else {
                throw Failure(description: "a pattern is LABEL=LEVEL, as in groupcache.http*=trace, with commas between several")
            }
            guard let level = Logger.Level(rawValue: sides[1].lowercased()) else {
                throw Failure(
                    description: "there is no such level; there are \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            rules.append(Rule(pattern: sides[0], level: level))
        }
        guard rules.count <= Self.mostRules else { throw Failure(description: "there are more than \(Self.mostRules) patterns") }
        return rules
    }

    /// Whether `label` is `pattern`, whose stars stand for any text. O(label × stars).
    static func fits(_ label: String, _ pattern: String) -> Bool {
        let (label, pattern) = (Array(label.utf8), Array(pattern.utf8))
        var (at, of) = (0, 0)
        // Where the last star stood, and how far it has been taken.
        var star: (pattern: Int, label: Int)?
        while at < label.count {
            if of < pattern.count, pattern[of] == UInt8(ascii: "*") {
                star = (of, at)
                of += 1
            } else if of < pattern.count, pattern[of] == label[at] {
                at += 1
                of += 1
            } else if let last = star {
                star = (last.pattern, last.label + 1)
                (at, of) = (last.label + 1, last.pattern + 1)
            } else {
                return false
            }
        }
        return pattern[of...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
