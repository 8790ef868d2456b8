// SPDX-License-Identifier: Apache-2.0

#if Configuration
    public import Configuration
    public import GroupCache

    extension GroupConfiguration {
        /// The settings that `config` has, and the defaults for all others. The article *Settings from files and the environment* has the keys; those of the
        /// program's `--group` have its names, with capitals where it has hyphens. Scope `config` to the group: `config.scoped(to: "scores")`.
        ///
        /// For the trait `Configuration` of this package. What cannot be read, since it is no text, is set afterwards: a clock, a limit that groups share.
        ///
        /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``, with one line that names the key, what it wants, and what was found.
        public init(config: ConfigReader) throws(GroupCacheError) {
            self.init()
            let settings = SettingsReader(config)
            let longest = DurationText.longest
            if let eviction = try settings.value("eviction", wanted: "lru or s3fifo", { EvictionPolicy($0) }) { self.eviction = eviction }
            try self.freshness.read(settings)
            try settings.set("nearTtl", &self.nearTTL, in: .zero...longest)
            try settings.set("standInTtl", &self.standInTTL, in: .zero...longest)
            try settings.set("loadTimeout", &self.loadTimeout, in: .milliseconds(1)...longest)
            var (running, queued) = (0, -1)
            try settings.set("loads.running", &running, in: 1...1_000_000)
            try settings.set("loads.queued", &queued, in: 0...1_000_000)
            if running > 0 || queued >= 0 {
                let usual = LoadLimit()
                self.loads = LoadLimit(running: running > 0 ? running : usual.running, queued: queued >= 0 ? queued : usual.queued)
            }
            try settings.set("maximumWaiters", &self.maximumWaiters, in: 1...1 << 40)
            let shards = try settings.value("shards", wanted: "a power of two from 1 to 1024") { text in
                Int(text).flatMap { (1...1_024).contains($0) && $0 & ($0 - 1) == 0 ? $0 : nil }
            }
            if let shards { self.shards = shards }
            let ways = ["cancel": UnwantedLoads.cancel, "finish": .finish, "finishIfHalfDone": .finishIfHalfDone]
            let unwanted = try settings.value("unwantedLoads", wanted: "cancel, finish or finishIfHalfDone") { ways[$0] }
            if let unwanted { self.unwantedLoads = unwanted }
            let schema = try settings.value("schema", wanted: "1 to 128 bytes") { (1...128).contains($0.utf8.count) ? $0 : nil }
            if let schema { self.schema = schema }
            try settings.set("observedRemovals", &self.observedRemovals, in: 0...1_000_000)
        }
    }

    extension Freshness {
        fileprivate mutating func read(_ settings: SettingsReader) throws(GroupCacheError) {
            let longest = DurationText.longest
            try settings.set("ttl", &self.ttl, in: .milliseconds(1)...longest)
            try settings.set("jitter", &self.jitter, in: 0...0.5)
            try settings.set("negativeTtl", &self.negative, in: .milliseconds(1)...longest)
            try settings.set("staleWhileRevalidate", &self.staleWhileRevalidate, in: .zero...longest)
            try settings.set("staleIfError", &self.staleIfError, in: .zero...longest)
            try settings.set("earlyRefresh", &self.earlyRefresh, in: 0...1_000)
            try settings.set("softTimeout", &self.softTimeout, in: .zero...longest)
            try settings.set("backOff.first", &self.backOff.first, in: .milliseconds(1)...longest)
            try settings.set("backOff.longest", &self.backOff.longest, in: .milliseconds(1)...longest)
            guard self.backOff.longest >= self.backOff.first else {
                throw GroupCacheError(.invalidConfiguration, "the setting backOff.longest is less than backOff.first")
            }
        }
    }

    extension ByteCount {
        /// What the key `capacity` of `config` says, as in `64MiB`: 64 KiB to 64 TiB. Less is most likely a unit that was forgotten.
        ///
        /// For the trait `Configuration` of this package.
        ///
        /// - Parameter default: what it is if there is no such key.
        /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``, with one line that names the key.
        public init(config: ConfigReader, default: ByteCount = .mebibytes(64)) throws(GroupCacheError) {
            self = `default`
            try SettingsReader(config).set("capacity", size: &self.bytes, in: 64 << 10...1 << 46)
        }
    }
#endif
