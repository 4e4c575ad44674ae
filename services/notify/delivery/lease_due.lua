-- Lease due deliveries of several endpoints to one process, and return the endpoints that are due next.
-- KEYS 1 due  2 version  3.. six for each endpoint: ready, later, leased, deliveries, endpoint, attempts
-- ARGV 1 JSON:
--      version (of the subscriptions that the caller knows), token, lease_ms, quick and slow (deliveries wanted from
--      quick and from slow endpoints), each (most for one endpoint), heads (endpoints to return as due next),
--      attempts_kept (for each endpoint), attempts_kept_ms,
--      endpoints: {subscription, is it active, is it ordered, how many at a time, is it slow, most per second (0: no
--      limit)}
-- Returns {now, {subscription, delivery, state, ...}, {subscription, due, ...}}; now is -1 if the version
-- has moved, and nothing was done.
-- Fair: the endpoint that has waited longest comes first, and then goes behind all that wait. An expired lease counts
-- as an interrupted attempt. While the circuit is open nothing is leased; after that, one delivery at a time.
if tonumber(redis.call('GET', KEYS[2]) or 0) ~= argument.version then return {-1, {}, {}} end
local token, lease_end = argument.token, now + argument.lease_ms
local budgets = {[false] = argument.quick, [true] = argument.slow}
local leases = {}

local function take_back(e)
  for _, member in ipairs(redis.call('ZRANGE', e.leased, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)) do
    local delivery = string.match(member, '^(%S+)')
    redis.call('ZREM', e.leased, member)
    local raw = redis.call('HGET', e.deliveries, delivery)
    if raw then
      local state = cjson.decode(raw)
      state.attempts = state.attempts + 1
      redis.call('HSET', e.deliveries, delivery, cjson.encode(state))
      redis.call('ZADD', e.later, now, delivery)
      redis.call('XADD', e.attempts, 'MAXLEN', argument.attempts_kept, '*', 'attempt', cjson.encode({
        delivery_id = delivery, event_id = state.event_id, event_type = state.event_type, log_id = state.log_id,
        attempt = state.attempts, at_ms = now, duration_ms = 0, outcome = 'failed', reason = 'interrupted',
        detail = 'the worker that had it was gone', answer = ''}))
      redis.call('PEXPIRE', e.attempts, argument.attempts_kept_ms)
    end
  end
end

local function next_of(e)
  local waiting = redis.call('ZRANGE', e.later, 0, 0, 'WITHSCORES')
  if waiting[1] and tonumber(waiting[2]) <= now then
    redis.call('ZREM', e.later, waiting[1])
    return waiting[1]
  end
  if waiting[1] and e.is_ordered then return nil end
  return redis.call('LPOP', e.ready)
end

local function serve(e)
  local free = math.min(e.at_once - redis.call('ZCARD', e.leased), argument.each)
  if e.not_before > now then return end
  local taken = 0
  while taken < free and budgets[e.is_slow] > 0 do
    local delivery = next_of(e)
    if not delivery then break end
    local state = redis.call('HGET', e.deliveries, delivery)
    if state then
      redis.call('ZADD', e.leased, lease_end, delivery .. ' ' .. token)
      leases[#leases + 1] = e.id
      leases[#leases + 1] = delivery
      leases[#leases + 1] = state
      budgets[e.is_slow] = budgets[e.is_slow] - 1
      taken = taken + 1
    end
  end
  if e.rate > 0 and taken > 0 then
    e.not_before = now + math.ceil(taken * 1000 / e.rate)
    redis.call('HSET', e.endpoint, 'not_before', e.not_before)
  end
end

local function look_again_at(e)
  local lease = redis.call('ZRANGE', e.leased, 0, 0, 'WITHSCORES')[2]
  local moment = lease and tonumber(lease) or nil
  if redis.call('ZCARD', e.leased) < e.at_once then
    local waiting = redis.call('ZRANGE', e.later, 0, 0, 'WITHSCORES')[2]
    local work = waiting and tonumber(waiting) or nil
    if not (work and (e.is_ordered or work <= now)) and redis.call('LLEN', e.ready) > 0 then work = now end
    if work then
      work = math.max(work, e.not_before)
      if not moment or work < moment then moment = work end
    end
  end
  if moment then redis.call('ZADD', KEYS[1], math.max(moment, now), e.id) else redis.call('ZREM', KEYS[1], e.id) end
end

local endpoints = {}
for i, one in ipairs(argument.endpoints) do
  local k = 6 * i - 3
  local e = {id = one[1], is_active = one[2], is_ordered = one[3], at_once = one[4], is_slow = one[5], rate = one[6],
             ready = KEYS[k], later = KEYS[k + 1], leased = KEYS[k + 2], deliveries = KEYS[k + 3],
             endpoint = KEYS[k + 4], attempts = KEYS[k + 5]}
  e.waiting_since = tonumber(redis.call('ZSCORE', KEYS[1], e.id) or now)
  if not e.is_active then
    redis.call('ZREM', KEYS[1], e.id)
  elseif e.waiting_since <= now then
    local health = redis.call('HMGET', e.endpoint, 'not_before', 'open_until', 'opened')
    e.not_before = math.max(e.rate > 0 and tonumber(health[1] or 0) or 0, tonumber(health[2] or 0))
    if health[2] or health[3] then e.at_once = 1 end
    endpoints[#endpoints + 1] = e
  end
end
table.sort(endpoints, function(a, b) return a.waiting_since < b.waiting_since end)
for _, e in ipairs(endpoints) do
  -- An endpoint for which there is no slot keeps its place among the endpoints that wait.
  if budgets[e.is_slow] > 0 then
    take_back(e)
    serve(e)
    look_again_at(e)
  end
end
return {now, leases, redis.call('ZRANGE', KEYS[1], 0, argument.heads - 1, 'WITHSCORES')}
