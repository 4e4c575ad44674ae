-- Make an edition of the site current, under the next number if another one was.
-- KEYS 1 site record
-- ARGV 1 JSON: fingerprint, expected (number of the current edition, 0 for none; left out: whichever)
-- Returns the fields of the record as they are then: {name, value, ...}
local SUPERSEDED_REMEMBERED = 10
local number, fingerprint, superseded = unpack(redis.call('HMGET', KEYS[1], 'number', 'fingerprint', 'superseded'))
local is_expected = not argument.expected or argument.expected == tonumber(number or '0')
if is_expected and fingerprint ~= argument.fingerprint then
  local earlier = {}
  for _, one in ipairs(superseded and cjson.decode(superseded) or {}) do
    if one ~= argument.fingerprint and one ~= fingerprint then earlier[#earlier + 1] = one end
  end
  if fingerprint then earlier[#earlier + 1] = fingerprint end
  while #earlier > SUPERSEDED_REMEMBERED do table.remove(earlier, 1) end
  redis.call('HSETNX', KEYS[1], 'born', now)
  redis.call('HINCRBY', KEYS[1], 'number', 1)
  redis.call('HSET', KEYS[1], 'fingerprint', argument.fingerprint)
  if #earlier > 0 then redis.call('HSET', KEYS[1], 'superseded', cjson.encode(earlier)) end
end
return redis.call('HGETALL', KEYS[1])
