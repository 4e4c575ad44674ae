-- Keep the later of two moments.
-- KEYS 1 the last tick
-- ARGV 1 JSON: due_ms (a moment)
-- Returns the tick that stands now (ms).
local due_ms = argument.due_ms
if tonumber(redis.call('GET', KEYS[1]) or 0) < due_ms then redis.call('SET', KEYS[1], due_ms) end
return redis.call('GET', KEYS[1])
