-- Append deliveries that are to be made again to one endpoint's queue, and move their job on, both or neither.
-- KEYS[1] replays  KEYS[2] subscriptions  KEYS[3] due  KEYS[4] ready  KEYS[5] deliveries  KEYS[6] dead letters
-- ARGV[1] job  ARGV[2] its record as the caller saw it  ARGV[3] its record after this step
-- ARGV[4] subscription  ARGV[5] deliveries that may wait for it at most
-- ARGV[6..] three for each delivery, in the order they are to be made: delivery, state, its dead letter ('' for none)
-- Returns the number of deliveries appended; or, with nothing written, -1 if the record moved, -2 if too many wait; -3 if
-- the subscription is gone: its job is forgotten.
-- A delivery that waits already is not appended a second time. A dead letter that someone else took is left to them.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[4]) == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return -3
end
if #ARGV > 5 and redis.call('HLEN', KEYS[5]) >= tonumber(ARGV[5]) then return -2 end
local appended = 0
for i = 6, #ARGV, 3 do
  local is_ours = ARGV[i + 2] == '' or redis.call('XDEL', KEYS[6], ARGV[i + 2]) == 1
  if is_ours and redis.call('HSETNX', KEYS[5], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('RPUSH', KEYS[4], ARGV[i])
    appended = appended + 1
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if appended > 0 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], 'LT', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[4])
end
return appended
