-- Keep the site's fingerprint, under the next number if it changed.
-- KEYS[1] site record   ARGV[1] fingerprint   ARGV[2] now (ms)
-- Returns {number, when the first record was made (ms)}.
redis.call('HSETNX', KEYS[1], 'born', ARGV[2])
if redis.call('HGET', KEYS[1], 'fingerprint') ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[1], 'number', 1)
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1])
end
return {redis.call('HGET', KEYS[1], 'number'), redis.call('HGET', KEYS[1], 'born')}
