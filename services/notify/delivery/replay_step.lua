-- Append replayed deliveries to one endpoint's queue and store the job after the step: both or neither.
-- KEYS 1 replays  2 subscriptions  3 due  4 ready  5 deliveries  6 dead letters
-- ARGV 1 JSON:
--      job (its id), seen (its record as the caller saw it), record (after this step), subscription,
--      most_waiting (deliveries that may wait for it),
--      deliveries, in their order: {delivery, state, its dead letter ('' for none)}
-- Returns the number of deliveries appended; or, with nothing written, -1 if the record has changed, -2 if too many
-- deliveries wait; or -3 if the subscription is gone, and its job was deleted.
-- A delivery that is in the queue already is not appended again. A dead letter that was removed meanwhile is skipped.
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
  redis.call('ZADD', KEYS[3], 'LT', now, subscription)
end
return appended
