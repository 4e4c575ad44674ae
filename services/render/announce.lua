-- Announce events whose pages can be read, each item's in the order of its revisions, and acknowledge their entries.
-- KEYS 1 items stream  2 pages stream  3 dead letters, then for each entry: item, rendered (what waits for an earlier
--      revision's turn)
-- ARGV 1 group, then for each entry: entry id, revision, previous (the revision of the item's event before this one),
--      the announcement as a JSON list {name, value, ...} or an empty one, why it was given up or ''
-- Returns how many entries were announced. An entry that is not pending any more was announced by someone else.
local announced_now = 0

local function append(spelled)
  local fields = cjson.decode(spelled)
  if #fields > 0 then
    redis.call('XADD', KEYS[2], '*', unpack(fields))
    announced_now = announced_now + 1
  end
end

local function bury(entry, reason)
  local found = redis.call('XRANGE', KEYS[1], entry, entry)
  local fields = #found > 0 and cjson.encode(found[1][2]) or '[]'
  redis.call('XADD', KEYS[3], '*', 'stream', KEYS[1], 'group', ARGV[1], 'entry', entry, 'reason', reason, 'fields', fields)
end

for place = 0, (#ARGV - 1) / 5 - 1 do
  local entry, revision, previous, spelled, reason = unpack(ARGV, 2 + place * 5, 6 + place * 5)
  local item, rendered = KEYS[4 + place * 2], KEYS[5 + place * 2]
  if redis.call('XACK', KEYS[1], ARGV[1], entry) == 1 then
    if reason ~= '' then bury(entry, reason) end
    local announced = redis.call('HGET', item, 'announced') or '0'
    if tonumber(previous) < tonumber(announced) then
      append(spelled)  -- it was given up and is replayed: its turn has passed
    else
      redis.call('HSET', rendered, previous, cjson.encode({revision, spelled}))
    end
    while true do
      local waiting = redis.call('HGET', rendered, announced)
      if not waiting then break end
      redis.call('HDEL', rendered, announced)
      local next = cjson.decode(waiting)
      append(next[2])
      announced = next[1]
      redis.call('HSET', item, 'announced', announced)
    end
  end
end
return announced_now
