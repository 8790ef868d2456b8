// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

// Every form in which a user writes a group, without `@testable`: what compiles here compiles for them.
@Suite("Group: every way to write one", .timeLimit(.minutes(5)))
struct ShapesTests {
    struct User: Codable, Sendable, Equatable {
        var name: String
    }

    struct Failure: Error {}

    /// Something without a codec of its own.
    struct Plain: Sendable, Equatable {
        var number: Int
    }

    struct PlainCodec: Codec {
        func encode(_ value: Plain) -> ByteView { ByteView([UInt8(value.number)]) }
        func decode(_ bytes: ByteView) throws -> Plain { Plain(number: Int(bytes.bytes[0])) }
    }

    struct Database: Sendable {
        func find(_ name: String) async throws -> User? { name == "nobody" ? nil : User(name: name) }
        func user(_ name: String) async throws -> User { User(name: name) }
    }

    struct Users: Getter {
        func load(_ key: Key, context: LoadContext<User>) async throws -> Loaded<User> { .value(User(name: key.string)) }
    }

    let db = Database()

    /// What `group` says of "Tom" and of "nobody": the value, `nil` for not found.
    private func answers<Value>(_ group: Group<Value>) async throws(GroupCacheError) -> [Value?] {
        var answers: [Value?] = []
        for key in ["Tom", "nobody"] {
            do throws(GroupCacheError) { answers.append(try await group.get(key)) } catch .notFound { answers.append(nil) }
        }
        return answers
    }

    @Test("a closure that returns a value, or an optional one")
    func values() async throws {
        let db = self.db
        let tom = User(name: "Tom")
        let always = try Group<User>("users", capacity: .mebibytes(1)) { key, _ in try await db.user(key.string) }
        #expect(try await self.answers(always) == [tom, User(name: "nobody")])
        let found = try Group<User>("users", capacity: .mebibytes(1)) { key, _ in try await db.find(key.string) }
        #expect(try await self.answers(found) == [tom, nil])
        let inferred: Group<User> = try Group("users", capacity: .mebibytes(1)) { key, _ in try await db.find(key.string) }
        #expect(try await self.answers(inferred) == [tom, nil])
        let long = try Group<User>("users", capacity: .mebibytes(1)) { key, _ in
            let found = try await db.find(key.string)
            guard let found else { return nil }
            return User(name: found.name.uppercased())
        }
        #expect(try await self.answers(long) == [User(name: "TOM"), nil])
        let text = try Group<String>("texts", capacity: .mebibytes(1)) { key, _ in key == "nobody" ? nil : "630" }
        #expect(try await self.answers(text) == ["630", nil])
        let none = try Group<String>("texts", capacity: .mebibytes(1)) { _, _ in nil }
        #expect(try await self.answers(none) == [nil, nil])
    }

    @Test("a closure that says how long to keep a value")
    func loaded() async throws {
        let db = self.db
        let short = try Group<User>("users", capacity: .mebibytes(1)) { key, _ in .value(try await db.user(key.string), ttl: .seconds(1)) }
        #expect(try await self.answers(short) == [User(name: "Tom"), User(name: "nobody")])
        let none = try Group<User>("users", capacity: .mebibytes(1)) { _, _ in .notFound(ttl: .seconds(1)) }
        #expect(try await self.answers(none) == [nil, nil])
        let either = try Group<String>("texts", capacity: .mebibytes(1)) { key, _ in key == "nobody" ? .notFound : .value("630") }
        #expect(try await self.answers(either) == ["630", nil])
        let long = try Group<User>("users", capacity: .mebibytes(1)) { key, context in
            guard let user = try await db.find(key.string) else { return .notFound(ttl: .seconds(5)) }
            if user == context.previous { return .notModified }
            return .value(user, ttl: .seconds(60), staleIfError: .seconds(600))
        }
        #expect(try await self.answers(long) == [User(name: "Tom"), nil])
        let annotated = try Group<User>("users", capacity: .mebibytes(1)) { _, _ -> Loaded<User> in .value(User(name: "x")) }
        #expect(try await self.answers(annotated).count == 2)
    }

    @Test("a closure that only throws")
    func throwing() async throws {
        let failing = try Group<User>("users", capacity: .mebibytes(1)) { _, _ in throw Failure() }
        let error = await #expect(throws: GroupCacheError.self) { try await failing.get("Tom") }
        #expect(error?.code == .getterFailed && error?.cause is Failure)
        let absent = try Group<String>("texts", capacity: .mebibytes(1)) { _, _ in throw GroupCacheError.notFound }
        #expect(try await self.answers(absent) == [nil, nil])
        let mixed = try Group<User>("users", capacity: .mebibytes(1)) { key, _ in
            if key == "nobody" { throw GroupCacheError.notFound }
            return User(name: key.string)
        }
        #expect(try await self.answers(mixed) == [User(name: "Tom"), nil])
    }

    @Test("a getter, and values with a codec of their own")
    func getters() async throws {
        let users = try Group<User>("users", capacity: .mebibytes(1), getter: Users())
        #expect(try await users.get("Tom") == User(name: "Tom"))
        let named = try Group<User>("users", capacity: .mebibytes(1), codec: .json(), getter: Users())
        #expect(try await named.get("Tom") == User(name: "Tom"))
        let plain = try Group("plain", capacity: .mebibytes(1), codec: PlainCodec()) { key, _ in Plain(number: key.bytes.count) }
        #expect(try await plain.get("Tom") == Plain(number: 3))
        let sometimes = try Group<Plain>("plain", capacity: .mebibytes(1), codec: PlainCodec()) { key, _ in
            key == "nobody" ? nil : Plain(number: 1)
        }
        #expect(try await self.answers(sometimes) == [Plain(number: 1), nil])
        let timed = try Group<Plain>("plain", capacity: .mebibytes(1), codec: PlainCodec()) { _, _ in
            .value(Plain(number: 1), ttl: .seconds(1))
        }
        #expect(try await timed.get("Tom") == Plain(number: 1))
    }

    @Test("bytes and text, with and without the codec's name")
    func bytes() async throws {
        let views = try Group<ByteView>("g", capacity: .mebibytes(1)) { key, _ in ByteView(key.bytes) }
        #expect(try await views.get("Tom") == "Tom")
        let arrays = try Group<[UInt8]>("g", capacity: .mebibytes(1)) { key, _ in key.bytes }
        #expect(try await arrays.get("Tom") == [84, 111, 109])
        let buffers = try Group<ByteBuffer>("g", capacity: .mebibytes(1)) { key, _ in ByteBuffer(bytes: key.bytes) }
        #expect(try await buffers.get("Tom") == ByteBuffer(string: "Tom"))
        _ = try Group<ByteView>("g", capacity: .mebibytes(1), codec: .raw) { _, _ in "" }
        _ = try Group<[UInt8]>("g", capacity: .mebibytes(1), codec: .raw) { _, _ in [] }
        _ = try Group<ByteBuffer>("g", capacity: .mebibytes(1), codec: .raw) { _, _ in ByteBuffer() }
        _ = try Group<String>("g", capacity: .mebibytes(1), codec: .text) { _, _ in "" }
        _ = try Group<[String: [Int]]>("g", capacity: .mebibytes(1), codec: .json()) { _, _ in ["": [1]] }
    }

    @Test("many keys: keys, text, literals, none")
    func manyKeys() async throws {
        let group = try Group<String>("g", capacity: .mebibytes(1)) { key, _ in key == "nobody" ? nil : "v" + key.string }
        let names = ["a", "nobody"]
        for results in [
            await group.get(keys: names), await group.get(keys: ["a", "nobody"]), await group.get(keys: Set(names)),
            await group.get(keys: names.map { Key($0) }), await group.get(keys: [Key("a"), "nobody"]),
            await group.get(keys: ["a", Key(names[1])]), await group.get(keys: names.lazy.map { Key($0) }),
            await group.get(keys: names[...]), await group.get(keys: "a nobody".split(separator: " ").map(String.init)),
        ] {
            #expect(results.count == 2)
            #expect(try results["a"]?.get() == "va")
            #expect(throws: GroupCacheError.self) { try results["nobody"]?.get() }
        }
        #expect(await group.get(keys: []).isEmpty)
        let spelled = await group.get(keys: ["\u{E9}", "e\u{301}"] as [String])
        #expect(spelled.count == 2, "one String for Swift, two keys")
    }

    @Test("optional values are refused: nil would say two things")
    func optionals() {
        func expectRefused<Value>(_ type: Value.Type, _ make: (Group<Value>.Type) throws -> Group<Value>) {
            let error = #expect(throws: GroupCacheError.self) { try make(Group<Value>.self) }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("not optional") == true)
        }
        expectRefused(User?.self) { try $0.init("g", capacity: .mebibytes(1)) { _, _ in .notFound } }
        expectRefused(String?.self) { try $0.init("g", capacity: .mebibytes(1)) { _, _ in .value("x", ttl: .seconds(1)) } }
        expectRefused(Int??.self) { try $0.init("g", capacity: .mebibytes(1), codec: .json()) { _, _ in 3 } }
    }
}
