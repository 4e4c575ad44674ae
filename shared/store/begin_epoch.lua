-- Begin an epoch.
-- KEYS 1 history
-- ARGV 1 JSON: expected (the epoch that the caller saw), epoch, reason
-- Returns 1, or 0 where the store is not in the expected epoch.
if (redis.call('HGET', KEYS[1], 'epoch') or '0') ~= argument.expected then return 0 end
redis.call('HSET', KEYS[1], 'epoch', argument.epoch, 'reason', argument.reason, 'began_ms', string.format('%.0f', now))
return 1
