-- Append deliveries that are to be made again to one endpoint's queue, and move their job on, both or neither.
-- KEYS 1 replays  2 subscriptions  3 due  4 ready  5 deliveries  6 dead letters
-- ARGV 1 JSON:
--      job (its id), seen (its record as the caller saw it), record (after this step), subscription,
--      most_waiting (deliveries that may wait for it),
--      deliveries, in the order they are to be made: {delivery, state, its dead letter ('' for none)}
-- Returns the number of deliveries appended; or, with nothing written, -1 if the record moved, -2 if too many wait; -3
-- if the subscription is gone: its job is forgotten.
-- A delivery that waits already is not appended a second time. A dead letter that someone else took is left to them.
local argument = cjson.decode(ARGV[1])
local job, subscription = argument.job, argument.subscription
if redis.call('HGET', KEYS[1], job) ~= argument.seen then return -1 end
if redis.call('HEXISTS', KEYS[2], subscription) == 0 then
  redis.call('HDEL', KEYS[1], job)
  return -3
end
if #argument.deliveries > 0 and redis.call('HLEN', KEYS[5]) >= argument.most_waiting then return -2 end
local appended = 0
for _, one in ipairs(argument.deliveries) do
  local delivery, state, letter = unpack(one)
  local is_ours = letter == '' or redis.call('XDEL', KEYS[6], letter) == 1
  if is_ours and redis.call('HSETNX', KEYS[5], delivery, state) == 1 then
    redis.call('RPUSH', KEYS[4], delivery)
    appended = appended + 1
  end
end
redis.call('HSET', KEYS[1], job, argument.record)
if appended > 0 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], 'LT', time[1] * 1000 + math.floor(time[2] / 1000), subscription)
end
return appended
