-- The beginning of every script: what it is called with, and the time.
-- KEYS stand in each script
-- ARGV 1 JSON; what it holds stands in each script
-- Returns nothing of its own. `argument` is the JSON, `now` the store's time (ms), a whole number.
local argument = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Return which revision of an item readers see; false where there is no such item.
-- Release 0.1 shows what it accepts: it keeps no `shown`, and leaves `vacated`. What it has announced becomes shown.
local function shown_of(item)
  local shown, public, announced, vacated =
    unpack(redis.call('HMGET', item, 'shown', 'public', 'announced', 'vacated'))
  if not public then return false end
  local is_behind = vacated and shown ~= public and tonumber(announced or '0') >= tonumber(public)
  if shown and not is_behind then return shown end
  redis.call('HSET', item, 'shown', public)
  redis.call('HDEL', item, 'months', 'left')
  return public
end

