-- Move one pending entry to the dead letters, once, whoever calls.
-- KEYS 1 stream  2 dead letters
-- ARGV 1 JSON: group, entry (its id), reason
-- Returns 1, or 0 where the entry was not pending any more.
local group, entry = argument.group, argument.entry
if redis.call('XACK', KEYS[1], group, entry) == 0 then return 0 end
local found = redis.call('XRANGE', KEYS[1], entry, entry)
local fields = #found > 0 and cjson.encode(found[1][2]) or '[]'
redis.call('XADD', KEYS[2], '*', 'stream', KEYS[1], 'group', group, 'entry', entry, 'reason', argument.reason,
           'fields', fields)
return 1
