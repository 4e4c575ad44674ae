-- Keep the site's fingerprint, under the next number if it changed.
-- KEYS 1 site record
-- ARGV 1 JSON: fingerprint
-- Returns {number, when the first record was made (ms)}.
redis.call('HSETNX', KEYS[1], 'born', now)
if redis.call('HGET', KEYS[1], 'fingerprint') ~= argument.fingerprint then
  redis.call('HINCRBY', KEYS[1], 'number', 1)
  redis.call('HSET', KEYS[1], 'fingerprint', argument.fingerprint)
end
return {redis.call('HGET', KEYS[1], 'number'), redis.call('HGET', KEYS[1], 'born')}
