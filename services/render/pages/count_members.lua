-- Count the members of many sorted sets.
-- KEYS the sorted sets
-- ARGV 1 JSON: nothing
-- Returns their sizes.
local sizes = {}
for place, key in ipairs(KEYS) do sizes[place] = redis.call('ZCARD', key) end
return sizes
