// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import Testing

@Suite("Statistics outside of the process")
struct StatisticsTests {
    /// One with another number in each place.
    private static func numbered(from first: Int) -> GroupStatistics {
        var (statistics, next) = (GroupStatistics(), first)
        for (_, path) in GroupStatistics.counters {
            statistics[keyPath: path] = next
            next += 1
        }
        for (_, path) in GroupStatistics.caches {
            for (_, inner) in CacheStatistics.counters {
                statistics[keyPath: path][keyPath: inner] = next
                next += 1
            }
        }
        statistics.largestRefused = next
        return statistics
    }

    @Test("every counter is encoded under the name of its property, and comes back")
    func coding() throws {
        let statistics = Self.numbered(from: 7)
        let data = try JSONEncoder().encode(statistics)
        #expect(try JSONDecoder().decode(GroupStatistics.self, from: data) == statistics)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        // A property that somebody adds and forgets in the list would be lost without a word.
        let names = Set(Mirror(reflecting: statistics).children.compactMap(\.label))
        #expect(Set(object.keys) == names)
        let cache = try #require(object["main"] as? [String: Any])
        #expect(Set(cache.keys) == Set(Mirror(reflecting: statistics.main).children.compactMap(\.label)))
    }

    @Test("what a node of another version does not say is zero, and what it says beyond that is passed over")
    func otherVersions() throws {
        let text = #"{"gets": 3, "wishes": 4, "main": {"items": 1}}"#
        let statistics = try JSONDecoder().decode(GroupStatistics.self, from: Data(text.utf8))
        var expected = GroupStatistics()
        (expected.gets, expected.main.items) = (3, 1)
        #expect(statistics == expected)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(GroupStatistics.self, from: Data(#"{"gets": "many"}"#.utf8)) }
    }

    @Test("a sum adds everything but the largest value refused, of which it has the larger; and a hostile number does not end the process")
    func sum() {
        let (a, b) = (Self.numbered(from: 1), Self.numbered(from: 1_000))
        let sum = a + b
        for (name, path) in GroupStatistics.counters { #expect(sum[keyPath: path] == a[keyPath: path] + b[keyPath: path], "\(name)") }
        for (_, path) in GroupStatistics.caches {
            for (_, inner) in CacheStatistics.counters {
                #expect(sum[keyPath: path][keyPath: inner] == a[keyPath: path][keyPath: inner] + b[keyPath: path][keyPath: inner])
            }
        }
        #expect(sum.largestRefused == b.largestRefused)
        #expect(a + GroupStatistics() == a)
        var huge = GroupStatistics()
        (huge.gets, huge.main.bytes) = (.max, .max)
        var total = huge
        total += huge
        #expect(total.gets == -2)
    }
}
