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
