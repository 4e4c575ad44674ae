-- Erase a withdrawn item of which everyone has been told: what stays is a stub that keeps its revisions' numbers.
-- KEYS 1 item  2 revisions  3 rendered  4 receipts  5 paths  6 erasures  7 erased  8 audit stream  9 items stream
--      10 pages stream  11 dead letters  12 unshown
-- ARGV 1 JSON: item_id, latest (its newest revision as the caller saw it), note (for the audit: {name, value, ...}),
--      paths (of the item), entries (of the item: {in the items stream, in the pages stream, in the dead letters})
-- Returns 1, or 0 where the item is not as the caller saw it.
local id = argument.item_id
local state, latest, event, announced, public =
  unpack(redis.call('HMGET', KEYS[1], 'state', 'latest', 'last_event', 'announced', 'public'))
if redis.call('EXISTS', KEYS[2]) == 0 then  -- someone else was faster
  redis.call('HDEL', KEYS[6], id)
  return 1
end
if state ~= 'withdrawn' or latest ~= argument.latest or tonumber(announced or '0') < tonumber(event) then return 0 end
if shown_of(KEYS[1]) ~= public then return 0 end

for _, path in ipairs(argument.paths) do
  if redis.call('HGET', KEYS[5], path) == id then redis.call('HDEL', KEYS[5], path) end
end
for place, entries in ipairs(argument.entries) do
  for first = 1, #entries, 1000 do
    redis.call('XDEL', KEYS[8 + place], unpack(entries, first, math.min(first + 999, #entries)))
  end
end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('ZREM', KEYS[12], id)
redis.call('HDEL', KEYS[1], 'months', 'left')
redis.call('HSET', KEYS[1], 'public', '0', 'shown', '0', 'path', '', 'content_sha256', '', 'unrenderable', '0', 'unrenderable_reason', '')
redis.call('HDEL', KEYS[6], id)
if tonumber(event) > 0 then
  local erased_ms = string.format('%.0f', now)
  local epochs = redis.call('HGET', KEYS[1], 'epochs') or ''
  redis.call('HSET', KEYS[7], id .. ':' .. latest, epochs == '' and erased_ms or erased_ms .. ' ' .. epochs)
end
redis.call('XADD', KEYS[8], '*', unpack(argument.note))
return 1
