// SPDX-License-Identifier: Apache-2.0

#if Configuration
    internal import Configuration
    internal import GroupCache

    /// Reads settings one by one, all as they stood at one moment. What is not there leaves things as they are; what is there and is wrong is an error
    /// that names the key, what is wanted and, but for secrets, what was found.
    struct SettingsReader {
        private let config: ConfigSnapshotReader

        init(_ config: ConfigReader) { self.config = config.snapshot() }

        func set(_ key: String, _ place: inout Bool) throws(GroupCacheError) {
            guard let text = try self.text(key) else { return }
            switch text.lowercased() {
            case "true", "yes", "1": place = true
            case "false", "no", "0": place = false
            default: throw Self.wrong(key, "true or false", text)
            }
        }

        func set(_ key: String, _ place: inout String?, isSecret: Bool = false) throws(GroupCacheError) {
            guard let text = try self.text(key, isSecret: isSecret) else { return }
            guard !text.isEmpty else { throw Self.wrong(key, "something", text) }
            place = text
        }

        func set(_ key: String, _ place: inout Int, in range: ClosedRange<Int>) throws(GroupCacheError) {
            guard let text = try self.text(key) else { return }
            guard let number = Int(text), range.contains(number) else {
                throw Self.wrong(key, "a whole number from \(range.lowerBound) to \(range.upperBound)", text)
            }
            place = number
        }

        func set(_ key: String, _ place: inout Double, in range: ClosedRange<Double>) throws(GroupCacheError) {
            guard let text = try self.text(key) else { return }
            guard let number = Double(text), range.contains(number) else {
                throw Self.wrong(key, "a number from \(range.lowerBound) to \(range.upperBound)", text)
            }
            place = number
        }

        /// Bytes.
        func set(_ key: String, size place: inout Int, in range: ClosedRange<Int>) throws(GroupCacheError) {
            guard let text = try self.text(key) else { return }
            guard let size = SizeText.parse(text), range.contains(size) else {
                let ends = "\(SizeText.text(range.lowerBound)) to \(SizeText.text(range.upperBound))"
                throw Self.wrong(key, "a size like 512KiB or 32MiB, from \(ends)", text)
            }
            place = size
        }

        func set(_ key: String, _ place: inout Duration, in range: ClosedRange<Duration>) throws(GroupCacheError) {
            if let duration = try self.duration(key, in: range) { place = duration }
        }

        func set(_ key: String, _ place: inout Duration?, in range: ClosedRange<Duration>) throws(GroupCacheError) {
            if let duration = try self.duration(key, in: range) { place = duration }
        }

        private func duration(_ key: String, in range: ClosedRange<Duration>) throws(GroupCacheError) -> Duration? {
            guard let text = try self.text(key) else { return nil }
            guard let duration = DurationText.parse(text), range.contains(duration) else {
                let isOpen = range.upperBound == DurationText.longest
                let end =
                    isOpen
                    ? "at least \(DurationText.text(range.lowerBound))"
                    : "from \(DurationText.text(range.lowerBound)) to \(DurationText.text(range.upperBound))"
                throw Self.wrong(key, "a time like 500ms, 30s or 5m, \(end)", text)
            }
            return duration
        }

        /// What `parse` makes of the text, which says by answering nothing that another one is `wanted`.
        func value<Value>(_ key: String, wanted: String, _ parse: (String) -> Value?) throws(GroupCacheError) -> Value? {
            guard let text = try self.text(key) else { return nil }
            guard let value = parse(text) else { throw Self.wrong(key, wanted, text) }
            return value
        }

        /// A list, or one text with commas or blanks between.
        func list(_ key: String) throws(GroupCacheError) -> [String]? {
            let texts: [String]
            if let list = self.config.stringArray(forKey: ConfigKey(key)) {
                texts = list
            } else if let text = try self.text(key) {
                texts = [text]
            } else {
                return nil
            }
            return texts.flatMap { $0.split { $0 == "," || $0.isWhitespace }.map(String.init) }
        }

        /// The text under a key, however its provider has it; `nil`: there is none.
        ///
        /// A provider that has something else than what it is asked for answers the same as one that has nothing, so it is asked for all that there can be: a
        /// setting that is there and does nothing would be worse than an error.
        func text(_ key: String, isSecret: Bool = false) throws(GroupCacheError) -> String? {
            let name = ConfigKey(key)
            if let text = self.config.string(forKey: name, isSecret: isSecret) { return text }
            if let number = self.config.int(forKey: name, isSecret: isSecret) { return "\(number)" }
            if let number = self.config.double(forKey: name, isSecret: isSecret) { return "\(number)" }
            if let flag = self.config.bool(forKey: name, isSecret: isSecret) { return "\(flag)" }
            let isList =
                self.config.stringArray(forKey: name, isSecret: isSecret) != nil
                || self.config.intArray(forKey: name, isSecret: isSecret) != nil
                || self.config.doubleArray(forKey: name, isSecret: isSecret) != nil
                || self.config.boolArray(forKey: name, isSecret: isSecret) != nil
            guard !isList, self.config.bytes(forKey: name, isSecret: isSecret) == nil else {
                throw GroupCacheError(.invalidConfiguration, "the setting \(key) is a list or raw bytes, where a text is wanted")
            }
            return nil
        }

        private static func wrong(_ key: String, _ wanted: String, _ text: String) -> GroupCacheError {
            GroupCacheError(.invalidConfiguration, "the setting \(key) wants \(wanted), not \"\(text.prefix(64))\"")
        }
    }
#endif
