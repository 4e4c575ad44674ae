-- Double a number.
-- KEYS 1 the number
-- ARGV 1 JSON: nothing
-- Returns twice the number; it stays as it is.
return redis.call('GET', KEYS[1]) * 2
