-- Count the items in the months of a listing.
-- KEYS 1 the listing's record, then the archive of each month
-- ARGV 1 JSON: months (in the order of KEYS)
-- Returns nothing. The counts hold as long as the listing is changed by scripts that count.
for place, month in ipairs(argument.months) do
  redis.call('HSET', KEYS[1], 'count:' .. month, redis.call('ZCARD', KEYS[1 + place]))
end
redis.call('HSET', KEYS[1], 'counted', redis.call('HGET', KEYS[1], 'changed') or '')
