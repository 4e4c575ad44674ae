-- Give a store that nobody has written to the newest layout.
-- KEYS 1 format, then keys of which a store that is in use has one
-- ARGV 1 JSON: newest (the layout of this release)
-- Returns the number of the store's layout. A store in use that has no number has layout 1.
local layout = redis.call('GET', KEYS[1])
if layout then return layout end
if redis.call('EXISTS', unpack(KEYS, 2)) > 0 then return '1' end
redis.call('SET', KEYS[1], argument.newest)
return argument.newest
