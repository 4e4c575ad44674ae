-- Append deliveries to the endpoints' queues and move the shard's cursor: both or neither.
-- KEYS 1 cursor  2 version  3 due  4 subscriptions  5 changes  6.. two for each subscription concerned: ready,
--      deliveries; after them the tallies of the events concerned
-- ARGV 1 JSON:
--      version (of the subscriptions that the plan was made with), seen and after (the cursor before and after this
--      step: {passed, within, upto}), subscriptions (those concerned), tallies_kept_ms,
--      deliveries, in the order of the log: {place of the subscription, place of the tally (0: not counted), delivery,
--      state},
--      if the record of a subscription changes, too: changed (its id), record, changes_kept (changes to remember)
-- Returns the number of deliveries appended; or -1 if the version or the cursor has moved, and nothing was written.
-- A delivery that is in the queue already is not appended again.
if tonumber(redis.call('GET', KEYS[2]) or 0) ~= argument.version then return -1 end
local cursor = redis.call('HMGET', KEYS[1], 'passed', 'within', 'upto')
for i = 1, 3 do
  if (cursor[i] or '') ~= argument.seen[i] then return -1 end
end

local subscriptions, after = argument.subscriptions, argument.after
local appended, counts = 0, {}
for _, one in ipairs(argument.deliveries) do
  local place, tally, delivery, state = unpack(one)
  if redis.call('HSETNX', KEYS[5 + 2 * place], delivery, state) == 1 then
    redis.call('RPUSH', KEYS[4 + 2 * place], delivery)
    appended = appended + 1
    if tally > 0 then counts[tally] = (counts[tally] or 0) + 1 end
  end
end
for tally, count in pairs(counts) do
  local key = KEYS[5 + 2 * #subscriptions + tally]
  redis.call('HINCRBY', key, 'enqueued', count)
  redis.call('PEXPIRE', key, argument.tallies_kept_ms)
end
for _, subscription in ipairs(subscriptions) do redis.call('ZADD', KEYS[3], 'LT', now, subscription) end
if after[1] ~= '' then redis.call('HSET', KEYS[1], 'passed', after[1], 'within', after[2], 'upto', after[3]) end
if argument.changed then
  redis.call('HSET', KEYS[4], argument.changed, argument.record)
  redis.call('ZADD', KEYS[5], redis.call('INCR', KEYS[2]), argument.changed)
  redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - argument.changes_kept)
end
return appended
