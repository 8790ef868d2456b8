/// Anything that can be listed and then watched for changes: an HTTP endpoint, a directory that is polled, another node's log.
///
/// Errors: throw a ``Status`` for what the source says (410 for a resource version that is too old), ``WatchError/Code/connectionRefused`` when
/// nobody listens. Both functions return soon when their task is cancelled.
public protocol ListerWatcher<Object>: Sendable {
    /// What is listed.
    associatedtype Object: Sendable

    /// Everything there is, or a page of it.
    func list(_ options: ListOptions) async throws -> ListResult<Object>

    /// What changes from a version on. Returns once the stream is open; whoever called then stops it.
    func watch(_ options: WatchOptions) async throws -> WatchStream<Object>
}
