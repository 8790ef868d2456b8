// SPDX-License-Identifier: Apache-2.0

/// Makes the name of an object, by which it is stored and queued. The same object must give the same name each time.
///
/// It is called without a lock held, perhaps by several tasks at once.
public typealias KeyFunction<Object> = @Sendable (Object) throws -> String

/// Gives the values under which an index finds an object: any number, none too.
///
/// It is called once for each object that is stored, without a lock held, perhaps by several tasks at once.
public typealias IndexFunction<Object> = @Sendable (Object) -> [String]

/// Makes of an incoming object what is to be kept, for instance by leaving out fields that nobody reads.
///
/// It is called once for each object that comes from the source, never for one that comes from the store. The key of an object is the key of what
/// this makes of it.
public typealias TransformFunction<Object> = @Sendable (Object) throws -> Object

/// ``KeyFunction`` with every error made a ``KeyError``.
@usableFromInline
struct Keyer<Object: Sendable>: Sendable {
    @usableFromInline let function: KeyFunction<Object>

    @inlinable
    init(function: @escaping KeyFunction<Object>) { self.function = function }

    @inlinable
    func key(for object: Object) throws(KeyError) -> String {
        do {
            return try self.function(object)
        } catch let error as KeyError {
            throw error
        } catch {
            throw KeyError(object: object, cause: error)
        }
    }
}

/// An object could not be stored or queued, because no key could be made for it. Nothing was changed.
public struct KeyError: Error, CustomStringConvertible {
    /// The object, if there was one.
    public var object: (any Sendable)?
    /// Why there is no key: what the ``KeyFunction`` threw.
    public var cause: any Error

    /// An error about `object`.
    public init(object: (any Sendable)? = nil, cause: any Error) {
        self.object = object
        self.cause = cause
    }

    /// Names the kind of the object and of the cause. The object itself is not shown, nor the cause's text: both may hold data.
    public var description: String {
        let object = self.object.map { "an object of type \(type(of: $0))" } ?? "an object"
        let cause = (self.cause as? InformerError).map { "\($0)" } ?? "\(type(of: self.cause))"
        return "no key could be made for \(object): \(cause)"
    }
}
