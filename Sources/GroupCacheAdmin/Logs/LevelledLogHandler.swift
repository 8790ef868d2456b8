// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Logging

/// Writes to standard error, a line for each event, from the level on that ``LogLevels`` says.
public struct LevelledLogHandler: LogHandler {
    /// What a line is.
    public enum Format: String, Sendable, Hashable, CaseIterable {
        /// For people: time, level, label, message, and what is known beside.
        case text
        /// For programs: an object with `time`, `level`, `label`, `message` and, if there is any, `metadata`.
        case json
    }

    /// What every event says beside its own.
    public var metadata = Logger.Metadata()
    /// What the process' handlers say beside.
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let cell: LogLevels.Cell
    private let format: Format
    private let output: @Sendable (String) -> Void
    /// What was asked for of this very logger.
    private var own: Logger.Level?

    /// A handler of `label`.
    ///
    /// - Parameters:
    ///   - label: Of the logger.
    ///   - levels: By which it is decided what is logged.
    ///   - format: How a line looks.
    ///   - output: Where a line goes, with its end; `nil`: to standard error, in one piece.
    public init(label: String, levels: LogLevels, format: Format = .text, output: (@Sendable (String) -> Void)? = nil) {
        self.label = label
        self.cell = levels.cell(of: label)
        self.format = format
        self.output = output ?? Self.write
    }

    /// From which level on. Set, it is this logger's alone and levels that change do not change it.
    public var logLevel: Logger.Level {
        get { self.own ?? self.cell.value }
        set { self.own = newValue }
    }

    /// What every event says beside its own.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    /// Writes a line.
    public func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = self.metadataProvider?.get() { metadata.merge(provided) { $1 } }
        if let own = event.metadata { metadata.merge(own) { $1 } }
        self.output(Self.line(event.level, self.label, "\(event.message)", metadata, self.format, now: Date()))
    }

    /// - Parameter now: the time that the line says.
    static func line(
        _ level: Logger.Level,
        _ label: String,
        _ message: String,
        _ metadata: Logger.Metadata,
        _ format: Format,
        now: Date
    ) -> String {
        let time = now.ISO8601Format(.init(includingFractionalSeconds: true))
        switch format {
        case .text:
            var line = "\(time) \(level.rawValue) \(Self.oneLine(label)) \(Self.oneLine(message))"
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { line += " \(Self.oneLine(key))=\(Self.oneLine("\(value)"))" }
            return line + "\n"
        case .json:
            let entry = Entry(
                time: time,
                level: level.rawValue,
                label: label,
                message: message,
                metadata: metadata.isEmpty ? nil : metadata.mapValues { "\($0)" }
            )
            guard let text = try? AdminJSON.text(entry) else { return "" }
            return String(decoding: text, as: UTF8.self) + "\n"
        }
    }

    private struct Entry: Encodable {
        var time: String
        var level: String
        var label: String
        var message: String
        var metadata: [String: String]?
    }

    /// So that nobody whose text is logged can write lines of their own.
    private static func oneLine(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return text }
        return text.unicodeScalars.map { scalar in
            switch scalar {
            case "\n": "\\n"
            case "\r": "\\r"
            case "\t": "\\t"
            default: scalar.value < 0x20 || scalar.value == 0x7F ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
            }
        }.joined()
    }

    @Sendable private static func write(_ line: String) {
        // A reader that has gone is not our failure.
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    }
}
