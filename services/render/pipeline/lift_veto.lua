-- Lift the veto on a revision that readers see: this edition can render it.
-- KEYS 1 item  2 unshown
-- ARGV 1 JSON: item_id, number (the revision)
-- Returns nothing. A veto on another revision stays.
local argument = cjson.decode(ARGV[1])
local shown = shown_of(KEYS[1])
local public, unrenderable = unpack(redis.call('HMGET', KEYS[1], 'public', 'unrenderable'))
if unrenderable ~= argument.number or shown ~= argument.number then return end
redis.call('HSET', KEYS[1], 'unrenderable', '0', 'unrenderable_reason', '')
if public == argument.number then redis.call('ZREM', KEYS[2], argument.item_id) end
