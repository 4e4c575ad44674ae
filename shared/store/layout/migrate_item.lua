-- Bring an item into layout 2: it keeps which revision readers see, and the months that it is numbered under.
-- KEYS 1 item  2 unshown
-- ARGV 1 JSON: item_id, expected (the revision that the caller saw as shown), months (of a listed item; else absent)
-- Returns 1, or 0 where the item has moved on since the caller saw it.
local shown = shown_of(KEYS[1])
if shown ~= argument.expected then return 0 end
redis.call('HDEL', KEYS[1], 'vacated')
if argument.months then redis.call('HSETNX', KEYS[1], 'months', argument.months) end
local public, unrenderable = unpack(redis.call('HMGET', KEYS[1], 'public', 'unrenderable'))
if public == shown and (unrenderable or '0') == '0' then redis.call('ZREM', KEYS[2], argument.item_id) end
return 1
