"""Everything that is kept in the store: its keys, its Lua scripts, and who reads and writes them."""
