-- Show items whose pages are on the volume: each enters the lists of its target revision, and `shown` is set to it.
-- KEYS 1 unshown, then the items' hashes and indexes, which the argument names by their place in KEYS
-- ARGV 1 JSON: items { {id, key, expected, target, months, released_at, ops, places, left, path, decided, enter}, ... }
--      expected  the revision that the caller saw as shown; target: the one to show, the same to change nothing
--      path, left  where the item's page stands now, and where it stood until now if that is elsewhere ('' for neither)
--      decided  fields {name, value, ...} for an item whose public revision was taken back below the target, and
--      enter    {key, language}: the translation set whose place such an item gets back if it is free
--      places   sorted sets in which the item is numbered now
-- ops: {'touch', key}   note when the listing changed
--      {'add', key, score}   {'remove', key}
--      {'number', key, listing record, kind, month}            give the item its number in that month, once
--      {'unnumber', key, listing record, listing, kind, month} take it back, and keep in `left` which place became free
--      {'bury', key, score}                                    keep a tombstone, and throw away the oldest
-- Returns for each item {'shown', left as JSON, number, ...}, or {'moved'} where another caller was faster.
local MOST_TOMBSTONES = 100
local TOMBSTONES_KEPT_MS = 90 * 86400 * 1000

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

local function count(key, record, kind, month)
  if kind == 'archive' then redis.call('HSET', record, 'count:' .. month, redis.call('ZCARD', key)) end
end

-- The counts of a listing hold while `counted` is `changed`: release 0.1 changes lists and does not count.
local function touch(record)
  local changed, counted = unpack(redis.call('HMGET', record, 'changed', 'counted'))
  if counted and counted ~= changed then
    for _, field in ipairs(redis.call('HKEYS', record)) do
      if field:find('^count:') then redis.call('HDEL', record, field) end
    end
  end
  redis.call('HSET', record, 'changed', now, 'counted', now)
end

local function move(item, left)
  for _, op in ipairs(item.ops) do
    local kind, key = op[1], KEYS[op[2]]
    if kind == 'touch' then
      touch(key)
    elseif kind == 'add' then
      redis.call('ZADD', key, op[3], item.id)
    elseif kind == 'remove' then
      redis.call('ZREM', key, item.id)
    elseif kind == 'number' then
      local record = KEYS[op[3]]
      if not redis.call('ZSCORE', key, item.id) then
        redis.call('ZADD', key, redis.call('HINCRBY', record, op[4] .. ':' .. op[5], 1), item.id)
        count(key, record, op[4], op[5])
      end
    elseif kind == 'bury' then
      redis.call('ZADD', key, op[3], item.id)
      redis.call('ZREMRANGEBYRANK', key, 0, -1 - MOST_TOMBSTONES)
      redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', tonumber(now) - TOMBSTONES_KEPT_MS))
    else
      local number = redis.call('ZSCORE', key, item.id)
      if number then
        redis.call('ZREM', key, item.id)
        count(key, KEYS[op[3]], op[5], op[6])
        left[#left + 1] = {item.target, op[4], op[5], op[6], tonumber(number)}
      end
    end
  end
end

local function show(item)
  local key = KEYS[item.key]
  local shown = shown_of(key)
  if not shown or tonumber(shown) ~= item.expected then return {'moved'} end
  local public, spelled, unrenderable = unpack(redis.call('HMGET', key, 'public', 'left', 'unrenderable'))
  if item.months then redis.call('HSET', key, 'months', item.months) end
  local left = {}
  if item.target > item.expected then
    for _, one in ipairs(spelled and spelled ~= '' and cjson.decode(spelled) or {}) do
      if one[2] ~= item.path then left[#left + 1] = one end
    end
    move(item, left)
    if item.left ~= '' then left[#left + 1] = {item.target, item.left} end
    spelled = #left > 0 and cjson.encode(left) or nil
    redis.call('HSET', key, 'shown', item.target, 'released_at', item.released_at, 'left', spelled or '')
    if tonumber(public) < item.target then
      redis.call('HSET', key, 'public', item.target, unpack(item.decided))
      if item.enter then redis.call('HSETNX', KEYS[item.enter[1]], item.enter[2], item.id) end
      public = item.target
    end
    if tonumber(unrenderable or '0') <= item.target then
      redis.call('HSET', key, 'unrenderable', '0', 'unrenderable_reason', '')
      unrenderable = '0'
    end
    if tonumber(public) == item.target and tonumber(unrenderable) == 0 then
      redis.call('ZREM', KEYS[1], item.id)
    elseif tonumber(redis.call('ZSCORE', KEYS[1], item.id) or '0') > 0 then
      redis.call('ZADD', KEYS[1], now, item.id)
    end
  end
  local answer = {'shown', spelled or ''}
  for _, place in ipairs(item.places) do answer[#answer + 1] = redis.call('ZSCORE', KEYS[place], item.id) or '0' end
  return answer
end

local answers = {}
for place, item in ipairs(cjson.decode(ARGV[1]).items) do answers[place] = show(item) end
return answers
