-- Delete a subscription with its queue.
-- KEYS 1 subscriptions  2 version  3 changes  4 due  5.. the keys of the subscription alone
-- ARGV 1 JSON: subscription, changes_kept (changes to remember)
-- Returns 1, or 0 if there is no such subscription.
local id = argument.subscription
if redis.call('HDEL', KEYS[1], id) == 0 then return 0 end
redis.call('ZADD', KEYS[3], redis.call('INCR', KEYS[2]), id)
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - argument.changes_kept)
redis.call('ZREM', KEYS[4], id)
for i = 5, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
