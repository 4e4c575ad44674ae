-- Count the members of many sorted sets.
-- KEYS the sorted sets
-- Returns their sizes.
local sizes = {}
for place, key in ipairs(KEYS) do sizes[place] = redis.call('ZCARD', key) end
return sizes
