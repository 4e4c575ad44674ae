-- Announce events whose pages can be read, each item's in the order of its revisions, write the receipts of the
-- revisions, and acknowledge the entries.
-- KEYS 1 items stream  2 pages stream  3 dead letters  4 history, then for each entry: item, rendered (what waits for
--      an earlier revision's turn), receipts
-- ARGV 1 JSON:
--      epoch and worked (the history that the volume was written from: its epoch, and the last id of the log that it
--      knows; absent: any),
--      group, rendered_ms and visible_ms (for how long the pages have been written and visible), receipts_kept_ms,
--      revisions_kept (of how many of an item's revisions receipts are kept),
--      announcements: entry (its id), revision, previous (the revision of the item's event before this one), told
--      (JSON list {name, value, ...} or an empty one), reason (why it was given up or ''), files (that show the
--      revision: JSON or ''), replay (whether it was given up before and is put back), facts (what filters look at, as
--      a JSON object, or '' for an event that ends the item), was (the same of the revision before, with its log_id, for
--      an item that has no facts of its last event)
-- Returns {how many entries were announced, the last id of the log}, or nothing where the store is of another history.
-- An entry that is not pending any more was announced by someone else.
-- An entry whose turn has passed was announced or given up before, and comes again because the consumer group was lost:
-- it is only acknowledged. A replay alone is announced after its turn, and removed, so that nobody can read it again.
local function last_of_log()
  local info = redis.pcall('XINFO', 'STREAM', KEYS[2])
  if info.err then return '0-0' end  -- there is no log yet
  for place = 1, #info, 2 do
    if info[place] == 'last-generated-id' then return info[place + 1] end
  end
end

local function is_before(x, y)
  local a, b = x:match('^(%d+)-(%d+)$')
  local c, d = y:match('^(%d+)-(%d+)$')
  return tonumber(a) < tonumber(c) or (a == c and tonumber(b) < tonumber(d))
end

if argument.epoch then
  if argument.epoch ~= (redis.call('HGET', KEYS[4], 'epoch') or '0') then return false end
  if is_before(last_of_log(), argument.worked) then return false end
end

local announced_now = 0

-- Each entry in its turn tells what the one before it told: by that notify knows whose filter the item left.
local function append(receipts, revision, told, turn)
  local fields = cjson.decode(told)
  if #fields > 0 then
    local was = turn and (redis.call('HGET', turn.item, 'told') or turn.was) or ''
    if was ~= '' then
      fields[#fields + 1] = 'was'
      fields[#fields + 1] = was
    end
    local place = redis.call('XADD', KEYS[2], '*', unpack(fields))
    if turn and turn.facts == '' then
      redis.call('HDEL', turn.item, 'told')
    elseif turn then
      redis.call('HSET', turn.item, 'told', turn.facts:sub(1, -2) .. ', "log_id": "' .. place .. '"}')
    end
    if redis.call('HEXISTS', receipts, 'rendered:' .. revision) == 1 then
      redis.call('HSET', receipts, 'announced:' .. revision, place)
    end
    announced_now = announced_now + 1
  end
end

local function bury(entry, reason)
  local found = redis.call('XRANGE', KEYS[1], entry, entry)
  local fields = #found > 0 and cjson.encode(found[1][2]) or '[]'
  redis.call('XADD', KEYS[3], '*', 'stream', KEYS[1], 'group', argument.group, 'entry', entry, 'reason', reason,
             'fields', fields)
end

local function forget_old(receipts)
  if redis.call('HLEN', receipts) <= 2 * argument.revisions_kept then return end
  local revisions = {}
  for _, field in ipairs(redis.call('HKEYS', receipts)) do
    local revision = field:match('^rendered:(%d+)$')
    if revision then revisions[#revisions + 1] = tonumber(revision) end
  end
  table.sort(revisions)
  for place = 1, #revisions - argument.revisions_kept do
    redis.call('HDEL', receipts, 'rendered:' .. revisions[place], 'announced:' .. revisions[place])
  end
end

-- The batch of the revision has written the lists and removed the pages that showings up to it have left.
local function drop_left(item, revision)
  local left = redis.call('HGET', item, 'left')
  if not left or left == '' then return end
  local kept = {}
  for _, one in ipairs(cjson.decode(left)) do
    if one[1] > tonumber(revision) then kept[#kept + 1] = one end
  end
  redis.call('HSET', item, 'left', #kept > 0 and cjson.encode(kept) or '')
end

local function write_receipt(receipts, revision, files)
  local receipt = string.format('[%.0f,%.0f,%s]', now - argument.rendered_ms, now - argument.visible_ms, files)
  redis.call('HSET', receipts, 'rendered:' .. revision, receipt)
  forget_old(receipts)
end

local function announce(item, rendered, receipts, one)
  local announced = redis.call('HGET', item, 'announced') or '0'
  redis.call('HSET', rendered, one.previous, cjson.encode({one.revision, one.told, one.facts, one.was}))
  while true do
    local waiting = redis.call('HGET', rendered, announced)
    if not waiting then break end
    redis.call('HDEL', rendered, announced)
    local next = cjson.decode(waiting)
    append(receipts, next[1], next[2], {item = item, facts = next[3] or '', was = next[4] or ''})
    announced = next[1]
    redis.call('HSET', item, 'announced', announced)
  end
end

for place, one in ipairs(argument.announcements) do
  local item, rendered, receipts = KEYS[2 + 3 * place], KEYS[3 + 3 * place], KEYS[4 + 3 * place]
  if redis.call('XACK', KEYS[1], argument.group, one.entry) == 1 then
    if one.reason == '' then
      drop_left(item, one.revision)
    else
      redis.call('HDEL', item, 'vacated')  -- `shown_of` would take what is given up for shown
    end
    local has_passed = tonumber(one.previous) < tonumber(redis.call('HGET', item, 'announced') or '0')
    if one.replay or not has_passed then
      if one.reason ~= '' then bury(one.entry, one.reason) end
      if one.files ~= '' then write_receipt(receipts, one.revision, one.files) end
      if has_passed then
        append(receipts, one.revision, one.told, nil)
      else
        announce(item, rendered, receipts, one)
      end
      redis.call('PEXPIRE', receipts, argument.receipts_kept_ms)
    end
    if one.replay then redis.call('XDEL', KEYS[1], one.entry) end
  end
end
return {announced_now, last_of_log()}
