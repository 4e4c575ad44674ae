-- Take one token from a bucket that fills up evenly.
-- KEYS 1 bucket
-- ARGV 1 JSON: size (tokens that a full bucket holds), window_ms (in which an empty bucket fills)
-- Returns {1 or 0 (no token was left), whole tokens left, ms until there is one more, ms until the bucket is full}.
local size, window = argument.size, argument.window_ms
-- The bucket counts fractions of a millisecond.
local now = clock[1] * 1000 + clock[2] / 1000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = size
-- A clock that was set back takes no token away.
if kept[1] then tokens = math.min(size, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * size / window) end
local taken = tokens >= 1 and 1 or 0
tokens = tokens - taken
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], window)
local left = math.floor(tokens)
local next = math.ceil((left + 1 - tokens) * window / size)
return {taken, left, next, math.ceil((size - tokens) * window / size)}
