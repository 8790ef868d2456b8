import GroupCache
