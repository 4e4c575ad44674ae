-- Erase the deliveries and attempts of erased events in one subscription's queue.
-- KEYS 1 due  2 ready  3 later  4 deliveries  5 attempts
-- ARGV 1 JSON: subscription, events (that are erased)
-- Returns how many deliveries and attempts were erased. A leased delivery loses its state. If its attempt settles it to
-- be tried again, the next call erases it.
local erased, forgotten = {}, 0
for _, event in ipairs(argument.events) do
  erased[event] = true
  local delivery = event .. '-' .. argument.subscription
  if redis.call('HDEL', KEYS[4], delivery) == 1 then
    forgotten = forgotten + 1
    if redis.call('ZREM', KEYS[3], delivery) == 0 then redis.call('LREM', KEYS[2], 1, delivery) end
  end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[5], '-', '+')) do
  if erased[cjson.decode(entry[2][2]).event_id] then
    redis.call('XDEL', KEYS[5], entry[1])
    forgotten = forgotten + 1
  end
end
if forgotten > 0 then
  -- Deliveries behind an erased one may be due now.
  redis.call('ZADD', KEYS[1], 'LT', now, argument.subscription)
end
return forgotten
