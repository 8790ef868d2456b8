import GroupCacheHTTP

extension HTTPPool.Configuration.Client {
    /// A client that opens no links, for servers that count requests.
    static var getsOnly: Self {
        var client = Self()
        client.links = .never
        return client
    }
}
