internal import NIOCore

/// A connection, as the loop that it lives on knows it.
protocol LoopMember: AnyObject {
    /// When ``timeOut()`` is to be called, if nothing happens before.
    var deadline: NIODeadline { get }
    /// The deadline has passed.
    func timeOut()
    /// Finishes what is running and closes.
    func drain()
    /// Closes now.
    func abort()
}
