-- Announce events whose pages can be read, each item's in the order of its revisions, write the receipts of the
-- revisions, and acknowledge the entries.
-- KEYS 1 items stream  2 pages stream  3 dead letters, then for each entry: item, rendered (what waits for an earlier
--      revision's turn), receipts
-- ARGV 1 group  2 for how many ms the pages have been written  3 and visible  4 how long to keep receipts, ms
--      5 of how many of an item's revisions to keep them, then for each entry: entry id, revision, previous (the
--      revision of the item's event before this one), the announcement as a JSON list {name, value, ...} or an empty
--      one, why it was given up or '', the files that show the revision as JSON or ''
-- Returns how many entries were announced. An entry that is not pending any more was announced by someone else.
local FIRST, WIDTH = 6, 6
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local announced_now = 0

local function append(receipts, revision, spelled)
  local fields = cjson.decode(spelled)
  if #fields > 0 then
    local place = redis.call('XADD', KEYS[2], '*', unpack(fields))
    if redis.call('HEXISTS', receipts, 'rendered:' .. revision) == 1 then
      redis.call('HSET', receipts, 'announced:' .. revision, place)
    end
    announced_now = announced_now + 1
  end
end

local function bury(entry, reason)
  local found = redis.call('XRANGE', KEYS[1], entry, entry)
  local fields = #found > 0 and cjson.encode(found[1][2]) or '[]'
  redis.call('XADD', KEYS[3], '*', 'stream', KEYS[1], 'group', ARGV[1], 'entry', entry, 'reason', reason, 'fields', fields)
end

local function forget_old(receipts)
  if redis.call('HLEN', receipts) <= 2 * ARGV[5] then return end
  local revisions = {}
  for _, field in ipairs(redis.call('HKEYS', receipts)) do
    local revision = field:match('^rendered:(%d+)$')
    if revision then revisions[#revisions + 1] = tonumber(revision) end
  end
  table.sort(revisions)
  for place = 1, #revisions - ARGV[5] do
    redis.call('HDEL', receipts, 'rendered:' .. revisions[place], 'announced:' .. revisions[place])
  end
end

local function write_receipt(receipts, revision, files)
  local receipt = string.format('[%.0f,%.0f,%s]', now - ARGV[2], now - ARGV[3], files)
  redis.call('HSET', receipts, 'rendered:' .. revision, receipt)
  forget_old(receipts)
end

for place = 0, (#ARGV - FIRST + 1) / WIDTH - 1 do
  local entry, revision, previous, spelled, reason, files =
    unpack(ARGV, FIRST + place * WIDTH, FIRST + WIDTH - 1 + place * WIDTH)
  local item, rendered, receipts = KEYS[4 + place * 3], KEYS[5 + place * 3], KEYS[6 + place * 3]
  if redis.call('XACK', KEYS[1], ARGV[1], entry) == 1 then
    if reason ~= '' then bury(entry, reason) end
    if files ~= '' then write_receipt(receipts, revision, files) end
    local announced = redis.call('HGET', item, 'announced') or '0'
    if tonumber(previous) < tonumber(announced) then
      append(receipts, revision, spelled)  -- it was given up and is replayed: its turn has passed
    else
      redis.call('HSET', rendered, previous, cjson.encode({revision, spelled}))
    end
    while true do
      local waiting = redis.call('HGET', rendered, announced)
      if not waiting then break end
      redis.call('HDEL', rendered, announced)
      local next = cjson.decode(waiting)
      append(receipts, next[1], next[2])
      announced = next[1]
      redis.call('HSET', item, 'announced', announced)
    end
    redis.call('PEXPIRE', receipts, ARGV[4])
  end
end
return announced_now
