#!lua name=heya1
-- The steps that touch several keys at once, as Redis functions: ways into a partition (append), out of it (commit), and
-- everything about who may use them. Most appends and commits are transactions with the same effect, as long as nothing that
-- these functions look at has changed (common/store_redis_fence.c): what is written here is what they may write. Called only by
-- common/store_redis*.c; names and keys are
-- those of proto/keys.c. The library and function names carry the schema version (1), so that a process never runs a
-- function of another version by surprise.
--
-- A function is not a transaction: Redis keeps what ran before an error. So each writing function has two halves. The
-- first takes its arguments apart and checks everything it relies on (owners, key types, counts, integers) and ends in
-- an error reply while nothing is written; the second writes, with commands that cannot fail on what was checked, at
-- most CHUNK values in a call. An error in the second half means that the partition cannot be trusted any more.
--
-- Error replies begin with one of: BADCALL (a bug in the caller), GONE (this gateway is dead, or a younger generation of
-- it exists), DENIED (not the owner), WRONGKEY <partition> <key> (a key holds another type), WRONGROOM <partition> <room>.

local CHUNK = 1000

-- ---- arguments ------------------------------------------------------------------------------------------------------

local function fail(...) error(redis.error_reply(table.concat({...}, ' '))) end

local NONE = {from = 1, n = 0}

-- A cursor over ARGV: every take is checked, and finish() refuses what is left over.
local function arguments(argv)
  local at = 0
  local a = {}
  function a.text()
    at = at + 1
    local value = argv[at]
    if value == nil then fail('BADCALL', 'argument', at, 'is missing') end
    return value
  end
  function a.int()
    local value = tonumber(a.text())
    if value == nil or value < 0 or value ~= math.floor(value) or value > 9007199254740991 then
      fail('BADCALL', 'argument', at, 'is not a natural number')
    end
    return value
  end
  -- A run of n values, left in place: where it starts and how long it is.
  function a.run(n)
    if n == 0 then return NONE end
    local run = {from = at + 1, n = n}
    at = at + n
    if at > #argv then fail('BADCALL', 'argument', at, 'is missing') end
    return run
  end
  -- Which partitions live here: "<partitions>", or "<partitions> <shards> <shard>" where there are several Redis.
  function a.span()
    local partitions, shards, shard = string.match(a.text(), '^(%d+) ?(%d*) ?(%d*)$')
    if not partitions then fail('BADCALL', 'argument', at, 'is not a number of partitions') end
    return {first = tonumber(shard) or 0, last = partitions - 1, step = tonumber(shards) or 1}
  end
  function a.left() return #argv - at end
  function a.finish()
    if at ~= #argv then fail('BADCALL', 'arguments after', at) end
  end
  return a
end

-- One call, or several of at most CHUNK values.
local function call_with_run(argv, run, command, key)
  local last = run.from + run.n - 1
  for from = run.from, last, CHUNK do
    redis.call(command, key, unpack(argv, from, math.min(from + CHUNK - 1, last)))
  end
end

-- Every call from Lua costs more than most commands do, so what may hold a wrong type is not asked for its type first: the
-- command itself says so. nil: the key holds another type. Any other error is raised.
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if string.sub(answer.err, 1, 9) == 'WRONGTYPE' then return nil end
  error(answer)
end

-- The strings at all these keys in one call, or several; false for what is missing or no string.
local function strings_at(keys)
  local values = #keys > 0 and redis.call('MGET', unpack(keys, 1, math.min(#keys, CHUNK))) or {}
  for from = CHUNK + 1, #keys, CHUNK do
    local more = redis.call('MGET', unpack(keys, from, math.min(from + CHUNK - 1, #keys)))
    for i = 1, #more do values[from + i - 1] = more[i] end
  end
  return values
end

-- ---- keys and time --------------------------------------------------------------------------------------------------

local function type_of(key) return redis.call('TYPE', key).ok end

local function is_or_none(key, wanted)
  local found = type_of(key)
  return found == wanted or found == 'none'
end

-- The names are made once: they are the same in every call.
local known_keys, n_known, KNOWN_MAX = {}, 0, 16384

local function partition_keys(prefix, p)
  local known = known_keys[prefix]
  local keys = known and known[p]
  if keys then return keys end
  if n_known == KNOWN_MAX then known_keys, n_known = {}, 0 end
  local base = prefix .. 'part:' .. p
  keys = {owner = base .. ':owner', cmd = base .. ':cmd', done = base .. ':done', rooms = base .. ':rooms',
          bytes = base .. ':bytes', number = 'n:' .. p}
  known_keys[prefix] = known_keys[prefix] or {}
  known_keys[prefix][p] = keys
  n_known = n_known + 1
  return keys
end

local function check_type(p, key, wanted)
  if not is_or_none(key, wanted) then fail('WRONGKEY', p, key) end
end

-- Bytes that wait in a stream: counted beside it, so that a count which is none can begin anew, at 0.
local COUNT = '^%-?%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$'

local function count_in(value) return tonumber(string.match(value or '', COUNT) or '0') end

local function count_up(key, by)
  local count = redis.pcall('INCRBY', key, by)
  if type(count) == 'number' and math.abs(count) < 1e15 then return count end
  redis.call('DEL', key)
  return redis.call('INCRBY', key, by)
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function stream_id(text)
  local ms, seq = string.match(text or '0-0', '^(%d+)-(%d+)$')
  if ms == nil then fail('BADCALL', 'not a stream id:', text) end
  return tonumber(ms), tonumber(seq)
end

-- The smallest id above this one, for XTRIM MINID.
local function next_id(text)
  local ms, seq = stream_id(text)
  return string.format('%.0f-%.0f', ms, seq + 1)
end

local function integer(text) return string.format('%.0f', text) end

-- ---- the deployment -------------------------------------------------------------------------------------------------

-- prefix, partitions, schema, id, and where there are several Redis how many and which of them this is -> partitions,
-- schema, cluster id of the deployment, shards, shard. What is not there yet is written; id "": nothing is.
local function init(_, argv)
  local a = arguments(argv)
  local prefix, partitions, schema, cluster = a.text(), a.int(), a.text(), a.text()
  local shards = a.left() > 0 and {a.int(), a.int()}
  a.finish()
  local key = prefix .. 'config'
  if not is_or_none(key, 'hash') then fail('WRONGKEY', 0, key) end
  if cluster ~= '' then
    if shards and redis.call('HSETNX', key, 'partitions', integer(partitions)) == 1 then
      redis.call('HSETNX', key, 'shards', integer(shards[1]))
      redis.call('HSETNX', key, 'shard', integer(shards[2]))
    end
    redis.call('HSETNX', key, 'partitions', integer(partitions))
    redis.call('HSETNX', key, 'schema', schema)
    redis.call('HSETNX', key, 'cluster', cluster)
  end
  return redis.call('HMGET', key, 'partitions', 'schema', 'cluster', 'shards', 'shard')
end

-- prefix, random id: runs every command that the functions of this library use, on keys of its own, so that a command
-- which the user's ACL forbids is found at start and not in the middle of a commit.
local function selftest(_, argv)
  local a = arguments(argv)
  local base = a.text() .. 'selftest:' .. a.text()
  a.finish()
  local commands = {
    {'HSET', ':h', 'a', '1'}, {'HSETNX', ':h', 'b', '1'}, {'HGET', ':h', 'a'}, {'HMGET', ':h', 'a', 'b'},
    {'HINCRBY', ':h', 'a', '1'}, {'HDEL', ':h', 'b'}, {'XADD', ':x', '*', 'm', 'v'}, {'XLEN', ':x'},
    {'XREVRANGE', ':x', '+', '-', 'COUNT', '1'},
    {'XINFO', 'STREAM', ':x'}, {'XTRIM', ':x', 'MINID', '1-0'}, {'SADD', ':s', 'a'}, {'SREM', ':s', 'a'}, {'ZADD', ':z', '1', 'a'}, {'ZADD', ':z', 'XX', 'INCR', '1', 'a'},
    {'ZSCORE', ':z', 'a'}, {'ZRANGE', ':z', '-inf', '+inf', 'BYSCORE', 'LIMIT', '0', '1'},
    {'ZREMRANGEBYSCORE', ':z', '-inf', '0'}, {'ZREM', ':z', 'a'}, {'SET', ':t', '1', 'PX', '60000'},
    {'SET', ':t', '1', 'PXAT', '99999999999999'}, {'GET', ':t'}, {'INCRBY', ':t', '1'},
    {'MGET', ':t'}, {'MSET', ':t', '1'}, {'PEXPIRE', ':h', '60000'}, {'PEXPIREAT', ':h', '99999999999999'}, {'TYPE', ':h'}, {'EXISTS', ':h'}, {'TIME'},
    {'DEL', ':h', ':x', ':s', ':z', ':t'},
  }
  for _, command in ipairs(commands) do
    for i = 2, #command do
      if string.sub(command[i], 1, 1) == ':' then command[i] = base .. command[i] end
    end
    local answer = redis.pcall(unpack(command))
    if type(answer) == 'table' and answer.err then fail('SELFTEST', command[1], 'failed:', answer.err) end
  end
  return redis.status_reply('OK')
end

-- The lists of workers and gateways can be made anew from what these say at every renewal, so a list that holds another type
-- is not worth stopping the whole deployment for: it is deleted. Until all have spoken again some look dead; they are then
-- ended for good and come back by themselves.
local function list_of(prefix, name)
  local key = prefix .. name
  if not is_or_none(key, 'zset') then redis.call('DEL', key) end
  return key
end

-- ---- gateways -------------------------------------------------------------------------------------------------------
-- A gateway is a hash, a stream, and the count of bytes that wait in the stream; they live and die together: renewed together,
-- deleted together. The hash changes by the gateway's own calls only, so that it can watch it (common/store_redis_fence.c); the
-- count is the score of a sorted set, since ZADD XX INCR is the one command that adds to a number only where there is one.

local function gateway_keys(prefix, gateway)
  local key = prefix .. 'gateway:' .. gateway
  return key, key .. ':evt', key .. ':queued'
end

local function gateway_end(prefix, gateway)
  redis.call('DEL', gateway_keys(prefix, gateway))
  redis.call('ZREM', list_of(prefix, 'gateways'), gateway)
end

local function gateway_alive(prefix, gateway)
  local key, events = gateway_keys(prefix, gateway)
  return type_of(key) == 'hash' and type_of(events) == 'stream'
end

-- Fails with GONE unless this generation of the gateway is the living one.
local function gateway_check(prefix, gateway, generation)
  if not gateway_alive(prefix, gateway) then fail('GONE', gateway) end
  local key = gateway_keys(prefix, gateway)
  if redis.call('HGET', key, 'generation') ~= generation then fail('GONE', gateway, 'has a younger generation') end
end

local function queued_bytes(queued) return math.max(0, tonumber(try('ZSCORE', queued, 'bytes') or 0)) end

local function queued_add(queued, bytes) try('ZADD', queued, 'XX', 'INCR', bytes, 'bytes') end

local function gateway_extend(prefix, gateway, ttl)
  local key, events, queued = gateway_keys(prefix, gateway)
  if not try('ZSCORE', queued, 'bytes') then -- it begins, or somebody damaged it
    redis.call('DEL', queued)
    redis.call('ZADD', queued, '0', 'bytes')
  end
  redis.call('PEXPIRE', key, integer(ttl))
  redis.call('PEXPIRE', events, integer(ttl))
  redis.call('PEXPIRE', queued, integer(ttl))
  redis.call('ZADD', list_of(prefix, 'gateways'), integer(now_ms() + ttl), gateway)
end

-- prefix, gateway, "1" to open again after a lost connection or "0" to begin, address, ttl in ms, which partitions
-- -> generation, last append number of each of them. Each opening is a younger generation: what an older connection
-- had sent and Redis reads only now is refused.
local function gateway_open(_, argv)
  local a = arguments(argv)
  local prefix, gateway, again, address, ttl, span = a.text(), a.text(), a.text(), a.text(), a.int(), a.span()
  a.finish()
  local key, events = gateway_keys(prefix, gateway)
  if again == '1' then
    if not gateway_alive(prefix, gateway) then fail('GONE', gateway) end
  else
    if redis.call('EXISTS', key, events) > 0 then fail('DENIED', gateway, 'exists') end
    redis.call('HSET', key, 'generation', '0', 'address', address, 'opened_ms', integer(now_ms()))
    redis.call('XADD', events, '*', 'm', '')
    redis.call('XTRIM', events, 'MAXLEN', '0')
  end
  local answer = {tostring(redis.call('HINCRBY', key, 'generation', '1'))}
  gateway_extend(prefix, gateway, ttl)
  for p = span.first, span.last, span.step do answer[#answer + 1] = redis.call('HGET', key, 'n:' .. p) or '0' end
  return answer
end

-- prefix, gateway, generation, ttl in ms
local function gateway_renew(_, argv)
  local a = arguments(argv)
  local prefix, gateway, generation, ttl = a.text(), a.text(), a.text(), a.int()
  a.finish()
  gateway_check(prefix, gateway, generation)
  gateway_extend(prefix, gateway, ttl)
  return redis.status_reply('OK')
end

-- prefix, gateway: by itself when it ends, or by a peer that saw it die. If it lives, it will be told GONE.
local function gateway_close(_, argv)
  local a = arguments(argv)
  local prefix, gateway = a.text(), a.text()
  a.finish()
  gateway_end(prefix, gateway)
  return redis.status_reply('OK')
end

-- prefix, gateway, id, bytes: it has read its stream up to this entry, so many bytes of payload. Repeated because the
-- answer was lost, it finds nothing to remove and subtracts nothing.
local function gateway_trim(_, argv)
  local a = arguments(argv)
  local prefix, gateway, id, bytes = a.text(), a.text(), a.text(), a.int()
  a.finish()
  local minid = next_id(id)
  if not gateway_alive(prefix, gateway) then fail('GONE', gateway) end
  local _, events, queued = gateway_keys(prefix, gateway)
  if redis.call('XTRIM', events, 'MINID', minid) > 0 then queued_add(queued, '-' .. integer(bytes)) end
  return redis.status_reply('OK')
end

-- ---- in: the way into a partition ----------------------------------------------------------------------------------

-- The gateway's hash and the last append number of each item's partition. Fails with GONE as gateway_check does.
local function gateway_numbers(prefix, gateway, generation, items)
  local key, events = gateway_keys(prefix, gateway)
  local fields, numbers = {'generation'}, {}
  for i, item in ipairs(items) do fields[i + 1] = item.keys.number end
  if type_of(events) ~= 'stream' then fail('GONE', gateway) end
  for from = 1, #fields, CHUNK do
    local values = try('HMGET', key, unpack(fields, from, math.min(from + CHUNK - 1, #fields)))
    if not values then fail('GONE', gateway) end
    for i, value in ipairs(values) do numbers[from + i - 2] = tonumber(value or '0') or fail('GONE', gateway, 'is damaged') end
    if from == 1 and not values[1] then fail('GONE', gateway) end
    if from == 1 and values[1] ~= generation then fail('GONE', gateway, 'has a younger generation') end
  end
  return key, numbers
end

-- prefix, gateway, generation, limit of entries, limit of bytes, n, then n times: partition, append number, "1" for a
-- system batch, batch -> n verdicts: ok, ample (ok, and the partition is less than half full), dup (it was appended before), busy (over a limit, or the partition is damaged; nothing is consumed), gap
-- (not the next number), clock (Redis's clock is behind what the partition has processed).
-- System batches, which tell of lost connections, may use a quarter above the limits.
local function append(_, argv)
  local a = arguments(argv)
  local prefix, gateway, generation, max_entries, max_bytes, n = a.text(), a.text(), a.text(), a.int(), a.int(), a.int()
  local items, seen = {}, {}
  for i = 1, n do
    items[i] = {p = a.int(), number = a.int(), system = a.text() == '1', batch = a.text()}
    items[i].keys = partition_keys(prefix, items[i].p)
    if seen[items[i].p] then fail('BADCALL', 'partition', items[i].p, 'twice') end
    seen[items[i].p] = true
  end
  a.finish()
  local gateway_key, numbers = gateway_numbers(prefix, gateway, generation, items)
  local strings = {}
  for i, item in ipairs(items) do
    strings[i * 2 - 1], strings[i * 2] = item.keys.done, item.keys.bytes
  end
  strings = strings_at(strings)
  local now = now_ms()
  local verdicts = {}
  for i, item in ipairs(items) do
    local keys = item.keys
    local last = numbers[i]
    local share = item.system and 1.25 or 1
    local queued = count_in(strings[i * 2])
    local done = strings[i * 2 - 1] or (type_of(keys.done) == 'none' and '0-0') or ''
    local done_ms = tonumber(string.match(done, '^(%d+)-%d+$') or '')
    local waiting = try('XLEN', keys.cmd)
    local sound = done_ms and waiting
    if item.number <= last then
      verdicts[i] = 'dup'
    elseif not sound then
      verdicts[i] = 'busy'
    elseif item.number ~= last + 1 then
      verdicts[i] = 'gap'
    elseif waiting >= max_entries * share or queued + #item.batch > max_bytes * share then
      verdicts[i] = 'busy'
    elseif done_ms >= now and waiting == 0 and type_of(keys.cmd) == 'none' then
      verdicts[i] = 'clock'
    else
      local ample = waiting < max_entries / 2 and queued + #item.batch <= max_bytes / 2
      verdicts[i] = ample and 'ample' or 'ok'
    end
  end
  local taken = {}
  for i, item in ipairs(items) do
    if verdicts[i] == 'ok' or verdicts[i] == 'ample' then
      redis.call('XADD', item.keys.cmd, '*', 'g', gateway, 'm', item.batch)
      count_up(item.keys.bytes, tostring(#item.batch))
      taken[#taken + 1] = item.keys.number
      taken[#taken + 1] = integer(item.number)
    end
  end
  call_with_run(taken, {from = 1, n = #taken}, 'HSET', gateway_key)
  return verdicts
end

-- ---- from other Redis ----------------------------------------------------------------------------------------------
-- What a partition says to one of another Redis waits in its outbox there, part:<p>:out:<shard>, written by its commit,
-- and is brought here by its owner. The id of an entry of the outbox is its number: part:<q>:from has the last one that
-- partition q took of each, so that what is brought twice is taken once. Numbers of one sender only grow, also where its
-- Redis forgot the last moments: they are times.

-- prefix, n, then n times: sender, from partition, number, to partition, batch -> n verdicts: ok, dup (taken before), busy (the
-- partition, or its number of this sender, is damaged), clock (as in append). What comes after one that was not taken, from
-- the same partition for the same one, is not taken either, since all of it has the same verdict.
local function forward(_, argv)
  local a = arguments(argv)
  local prefix = a.text()
  local items, targets = {}, {}
  for i = 1, a.int() do
    items[i] = {sender = a.text(), from = integer(a.int()), number = a.text(), to = a.int(), batch = a.text()}
    items[i].ms, items[i].seq = stream_id(items[i].number)
  end
  a.finish()
  local now = now_ms()
  for _, item in ipairs(items) do
    local target = targets[item.to]
    if not target then
      local keys = partition_keys(prefix, item.to)
      target = {keys = keys, from = prefix .. 'part:' .. integer(item.to) .. ':from', last = {}}
      local done = is_or_none(keys.done, 'string') and (redis.call('GET', keys.done) or '0-0') or ''
      local done_ms = tonumber(string.match(done, '^(%d+)-%d+$') or '')
      if not done_ms or not is_or_none(keys.cmd, 'stream') or not is_or_none(target.from, 'hash') then
        target.refuses = 'busy'
      elseif done_ms >= now and type_of(keys.cmd) == 'none' then
        target.refuses = 'clock'
      end
      targets[item.to] = target
    end
    if not target.refuses and not target.last[item.from] then
      local ms, seq = string.match(redis.call('HGET', target.from, item.from) or '0-0', '^(%d+)-(%d+)$')
      target.last[item.from] = ms and {tonumber(ms), tonumber(seq)} or 'damaged'
    end
  end
  local verdicts = {}
  for i, item in ipairs(items) do
    local target = targets[item.to]
    local last = target.last[item.from]
    if target.refuses or last == 'damaged' then
      verdicts[i] = target.refuses or 'busy'
    elseif item.ms < last[1] or (item.ms == last[1] and item.seq <= last[2]) then
      verdicts[i] = 'dup'
    else
      redis.call('XADD', target.keys.cmd, '*', 'g', item.sender, 'm', item.batch)
      redis.call('HSET', target.from, item.from, item.number)
      count_up(target.keys.bytes, tostring(#item.batch))
      target.last[item.from] = {item.ms, item.seq}
      verdicts[i] = 'ok'
    end
  end
  return verdicts
end

-- ---- who owns a partition -------------------------------------------------------------------------------------------

local function lease_of(prefix, worker) return tonumber(redis.call('ZSCORE', prefix .. 'workers', worker) or '0') end

-- Its lease ran out by itself: it may only be stalled, or Redis was. Who was suspected or closed has no entry.
local function has_lapsed(prefix, worker, now)
  local lease = worker ~= '' and redis.call('ZSCORE', prefix .. 'workers', worker)
  return lease and tonumber(lease) <= now
end

local function owner_of(p, keys)
  check_type(p, keys.owner, 'hash')
  local owner = redis.call('HMGET', keys.owner, 'worker', 'epoch')
  return owner[1] or '', owner[2] or '0'
end

-- A number that changes whenever an owner does, and never becomes what it was before: who sees it unchanged knows that what
-- it owned is still its own (common/store_redis_fence.c). A time, so that it goes on from there when somebody deletes it.
local function owners_changed(prefix)
  local time, key = redis.call('TIME'), prefix .. 'owners'
  local before = tonumber(string.match(try('GET', key) or '', '^%d+$') or '0')
  local now = integer(math.max(before + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])))
  redis.call('SET', key, now)
  return now
end

-- prefix, worker, lease in ms, which partitions, "1" if draining, n, then n fields and values for people
-- -> now, {worker, lease end, draining, address ...}, {owner, epoch, freed_ms, lapsed ...} of each partition (owner '?': that
--    cannot be told), {gateway, address ...}
local function renew(_, argv)
  local a = arguments(argv)
  local prefix, worker, lease, span, draining = a.text(), a.text(), a.int(), a.span(), a.text()
  local details = a.run(a.int() * 2)
  a.finish()
  local key = prefix .. 'worker:' .. worker
  check_type(0, key, 'hash')

  local now = now_ms()
  redis.call('ZADD', list_of(prefix, 'workers'), integer(now + lease), worker)
  list_of(prefix, 'gateways')
  if redis.call('HGET', key, 'drain') == '1' then draining = '1' end -- somebody wants it: see drain
  redis.call('HSET', key, 'draining', draining, 'renewed_ms', integer(now))
  call_with_run(argv, details, 'HSET', key)
  redis.call('PEXPIRE', key, integer(lease * 4))
  if not is_or_none(key .. ':ctl', 'stream') then redis.call('DEL', key .. ':ctl') end -- holds only hints
  redis.call('ZREMRANGEBYSCORE', prefix .. 'workers', '-inf', integer(now - 600000))
  redis.call('ZREMRANGEBYSCORE', prefix .. 'gateways', '-inf', integer(now - 60000))

  local workers, owners = {}, {}
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'workers', '(' .. integer(now), '+inf', 'BYSCORE')) do
    workers[#workers + 1] = id
    workers[#workers + 1] = integer(lease_of(prefix, id))
    local about = redis.call('HMGET', prefix .. 'worker:' .. id, 'draining', 'address')
    workers[#workers + 1] = about[1] or '0'
    workers[#workers + 1] = about[2] or ''
  end
  for p = span.first, span.last, span.step do
    local about = partition_keys(prefix, p).owner
    local owner = is_or_none(about, 'hash') and redis.call('HMGET', about, 'worker', 'epoch', 'freed_ms') or {'?'}
    owners[#owners + 1] = owner[1] or ''
    owners[#owners + 1] = owner[2] or '0'
    owners[#owners + 1] = owner[3] or '0'
    owners[#owners + 1] = has_lapsed(prefix, owner[1] or '', now) and '1' or '0'
  end
  local gateways = {}
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'gateways', '(' .. integer(now), '+inf', 'BYSCORE')) do
    local about = gateway_keys(prefix, id)
    gateways[#gateways + 1] = id
    gateways[#gateways + 1] = type_of(about) == 'hash' and redis.call('HGET', about, 'address') or ''
  end
  return {integer(now), workers, owners, gateways}
end

-- prefix, worker: it ends its own lease and is forgotten.
local function worker_close(_, argv)
  local a = arguments(argv)
  local prefix, worker = a.text(), a.text()
  a.finish()
  check_type(0, prefix .. 'workers', 'zset')
  redis.call('ZREM', prefix .. 'workers', worker)
  redis.call('DEL', prefix .. 'worker:' .. worker)
  return redis.status_reply('OK')
end

-- prefix, worker, "1" or "0": whether it is to hand its partitions over and take none, as long as it runs. It and the others
-- see it when they renew next. Denied for the last one that takes any.
local function drain(_, argv)
  local a = arguments(argv)
  local prefix, worker, wanted = a.text(), a.text(), a.text()
  a.finish()
  local now, others = now_ms(), 0
  check_type(0, prefix .. 'workers', 'zset')
  if lease_of(prefix, worker) <= now then fail('DENIED', 'no such worker') end
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'workers', '(' .. integer(now), '+inf', 'BYSCORE')) do
    local about = prefix .. 'worker:' .. id
    check_type(0, about, 'hash')
    if id ~= worker and redis.call('HGET', about, 'draining') ~= '1' and redis.call('HGET', about, 'drain') ~= '1' then
      others = others + 1
    end
  end
  if wanted == '1' and others == 0 then fail('DENIED', 'no other worker would take its partitions') end
  redis.call('HSET', prefix .. 'worker:' .. worker, 'drain', wanted)
  return redis.status_reply('OK')
end

-- prefix, worker: a peer saw it die. If it lives, it renews its lease and claims again what others have not.
local function suspect(_, argv)
  local a = arguments(argv)
  local prefix, worker = a.text(), a.text()
  a.finish()
  check_type(0, prefix .. 'workers', 'zset')
  redis.call('ZREM', prefix .. 'workers', worker)
  return redis.status_reply('OK')
end

-- Who is to blame for an owner's death. The owner hash has a line "<sure> <entry> <index> <room>" in `blame` for each room
-- in whose kind's code an owner was: a sure one ("1") was left by the owner as it died; an unsure one ("0") is a note that
-- a living owner makes before a step, and the death of that owner makes it sure. See docs/decisions.md.

local BLAME_LINE = '^([01]) ((%d+)%-(%d+)) (%d+) (%S+)$'
local BLAMES_MAX = 16       -- STORE_BLAMES_MAX; the oldest go first
local BLAME_ALL = 4294967295 -- STORE_BLAME_ALL
local DEATH_SOON_MS = 60000  -- an owner that lived for longer did not die of what it found
local NOTE_GRACE_MS = 1000   -- who left a note and was suspected may live: then he renews his lease within this time

local function blame_of(line)
  local sure, entry, ms, seq, index, room = string.match(line, BLAME_LINE)
  if not room then return nil end
  return {sure = sure == '1', entry = entry, ms = tonumber(ms), seq = tonumber(seq), index = index, room = room}
end

local function read_blames(text)
  local blames = {}
  for line in string.gmatch(text or '', '[^\n]+') do blames[#blames + 1] = blame_of(line) end
  return blames
end

local function write_blames(key, blames)
  local lines = {}
  for i = math.max(1, #blames - BLAMES_MAX + 1), #blames do
    local blame = blames[i]
    lines[#lines + 1] = table.concat({blame.sure and '1' or '0', blame.entry, blame.index, blame.room}, ' ')
  end
  if #lines > 0 then redis.call('HSET', key, 'blame', table.concat(lines, '\n')) else redis.call('HDEL', key, 'blame') end
end

-- Its entry is still to be applied; or it was there when the partition was loaded, with nothing applied since.
local function is_open(blame, done_ms, done_seq)
  if blame.ms ~= done_ms then return blame.ms > done_ms end
  if blame.seq ~= done_seq then return blame.seq > done_seq end
  return tonumber(blame.index) == BLAME_ALL
end

-- Whether the owner was about to make a step that would convict a room if he is dead.
local function has_open_note(text, done)
  local done_ms, done_seq = stream_id(done)
  for _, blame in ipairs(read_blames(text)) do
    if not blame.sure and is_open(blame, done_ms, done_seq) then return true end
  end
  return false
end

-- What a claimant has to know: convictions that are still open. `died`: the last owner did not let go by itself.
local function convictions(text, died, done)
  local done_ms, done_seq = stream_id(done)
  local open = {}
  for _, blame in ipairs(read_blames(text)) do
    if (blame.sure or died) and is_open(blame, done_ms, done_seq) then
      blame.sure = true
      open[#open + 1] = blame
    end
  end
  return open
end

-- prefix, partition, worker, epoch, "1" if sure, entry, index, room: see above. Last words may come when the next owner has
-- claimed already: they help the one after it. Room "" takes a note back.
local function blame(_, argv)
  local a = arguments(argv)
  local prefix, p, worker, epoch = a.text(), a.int(), a.text(), a.int()
  local sure, entry, index, room = a.text(), a.text(), a.int(), a.text()
  a.finish()
  local new = blame_of(table.concat({sure, entry, integer(index), room}, ' '))
  if room ~= '' and not new then fail('BADCALL', 'not a blame') end
  local keys = partition_keys(prefix, p)
  local owner, owner_epoch = owner_of(p, keys)
  local mine = owner == worker and tonumber(owner_epoch) == epoch
  local late = sure == '1' and tonumber(owner_epoch) == epoch + 1
  if not mine and not late then fail('DENIED', 'owned by', owner, 'epoch', owner_epoch) end

  local kept = {}
  for _, old in ipairs(read_blames(redis.call('HGET', keys.owner, 'blame'))) do
    local replaced = new and new.sure and old.room == new.room
    if (old.sure or late) and not replaced then kept[#kept + 1] = old end
  end
  kept[#kept + 1] = new
  write_blames(keys.owner, kept)
  return redis.status_reply('OK')
end

-- prefix, partition, worker, owner and epoch as it saw them -> epoch, done, deaths, last entry, {entry, index, room ...}
-- of convictions. Granted iff nothing changed since, the worker holds a lease, and the owner is nobody, itself, or without
-- a lease. Deaths: how many owners in a row were gone without letting go, each soon and with `done` where it had been.
local function claim(_, argv)
  local a = arguments(argv)
  local prefix, p, worker, seen_owner, seen_epoch = a.text(), a.int(), a.text(), a.text(), a.text()
  a.finish()
  local keys = partition_keys(prefix, p)
  check_type(p, prefix .. 'workers', 'zset')
  check_type(p, keys.done, 'string')
  check_type(p, keys.cmd, 'stream')
  check_type(p, keys.rooms, 'set')
  local owner, epoch = owner_of(p, keys)
  local now = now_ms()
  if owner ~= seen_owner or epoch ~= seen_epoch then fail('DENIED', 'owned by', owner, 'epoch', epoch) end
  if lease_of(prefix, worker) <= now then fail('DENIED', 'claimant has no lease') end
  if owner ~= '' and owner ~= worker and lease_of(prefix, owner) > now then fail('DENIED', owner, 'holds a lease') end
  local done = redis.call('GET', keys.done) or '0-0'
  local last = redis.call('XREVRANGE', keys.cmd, '+', '-', 'COUNT', '1')[1]
  local past = redis.call('HMGET', keys.owner, 'claimed_ms', 'deaths', 'death_done', 'blame')
  local died = owner ~= '' and owner ~= worker
  local deaths = owner ~= '' and past[3] == done and tonumber(string.match(past[2] or '', '^%d%d?%d?$') or '0') or 0
  if died then
    local soon = now - (tonumber(past[1] or '') or 0) < DEATH_SOON_MS
    deaths = soon and math.min(deaths + 1, 999) or 1
  end
  if died and has_open_note(past[4], done) then
    local about = prefix .. 'worker:' .. owner
    local renewed_ms = type_of(about) == 'hash' and tonumber(redis.call('HGET', about, 'renewed_ms') or '')
    if renewed_ms and now - renewed_ms < NOTE_GRACE_MS then fail('DENIED', owner, 'left a note and may be alive') end
  end
  local blames = convictions(past[4], died, done)

  redis.call('HSET', keys.owner, 'worker', worker, 'epoch', integer(tonumber(epoch) + 1), 'claimed_ms', integer(now),
             'freed_ms', '0', 'deaths', integer(deaths), 'death_done', done)
  owners_changed(prefix)
  write_blames(keys.owner, blames)
  local told = {}
  for i = math.max(1, #blames - BLAMES_MAX + 1), #blames do
    told[#told + 1] = blames[i].entry
    told[#told + 1] = blames[i].index
    told[#told + 1] = blames[i].room
  end
  return {integer(tonumber(epoch) + 1), done, integer(deaths), last and last[1] or done, told}
end

-- prefix, partition, worker, epoch, successor: who is woken to claim it; '' if nobody is known to want it.
local function release(_, argv)
  local a = arguments(argv)
  local prefix, p, worker, epoch, successor = a.text(), a.int(), a.text(), a.text(), a.text()
  a.finish()
  local keys = partition_keys(prefix, p)
  local control = prefix .. 'worker:' .. successor .. ':ctl'
  local owner, owner_epoch = owner_of(p, keys)
  if owner ~= worker or owner_epoch ~= epoch then fail('DENIED', 'owned by', owner, 'epoch', owner_epoch) end
  redis.call('HSET', keys.owner, 'worker', '', 'freed_ms', integer(now_ms()))
  owners_changed(prefix)
  if successor ~= '' and is_or_none(control, 'stream') then
    redis.call('XADD', control, 'MAXLEN', '64', '*', 'p', integer(p), 'e', epoch)
    redis.call('PEXPIRE', control, '60000')
  end
  return redis.status_reply('OK')
end

-- ---- out: everything a worker says and writes -----------------------------------------------------------------------

local ROOM_KEYS = {'', ':members', ':results', ':log', ':deadline'}
local EXPIRING_KEYS = {'', ':members', ':results', ':log'} -- the deadline key has its own time

-- The fixed part of a room or segment is one argument of words, since Redis takes about 0.3 us for each argument and one
-- match with captures costs less than as many takes. Its digits are checked by the pattern and mostly passed on as text.
local SEGMENT_HEAD = '^(%d+) (%d+) (%d+%-%d+) (%d+%-%d+) (%d+) (%d+) (%d+) (%d+) ?(%d*) ?(%d*)$'
local PLAIN_HEAD = '^(%S+) (%d+) (%d+)$'
local ROOM_HEAD = '^(%S+) (%l[%l%d_]*) ([01])([01])([01])([01]) (%l+) (%d+) (%d+) (%d+) (%d+) (%d+)'
  .. ' (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$' -- (while a library loads, `string` is not there yet)

-- Of a room that goes on as it was, which most do: id, how many there are of fields and log entries. Of any other: id, kind,
-- whole, gone, clear_results and unlisted, deadline, deadline_ms, round, tomb_until_ms, expire_at_ms, listed_ms, then how many there are
-- of: fields, fields gone, members, members gone, results, results gone, log entries
local function parse_room(a)
  local head = a.text()
  local id, fields, entries = string.match(head, PLAIN_HEAD)
  if id then return {id = id, plain = true, fields = a.run(fields * 2), fields_gone = NONE, log = a.run(entries * 3)} end
  local room, n = {}, {}
  local whole, gone, clear, unlisted
  room.id, room.kind, whole, gone, clear, unlisted, room.deadline, room.deadline_ms, room.round, room.tomb_until_ms,
    room.expire_at_ms, room.listed_ms, n[1], n[2], n[3], n[4], n[5], n[6], n[7] = string.match(head, ROOM_HEAD)
  if not room.id then fail('BADCALL', 'not the head of a room') end
  room.whole, room.gone, room.clear_results = whole == '1', gone == '1', clear == '1'
  room.unlisted = unlisted == '1'
  room.fields = a.run(n[1] * 2)
  room.fields_gone = a.run(n[2] + 0)
  room.members = a.run(n[3] * 2)
  room.members_gone = a.run(n[4] + 0)
  room.results = a.run(n[5] * 2)
  room.results_gone = a.run(n[6] + 0)
  room.log = a.run(n[7] * 3)
  return room
end

-- partition, epoch, done, the smallest id above it, consumed bytes, and how many there are of: rooms, appends, deliveries; and,
-- where there are several Redis, parcels for partitions of others (partition, shard, batch), and shards which have what was
-- sent to them (shard, up to)
local function parse_segment(a, prefix)
  local p, epoch, done, above, bytes, rooms, appends, deliveries, parcels, settled = string.match(a.text(), SEGMENT_HEAD)
  if not p then fail('BADCALL', 'not the head of a segment') end
  local segment = {p = p, epoch = epoch, done = done, above = above, bytes = bytes, keys = partition_keys(prefix, p), rooms = {},
                   appends = {}, deliveries = {}}
  for i = 1, rooms do
    local room = parse_room(a)
    room.key = prefix .. 'room:' .. room.id
    segment.rooms[i] = room
  end
  for i = 1, appends do segment.appends[i] = {keys = partition_keys(prefix, a.int()), batch = a.text()} end
  for i = 1, deliveries do segment.deliveries[i] = {gateway = a.text(), bytes = a.text()} end
  if parcels ~= '' then
    local out = prefix .. 'part:' .. p .. ':out:'
    segment.parcels, segment.settled = {}, {}
    for i = 1, parcels do segment.parcels[i] = {to = integer(a.int()), out = out .. integer(a.int()), batch = a.text()} end
    for i = 1, settled do segment.settled[i] = {out = out .. integer(a.int()), minid = next_id(a.text())} end
  end
  return segment
end

local function check_room(p, room)
  if room.whole or room.gone then return end -- its keys are deleted first, whatever they hold
  if room.plain then
    if not is_or_none(room.key, 'hash') then fail('WRONGROOM', p, room.id) end
    return
  end
  local sound = (room.fields.n + room.fields_gone.n == 0 or is_or_none(room.key, 'hash'))
    and (room.members.n + room.members_gone.n == 0 or is_or_none(room.key .. ':members', 'hash'))
    and (room.results.n + room.results_gone.n == 0 or room.clear_results or is_or_none(room.key .. ':results', 'hash'))
  if not sound then fail('WRONGROOM', p, room.id) end
end

local function check_segment(segment)
  local keys, moves_rooms = segment.keys, false
  check_type(segment.p, keys.cmd, 'stream')
  if not segment.was_done then check_type(segment.p, keys.done, 'string') end
  for _, room in ipairs(segment.rooms) do
    check_room(segment.p, room)
    moves_rooms = moves_rooms or room.whole or room.gone
  end
  if moves_rooms then check_type(segment.p, keys.rooms, 'set') end
  for _, item in ipairs(segment.appends) do
    check_type(segment.p, item.keys.cmd, 'stream')
  end
  for _, parcel in ipairs(segment.parcels or NONE) do check_type(segment.p, parcel.out, 'stream') end
  for _, settled in ipairs(segment.settled or NONE) do check_type(segment.p, settled.out, 'stream') end
end

local function delete_keys(base)
  for _, suffix in ipairs(ROOM_KEYS) do redis.call('DEL', base .. suffix) end
end

local function write_log(epoch, room, argv, log_max)
  if room.log.n == 0 then return end
  local key = room.key .. ':log'
  for i = room.log.from, room.log.from + room.log.n - 1, 3 do
    local id, to, message = epoch .. '-' .. argv[i], argv[i + 1], argv[i + 2]
    local answer = redis.pcall('XADD', key, 'MAXLEN', '~', log_max, id, 'to', to, 'm', message)
    if type(answer) == 'table' and answer.err then -- it holds a higher id, or no log: people's view begins anew
      redis.call('DEL', key)
      redis.call('XADD', key, 'MAXLEN', '~', log_max, id, 'to', to, 'm', message)
    end
  end
end

-- A hash of the room: fields and values to set, fields to delete.
local function write_hash(argv, key, set, gone)
  if set.n > 0 then call_with_run(argv, set, 'HSET', key) end
  if gone.n > 0 then call_with_run(argv, gone, 'HDEL', key) end
end

-- The listing index of a kind. It can be made anew from the rooms, so one that holds another type is not worth stopping
-- for: it is deleted, and rooms come back into it as they change.
local function index_of(prefix, kind)
  local index = prefix .. 'rooms:' .. kind
  if not is_or_none(index, 'zset') then redis.call('DEL', index) end
  return index
end

local function forget_room(prefix, segment, room)
  delete_keys(room.key)
  redis.call('ZREM', index_of(prefix, room.kind), room.id)
  if room.tomb_until_ms ~= '0' then -- its id stays in the set, so that the next owner finds the tomb
    redis.call('SADD', segment.keys.rooms, room.id)
    redis.call('SET', prefix .. 'tomb:' .. room.id, 'closed', 'PXAT', room.tomb_until_ms)
  else
    redis.call('SREM', segment.keys.rooms, room.id)
  end
end

-- A room is persistent, or all its keys expire together. It becomes persistent only by a whole write, since only keys
-- made anew surely have no TTL of an earlier time; and when it expires, every key gets the time again after each write,
-- since one that a write made anew has none.
local function write_room(prefix, segment, room, argv, log_max)
  local key = room.key
  if room.plain then
    write_hash(argv, key, room.fields, NONE)
    write_log(segment.epoch, room, argv, log_max)
    return
  end
  if room.whole then
    delete_keys(key)
    redis.call('SADD', segment.keys.rooms, room.id)
  end
  if room.listed_ms ~= '0' then redis.call('ZADD', index_of(prefix, room.kind), room.listed_ms, room.id) end
  if room.unlisted then redis.call('ZREM', index_of(prefix, room.kind), room.id) end
  write_hash(argv, key, room.fields, room.fields_gone)
  write_hash(argv, key .. ':members', room.members, room.members_gone)
  if room.clear_results then redis.call('DEL', key .. ':results') end
  write_hash(argv, key .. ':results', room.results, room.results_gone)
  write_log(segment.epoch, room, argv, log_max)
  if room.deadline == 'set' then
    redis.call('SET', key .. ':deadline', room.round, 'PXAT', room.deadline_ms)
  elseif room.deadline == 'clear' then
    redis.call('DEL', key .. ':deadline')
  end
  if room.expire_at_ms ~= '0' then
    for _, suffix in ipairs(EXPIRING_KEYS) do redis.call('PEXPIREAT', key .. suffix, room.expire_at_ms) end
  end
end

local function write_append(worker, item)
  redis.call('XADD', item.keys.cmd, '*', 'g', worker, 'm', item.batch)
  count_up(item.keys.bytes, tostring(#item.batch))
end

-- Into the outbox; adds partition and number to `posted`.
local function write_parcels(segment, posted)
  for _, settled in ipairs(segment.settled) do redis.call('XTRIM', settled.out, 'MINID', settled.minid) end
  for _, parcel in ipairs(segment.parcels) do
    posted[#posted + 1] = segment.p
    posted[#posted + 1] = redis.call('XADD', parcel.out, '*', 'to', parcel.to, 'm', parcel.batch)
  end
end

local function write_checkpoints(segments)
  for from = 1, #segments, CHUNK / 2 do
    local done = {}
    for i = from, math.min(from + CHUNK / 2 - 1, #segments) do
      done[#done + 1] = segments[i].keys.done
      done[#done + 1] = segments[i].done
    end
    redis.call('MSET', unpack(done))
  end
  for _, segment in ipairs(segments) do
    local keys = segment.keys
    redis.call('XTRIM', keys.cmd, 'MINID', segment.above)
    local left = count_up(keys.bytes, segment.bytes == '0' and '0' or '-' .. segment.bytes)
    if left ~= 0 and (left < 0 or redis.call('XLEN', keys.cmd) == 0) then redis.call('SET', keys.bytes, '0') end
  end
end

-- One XADD per gateway for all segments together: concatenated encodings of a repeated field are one message. Returns the
-- gateways that are dead, among them those that do not keep up, which end here.
local function deliver(prefix, segments, max_entries, max_bytes)
  local order, parts, gone = {}, {}, {}
  for _, segment in ipairs(segments) do
    for _, delivery in ipairs(segment.deliveries) do
      if not parts[delivery.gateway] then
        parts[delivery.gateway] = {}
        order[#order + 1] = delivery.gateway
      end
      table.insert(parts[delivery.gateway], delivery.bytes)
    end
  end
  for _, gateway in ipairs(order) do
    local _, events, queued = gateway_keys(prefix, gateway)
    local bytes = table.concat(parts[gateway])
    local waiting = queued_bytes(queued) + #bytes <= max_bytes and try('XLEN', events)
    if waiting and waiting < max_entries and redis.call('XADD', events, 'NOMKSTREAM', '*', 'm', bytes) then
      queued_add(queued, tostring(#bytes))
    else
      gateway_end(prefix, gateway)
      gone[#gone + 1] = gateway
    end
  end
  return gone
end

-- prefix, worker, limits of a gateway's stream in entries and bytes, and of a room's log in entries, n, then n segments
-- (parse_segment)
-- -> {partitions that are not this worker's in this epoch}, {gateways that are dead}, {partition, why ...} of those whose
-- keys are damaged, {partition, number ...} of parcels, owners (owners_changed) as they are now. A segment is applied whole or not at all, and keeps no other from being applied. `done` and the effects up to it change together: that is why a command is
-- never lost and never applied twice.
local function commit(_, argv)
  local a = arguments(argv)
  local prefix, worker, max_entries, max_bytes, log_max = a.text(), a.text(), a.int(), a.int(), integer(a.int())
  local segments, places, mine, fenced, refused = {}, {}, {}, {}, {}
  for i = 1, a.int() do
    segments[i] = parse_segment(a, prefix)
    places[i] = segments[i].keys.done
  end
  a.finish()
  places[#places + 1] = prefix .. 'owners'
  local strings = strings_at(places)
  local owners = string.match(strings[#places] or '', '^%d+$')
  for i, segment in ipairs(segments) do
    segment.was_done = strings[i]
    local owner = try('HMGET', segment.keys.owner, 'worker', 'epoch') or {}
    if owner[1] ~= worker or owner[2] ~= segment.epoch then
      fenced[#fenced + 1] = segment.p
    else
      local sound, why = pcall(check_segment, segment)
      if sound then
        mine[#mine + 1] = segment
      else
        refused[#refused + 1] = segment.p
        refused[#refused + 1] = type(why) == 'table' and why.err or tostring(why)
      end
    end
  end

  local posted = {}
  for _, segment in ipairs(mine) do
    for _, room in ipairs(segment.rooms) do
      if room.gone then forget_room(prefix, segment, room) else write_room(prefix, segment, room, argv, log_max) end
    end
    for _, item in ipairs(segment.appends) do write_append(worker, item) end
    if segment.parcels then write_parcels(segment, posted) end
  end
  write_checkpoints(mine)
  local gone = deliver(prefix, mine, max_entries, max_bytes)
  return {fenced, gone, refused, posted, owners or '0'}
end

-- ---- listing --------------------------------------------------------------------------------------------------------

local EXAMINED_MAX = 250 -- a call, some 8 us each; others wait meanwhile
local PROPERTIES_MAX = 64 -- of a room; kinds describe fewer

local function properties_of(key, names)
  local fields, properties = {}, {}
  for name in string.gmatch(names or '', '[a-z0-9_]+') do
    if #fields == PROPERTIES_MAX then break end
    fields[#fields + 1] = 'p:' .. name
    properties[#properties + 1] = name
    properties[#properties + 1] = ''
  end
  local values = #fields > 0 and redis.call('HMGET', key, unpack(fields)) or {}
  for i = 1, #fields do properties[i * 2] = values[i] or '' end
  return properties
end

local function matches(properties, where)
  for name, wanted in pairs(where) do
    local found = nil
    for i = 1, #properties, 2 do
      if properties[i] == name then found = properties[i + 1] end
    end
    if found ~= wanted then return false end
  end
  return true
end

-- Redis's own order of members with one score: by bytes. (Lua's < on strings follows the locale.)
local function comes_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The row of a room for a listing, or nil if it does not belong there. Forgets a room whose keys have expired.
local function list_row(prefix, index, id, created, joinable, where)
  local key = prefix .. 'room:' .. id
  local room = redis.pcall('HMGET', key, 'status', 'host', 'members', 'max_members', 'properties', 'title',
    'password', 'spectators', 'kept')
  if room.err or (not room[1] and type_of(key) ~= 'hash') then
    redis.call('ZREM', index, id)
    return nil
  end
  local members, max_members = tonumber(room[3] or '0') or 0, tonumber(room[4] or '0') or 0
  local kept = tonumber(room[9] or '0') or 0 -- seats, for players who are not there yet
  if joinable and (room[1] ~= 'open' or members + kept >= max_members) then return nil end
  local properties = properties_of(key, room[5])
  if not matches(properties, where) then return nil end
  return {id, room[1] or '', room[2] or '', integer(members), integer(max_members), created, properties,
          room[6] or '', room[7] == '1' and '1' or '0', integer(tonumber(room[8] or '0') or 0), integer(kept)}
end

-- Ids and scores behind a position, "<score> <id>" or anything else for the beginning, at most EXAMINED_MAX of them; and
-- how many of them to skip: those of the same score that come no later, which may be more than one call gives.
local function ids_after(index, after)
  local score, last = string.match(after, '^(%d+) (.+)$')
  local offset, skip, found = 0, 0, nil
  repeat
    offset, skip = offset + skip, 0
    found = redis.call('ZRANGE', index, score or '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', integer(offset),
                       tostring(EXAMINED_MAX), 'WITHSCORES')
    while skip * 2 < #found and integer(tonumber(found[skip * 2 + 2])) == score and
          not comes_before(found[skip * 2 + 1], last) do
      skip = skip + 1
    end
  until skip * 2 < #found or #found == 0
  return found, skip
end

-- prefix, kind, "1" for joinable rooms only, limit, after, n, then n times: property, value ("" or "0" match all)
-- -> rows, where to go on ("" at the end), how many rooms were examined: at most EXAMINED_MAX. Newest rooms first, those
-- of one millisecond by id, downwards (proto/order.h knows this order too).
local function list(_, argv)
  local a = arguments(argv)
  local prefix, kind, joinable, limit, after = a.text(), a.text(), a.text() == '1', a.int(), a.text()
  local where = {}
  for _ = 1, a.int() do
    local name, value = a.text(), a.text()
    if value ~= '' and value ~= '0' then where[name] = value end
  end
  a.finish()
  local index = prefix .. 'rooms:' .. kind
  check_type(0, index, 'zset')
  local found, skip = ids_after(index, after)
  local rows, position, examined = {}, '', 0
  for i = skip * 2 + 1, #found, 2 do
    if #rows >= limit then return {rows, position, examined} end
    local id, created = found[i], integer(tonumber(found[i + 1]))
    rows[#rows + 1] = list_row(prefix, index, id, created, joinable, where)
    position = created .. ' ' .. id
    examined = examined + 1
  end
  return {rows, #found == EXAMINED_MAX * 2 and position or '', examined}
end

-- ---- registration ---------------------------------------------------------------------------------------------------
-- With allow-oom: what must go on, or begin, when Redis is full, since it is what makes room again. append has it not, so a
-- full Redis refuses new work.

local function register(name, callback, flags)
  redis.register_function{function_name = 'heya1_' .. name, callback = callback, flags = flags or {}}
end
register('init', init, {'allow-oom'})
register('selftest', selftest, {'allow-oom'})
register('gateway_open', gateway_open, {'allow-oom'})
register('gateway_renew', gateway_renew, {'allow-oom'})
register('gateway_close', gateway_close, {'allow-oom'})
register('gateway_suspect', gateway_close, {'allow-oom'})
register('gateway_trim', gateway_trim, {'allow-oom'})
register('append', append)
register('forward', forward)
register('renew', renew, {'allow-oom'})
register('worker_close', worker_close, {'allow-oom'})
register('suspect', suspect, {'allow-oom'})
register('claim', claim, {'allow-oom'})
register('blame', blame, {'allow-oom'})
register('release', release, {'allow-oom'})
register('commit', commit, {'allow-oom'})
register('list', list, {'allow-oom'})
register('drain', drain, {'allow-oom'})
