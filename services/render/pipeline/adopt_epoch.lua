-- Have the events of an item carry an epoch from a revision on; shared/model/epochs.py reads what is kept.
-- KEYS 1 item
-- ARGV 1 JSON: revision, epoch (the newest that there is)
-- Returns 1, or 0 where there is no such item, or its events from there on carry the epoch already.
if redis.call('HEXISTS', KEYS[1], 'latest') == 0 then return 0 end
local steps = {}
for revision, epoch in (redis.call('HGET', KEYS[1], 'epochs') or ''):gmatch('(%d+):(%d+)') do
  if epoch == argument.epoch and tonumber(revision) <= tonumber(argument.revision) then return 0 end
  if tonumber(revision) < tonumber(argument.revision) then steps[#steps + 1] = revision .. ':' .. epoch end
end
steps[#steps + 1] = argument.revision .. ':' .. argument.epoch
redis.call('HSET', KEYS[1], 'epochs', table.concat(steps, ' '))
return 1
