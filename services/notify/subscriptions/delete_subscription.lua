-- Forget a subscription and everything that was queued for it.
-- KEYS[1] subscriptions  KEYS[2] version  KEYS[3] changes  KEYS[4] due  KEYS[5..] what is the subscription's alone
-- ARGV[1] subscription   ARGV[2] changes to remember
-- Returns 1, or 0 if there is no such subscription.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[3], redis.call('INCR', KEYS[2]), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[2])
redis.call('ZREM', KEYS[4], ARGV[1])
for i = 5, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
