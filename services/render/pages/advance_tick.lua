-- Keep the later of two moments.
-- KEYS[1] the last tick   ARGV[1] a moment (ms)
-- Returns the tick that stands now (ms).
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
return redis.call('GET', KEYS[1])
