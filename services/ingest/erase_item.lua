-- Erase a withdrawn item of which everyone has been told: what stays is a stub that keeps its revisions' numbers.
-- KEYS 1 item  2 revisions  3 rendered  4 paths  5 erasures  6 audit stream  7 items stream  8 pages stream
-- ARGV 1 item id  2 its newest revision as the caller saw it  3 the audit note as JSON {name, value, ...}
--      4 the item's paths, 5 its entries of the items stream, 6 and of the pages stream, each as a JSON list
-- Returns 1, or 0 where the item is not as the caller saw it.
local id = ARGV[1]
local state, latest, event, announced =
  unpack(redis.call('HMGET', KEYS[1], 'state', 'latest', 'last_event', 'announced'))
if redis.call('EXISTS', KEYS[2]) == 0 then  -- someone else was faster
  redis.call('HDEL', KEYS[5], id)
  return 1
end
if state ~= 'withdrawn' or latest ~= ARGV[2] or tonumber(announced or '0') < tonumber(event) then return 0 end

for _, path in ipairs(cjson.decode(ARGV[4])) do
  if redis.call('HGET', KEYS[4], path) == id then redis.call('HDEL', KEYS[4], path) end
end
for place, stream in ipairs({KEYS[7], KEYS[8]}) do
  local entries = cjson.decode(ARGV[4 + place])
  for first = 1, #entries, 1000 do
    redis.call('XDEL', stream, unpack(entries, first, math.min(first + 999, #entries)))
  end
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'public', '0', 'path', '', 'content_sha256', '', 'unrenderable', '0', 'unrenderable_reason', '')
redis.call('HDEL', KEYS[5], id)
redis.call('XADD', KEYS[6], '*', unpack(cjson.decode(ARGV[3])))
return 1
