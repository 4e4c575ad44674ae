-- Append deliveries to the endpoints' queues and move the shard's cursor, both or neither.
-- KEYS[1] cursor  KEYS[2] version  KEYS[3] due  KEYS[4] subscriptions  KEYS[5] changes
-- KEYS[6..] two for each subscription concerned: ready, deliveries; after them the tallies of the events concerned
-- ARGV[1] the version of the subscriptions that the plan was made with
-- ARGV[2..4] the cursor it was made at: passed, within, upto   ARGV[5..7] the cursor after it
-- ARGV[8] a subscription whose record changes with it ('' for none)  ARGV[9] its new record  ARGV[10] changes to remember
-- ARGV[11] JSON, four for each delivery, in the order of the log: place of its subscription, place of its tally (0: is
--          not counted), delivery, state  ARGV[12] how long to keep tallies, ms  ARGV[13..] the subscriptions concerned
-- Returns the number of deliveries appended, or -1 if the version or the cursor moved meanwhile: nothing was written.
-- A delivery that waits already is not appended a second time.
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return -1 end
local cursor = redis.call('HMGET', KEYS[1], 'passed', 'within', 'upto')
for i = 1, 3 do
  if (cursor[i] or '') ~= ARGV[1 + i] then return -1 end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local subscriptions = #ARGV - 12
local appended, counts = 0, {}
for _, one in ipairs(cjson.decode(ARGV[11])) do
  local place, tally, delivery, state = unpack(one)
  if redis.call('HSETNX', KEYS[5 + 2 * place], delivery, state) == 1 then
    redis.call('RPUSH', KEYS[4 + 2 * place], delivery)
    appended = appended + 1
    if tally > 0 then counts[tally] = (counts[tally] or 0) + 1 end
  end
end
for tally, count in pairs(counts) do
  local key = KEYS[5 + 2 * subscriptions + tally]
  redis.call('HINCRBY', key, 'enqueued', count)
  redis.call('PEXPIRE', key, ARGV[12])
end
for place = 1, subscriptions do redis.call('ZADD', KEYS[3], 'LT', now, ARGV[12 + place]) end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'passed', ARGV[5], 'within', ARGV[6], 'upto', ARGV[7]) end
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[8], ARGV[9])
  redis.call('ZADD', KEYS[5], redis.call('INCR', KEYS[2]), ARGV[8])
  redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - ARGV[10])
end
return appended
