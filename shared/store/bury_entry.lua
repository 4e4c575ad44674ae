-- Move one pending entry to the dead letters, once, whoever calls.
-- KEYS 1 stream  2 dead letters   ARGV 1 group  2 entry id  3 reason
-- Returns 1, or 0 where the entry was not pending any more.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
local fields = #found > 0 and cjson.encode(found[1][2]) or '[]'
redis.call('XADD', KEYS[2], '*', 'stream', KEYS[1], 'group', ARGV[1], 'entry', ARGV[2], 'reason', ARGV[3], 'fields', fields)
return 1
