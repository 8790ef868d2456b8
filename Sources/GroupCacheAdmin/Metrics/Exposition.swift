// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// What a scrape is answered with, in the making: Prometheus' text, or OpenMetrics 1.0.
struct Exposition {
    enum Format: Sendable {
        case prometheus, openMetrics

        var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }

        /// What an `Accept` header prefers.
        init(accept: String?) {
            var quality: [String: Double] = [:]
            for range in (accept ?? "").split(separator: ",") {
                let parts = range.split(separator: ";").map { $0.trimming() }
                guard let type = parts.first?.lowercased() else { continue }
                var weight = 1.0
                for part in parts.dropFirst() where part.lowercased().hasPrefix("q=") { weight = Double(part.dropFirst(2)) ?? 0 }
                quality[type] = max(quality[type] ?? 0, weight)
            }
            let open = quality["application/openmetrics-text"] ?? 0
            let plain = quality["text/plain"] ?? quality["text/*"] ?? quality["*/*"] ?? 0
            self = open > 0 && open >= plain ? .openMetrics : .prometheus
        }
    }

    enum Kind: String, Sendable { case counter, gauge, histogram }

    let format: Format
    private(set) var buffer = ByteBuffer()
    /// The names of the families so far, without `_total`.
    private(set) var families: Set<String> = []
    private var sampleName = ""

    init(_ format: Format) {
        self.format = format
        self.buffer.reserveCapacity(64 << 10)
    }

    /// Begins a family. What follows are its samples.
    ///
    /// - Parameter name: without `_total`, in any case.
    mutating func family(_ name: String, _ kind: Kind, help: String) {
        self.families.insert(name)
        self.sampleName = kind == .counter ? name + "_total" : name
        let shown = self.format == .openMetrics ? name : self.sampleName
        self.buffer.writeString("# HELP \(shown) \(help)\n# TYPE \(shown) \(kind.rawValue)\n")
    }

    mutating func sample(_ labels: String, _ value: Int) {
        self.buffer.writeString(self.sampleName)
        self.buffer.writeString(labels)
        self.buffer.writeStaticString(" ")
        self.buffer.writeString(String(value))
        self.buffer.writeStaticString("\n")
    }

    mutating func sample(suffix: String = "", _ labels: String, _ value: Double) {
        self.buffer.writeString(self.sampleName)
        self.buffer.writeString(suffix)
        self.buffer.writeString(labels)
        self.buffer.writeStaticString(" ")
        self.buffer.writeString(MetricText.number(value))
        self.buffer.writeStaticString("\n")
    }

    mutating func sample(suffix: String, _ labels: String, count: Int) {
        self.buffer.writeString(self.sampleName)
        self.buffer.writeString(suffix)
        self.buffer.writeString(labels)
        self.buffer.writeStaticString(" ")
        self.buffer.writeString(String(count))
        self.buffer.writeStaticString("\n")
    }

    /// The buckets of a histogram, from how many there are in each: `bounds`, and what is beyond the last. There are a score of them for each series, so what
    /// they have in common is put together once.
    ///
    /// - Returns: how many there are in all.
    mutating func buckets(_ labels: String, upTo bounds: [String], counts: [Int]) -> Int {
        var start = self.sampleName + (labels.isEmpty ? "_bucket{le=\"" : "_bucket")
        if !labels.isEmpty { start += labels.dropLast() + ",le=\"" }
        var total = 0
        for (index, count) in counts.enumerated() {
            total += count
            self.buffer.writeString(start)
            self.buffer.writeString(index < bounds.count ? bounds[index] : "+Inf")
            self.buffer.writeStaticString("\"} ")
            self.buffer.writeString(String(total))
            self.buffer.writeStaticString("\n")
        }
        return total
    }

    /// The whole text.
    consuming func finish() -> ByteBuffer {
        if self.format == .openMetrics { self.buffer.writeStaticString("# EOF\n") }
        return self.buffer
    }
}

extension StringProtocol {
    /// Without white space at either end.
    func trimming() -> String {
        let start = self.drop { $0 == " " || $0 == "\t" }
        var end = start.endIndex
        while end > start.startIndex, start[start.index(before: end)] == " " || start[start.index(before: end)] == "\t" {
            end = start.index(before: end)
        }
        return String(start[..<end])
    }
}
