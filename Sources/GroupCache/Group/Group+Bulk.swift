// Many keys at once.
extension Group {
    /// The values of many keys that are text, as ``get(keys:)-(Collection<Key>)``.
    ///
    /// The result is by ``Key`` and not by `String`, for two strings that Swift takes for equal may be two keys.
    @_disfavoredOverload
    @inlinable
    public func get(keys: some Collection<String>) async -> [Key: Result<Value, GroupCacheError>] {
        await self.get(keys: keys.map { Key($0) })
    }
}
