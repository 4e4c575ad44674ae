-- Write the record of one subscription by compare-and-set.
-- KEYS 1 subscriptions  2 version  3 changes  4 cursor  5 due
-- ARGV 1 JSON: subscription, seen (the record that the writer saw, '' for none), record (the new one), changes_kept
--      (changes to remember), cursor (where the one that the writer saw must still be there: {passed, within, upto})
-- Returns 1, or 0 if the record or the cursor has changed and nothing was written. Sent twice, it writes once.
local id = argument.subscription
local record = redis.call('HGET', KEYS[1], id) or ''
if record == argument.record then return 1 end
if record ~= argument.seen then return 0 end
if argument.cursor then
  local cursor = redis.call('HMGET', KEYS[4], 'passed', 'within', 'upto')
  for i = 1, 3 do
    if (cursor[i] or '') ~= argument.cursor[i] then return 0 end
  end
end
redis.call('HSET', KEYS[1], id, argument.record)
redis.call('ZADD', KEYS[3], redis.call('INCR', KEYS[2]), id)
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - argument.changes_kept)
-- The endpoint is due: deliveries may have been queued before it was paused.
redis.call('ZADD', KEYS[5], 'LT', now, id)
return 1
