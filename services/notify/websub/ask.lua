-- Keep a request until it is seen through. It takes the place of an earlier one about the same subscription.
-- ARGV[1] subscription  ARGV[2] the request  ARGV[3] most requests to keep
-- Returns 1, or 0 if there are too many.
if redis.call('HLEN', requests) >= tonumber(ARGV[3]) and redis.call('HEXISTS', requests, ARGV[1]) == 0 then return 0 end
redis.call('HSET', requests, ARGV[1], ARGV[2])
redis.call('ZADD', requests_due, now, ARGV[1])
return 1
