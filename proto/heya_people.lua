#!lua name=heya_people
-- For people at redis-cli: what is in Redis, in readable lines or as JSON. Read-only; nothing in Heya calls these.
--
--   FCALL_RO heya_room 0 <kind>/<name> [text|json] [prefix]
--   FCALL_RO heya_rooms 0 <kind> [text|json] [prefix]        the newest ROOMS_MAX
--   FCALL_RO heya_workers 0 [text|json] [prefix]             and likewise heya_partitions, heya_gateways
--
-- Text is an array of lines, JSON one string. The keys may hold anything: whatever has the wrong type is said to have
-- it, and the rest is shown. A new view is a function that returns lines and a value for JSON, and a line at the end.

local ROOMS_MAX = 100
local MEMBERS_MAX = 200

local function fail(...) error({sentence = table.concat({...}, ' ')}) end

local function type_of(key) return redis.call('TYPE', key).ok end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Control characters, and bytes that are not ASCII text's neighbours, would spoil a terminal.
local function printable(value)
  return (string.gsub(tostring(value), '%c', function(c) return string.format('\\x%02x', string.byte(c)) end))
end

local function line(name, value) return string.format('%-14s %s', printable(name), printable(value)) end

local function wrong_type(key, found) return key .. ' has the wrong type: ' .. found end

-- A hash as sorted names and a table, or nil and a note.
local function hash_of(key)
  local found = type_of(key)
  if found == 'none' then return {}, {} end
  if found ~= 'hash' then return nil, wrong_type(key, found) end
  local flat, names, values = redis.call('HGETALL', key), {}, {}
  for i = 1, #flat, 2 do
    names[#names + 1] = flat[i]
    values[flat[i]] = flat[i + 1]
  end
  table.sort(names)
  return names, values
end

-- The result of `command key ...` if the key has this type, `otherwise` if there is none, or nil and a note.
local function read(wanted, otherwise, command, key, ...)
  local found = type_of(key)
  if found == 'none' then return otherwise end
  if found ~= wanted then return nil, wrong_type(key, found) end
  return redis.call(command, key, ...)
end

local function in_ms(ms) return ms < 0 and '-' or string.format('%.0f ms', ms) end

-- ---- a room ---------------------------------------------------------------------------------------------------------

local function check_room_id(id)
  local kind, name = string.match(id or '', '^([a-z][a-z0-9_]*)/([A-Za-z0-9_.~-]+)$')
  if not kind or #kind > 16 or #name > 64 then
    fail('not a room id: expected <kind>/<name>, for instance chat/lobby')
  end
end

local function add_note(lines, json, note)
  lines[#lines + 1] = line('note', note)
  json.notes = json.notes or {}
  table.insert(json.notes, note)
end

local function add_hash(lines, json, field, key)
  local names, values = hash_of(key)
  if not names then
    add_note(lines, json, values)
    return
  end
  json[field] = {}
  for i, name in ipairs(names) do
    if i > MEMBERS_MAX then
      lines[#lines + 1] = line('', '(' .. (#names - MEMBERS_MAX) .. ' more)')
      return
    end
    json[field][name] = values[name]
    lines[#lines + 1] = line(i == 1 and field or '', name .. '  ' .. values[name])
  end
end

local function add_deadline(lines, json, base)
  local round, note = read('string', false, 'GET', base .. ':deadline')
  if note then
    add_note(lines, json, note)
  elseif round then
    local left = redis.call('PTTL', base .. ':deadline')
    lines[#lines + 1] = line('deadline', 'round ' .. round .. ' in ' .. in_ms(left))
    json.deadline = {round = round, remaining_ms = left}
  end
end

local function add_log(lines, json, base)
  local length, note = read('stream', 0, 'XLEN', base .. ':log')
  if note then
    add_note(lines, json, note)
  else
    lines[#lines + 1] = line('log', length .. (length == 1 and ' event' or ' events'))
    json.log_length = length
  end
end

local function add_tomb(lines, json, key)
  if type_of(key) == 'none' then return false end
  local left = redis.call('PTTL', key)
  lines[#lines + 1] = line('tomb', 'closed; the id is free again in ' .. in_ms(left))
  json.tomb_remaining_ms = left
  return true
end

local function room(prefix, id)
  check_room_id(id)
  local base, lines, json = prefix .. 'room:' .. id, {line('room', id)}, {room = id, fields = {}}
  local buried = add_tomb(lines, json, prefix .. 'tomb:' .. id)
  if type_of(base) == 'none' then
    if not buried then fail('there is no room', id, 'under the prefix', prefix) end
    return lines, json
  end
  local names, values = hash_of(base)
  if not names then
    add_note(lines, json, values)
  else
    for _, name in ipairs(names) do
      if name == 'image' then
        lines[#lines + 1] = line('image', #values.image .. ' bytes')
        json.image_bytes = #values.image
      else
        lines[#lines + 1] = line(name, values[name])
        json.fields[name] = values[name]
      end
    end
  end
  add_hash(lines, json, 'members', base .. ':members')
  add_hash(lines, json, 'results', base .. ':results')
  add_deadline(lines, json, base)
  local ttl = redis.call('PTTL', base)
  if ttl >= 0 then
    lines[#lines + 1] = line('expires', 'in ' .. in_ms(ttl))
    json.expires_in_ms = ttl
  end
  add_log(lines, json, base)
  return lines, json
end

-- ---- lists ----------------------------------------------------------------------------------------------------------

-- A row of a table: cells padded to the widths of its columns, but for the last one.
local function row(columns, cells)
  local words = {}
  for i, cell in ipairs(cells) do
    words[i] = i == #cells and cell or string.format('%-' .. columns[i][2] .. 's', cell)
  end
  return printable(table.concat(words, ' '))
end

local ROOM_COLUMNS = {{'room', 40}, {'status', 8}, {'members', 9}, {'host', 16}, {'title', 0}}

local function rooms(prefix, kind)
  if not string.match(kind or '', '^[a-z][a-z0-9_]*$') then fail('expected a kind, for instance chat') end
  local ids, note = read('zset', {}, 'ZRANGE', prefix .. 'rooms:' .. kind, '0', tostring(ROOMS_MAX - 1), 'REV')
  if not ids then return {line('note', note)}, {note = note} end
  local lines, json = {row(ROOM_COLUMNS, {'room', 'status', 'members', 'host', 'title'})}, {}
  for _, id in ipairs(ids) do
    local names, values = hash_of(prefix .. 'room:' .. id)
    if not names then
      lines[#lines + 1] = row(ROOM_COLUMNS, {id, values})
      json[#json + 1] = {room = id, note = values}
    elseif #names > 0 then -- else it has expired
      values.image = nil
      values.room = id
      json[#json + 1] = values
      lines[#lines + 1] = row(ROOM_COLUMNS, {id, values.status or '-',
        (values.members or '0') .. '/' .. (values.max_members or '-'), values.host or '-', values.title or ''})
    end
  end
  return lines, json
end

-- Of a gateway: how many bytes wait in its stream; its hash does not say (proto/heya.lua).
local function add_queued_bytes(key, names, values)
  names[#names + 1] = 'queued_bytes'
  values.queued_bytes = read('zset', '0', 'ZSCORE', key .. ':queued', 'bytes') or 'wrong type'
end

-- Processes in a sorted set of lease ends, with fields of their hashes as columns {name, width}; JSON has all fields.
-- `add(key, names, values)` may add some.
local function processes(set, each, columns, add)
  local heads = {}
  for i = 1, #columns do heads[i] = columns[i][1] end -- while it is loaded, Redis lends no ipairs
  return function(prefix)
    local found, note = read('zset', {}, 'ZRANGE', prefix .. set, '0', '-1', 'WITHSCORES')
    if not found then return {line('note', note)}, {note = note} end
    local lines, json, now = {row(columns, heads)}, {}, now_ms()
    for i = 1, #found, 2 do
      local left = tonumber(found[i + 1]) - now
      local names, values = hash_of(prefix .. each .. found[i])
      if add and names and #names > 0 then add(prefix .. each .. found[i], names, values) end
      local cells = {found[i], left > 0 and in_ms(left) or 'lapsed'}
      local entry = {id = found[i], lease_remaining_ms = left, note = not names and values or nil, fields = {}}
      if not names then cells[3] = values end
      for _, name in ipairs(names or {}) do entry.fields[name] = values[name] end
      for at = 3, names and #columns or 0 do cells[at] = values[columns[at][1]] or '-' end
      json[#json + 1] = entry
      lines[#lines + 1] = row(columns, cells)
    end
    return lines, json
  end
end

local WORKER_COLUMNS = {{'worker', 24}, {'lease', 9}, {'partitions', 10}, {'rooms', 7}, {'draining', 8}, {'address', 22},
                        {'pid', 8}, {'host', 16}, {'version', 0}}
local GATEWAY_COLUMNS = {{'gateway', 24}, {'lease', 9}, {'queued_bytes', 12}, {'address', 22}, {'generation', 0}}

local PARTITION_COLUMNS = {{'partition', 9}, {'owner', 24}, {'epoch', 7}, {'queued', 9}, {'bytes', 9}, {'rooms', 7}, {'done', 0}}

local function partitions(prefix)
  local _, config = hash_of(prefix .. 'config')
  if type(config) ~= 'table' then config = {} end
  local count = tonumber(config.partitions) or 0
  local shards, shard = tonumber(config.shards) or 1, tonumber(config.shard) or 0 -- of several Redis: which are here
  if shards < 1 or shards ~= math.floor(shards) then shards = 1 end
  local lines = {row(PARTITION_COLUMNS, {'partition', 'owner', 'epoch', 'queued', 'bytes', 'rooms', 'done'})}
  local json = {}
  for p = shard, math.min(count, 1024) - 1, shards do
    local base = prefix .. 'part:' .. p
    local names, owner = hash_of(base .. ':owner')
    if not names then owner = {worker = 'wrong type'} end
    local entry = {partition = p, owner = owner.worker or '', epoch = owner.epoch or '0',
                   queued = read('stream', 0, 'XLEN', base .. ':cmd') or 'wrong type',
                   queued_bytes = read('string', '0', 'GET', base .. ':bytes') or 'wrong type',
                   rooms = read('set', 0, 'SCARD', base .. ':rooms') or 'wrong type',
                   done = read('string', '0-0', 'GET', base .. ':done') or 'wrong type'}
    json[#json + 1] = entry
    lines[#lines + 1] = row(PARTITION_COLUMNS, {p, entry.owner == '' and '-' or entry.owner, entry.epoch, entry.queued,
                                               entry.queued_bytes, entry.rooms, entry.done})
  end
  return lines, json
end

-- ---- registration ---------------------------------------------------------------------------------------------------

-- A failure is returned rather than raised, so that people read the sentence without Redis's note of where it was.
local function view(name, show, n_arguments)
  redis.register_function{function_name = name, flags = {'no-writes'}, callback = function(_, argv)
    local argument = n_arguments == 1 and argv[1] or nil
    local format, prefix = argv[n_arguments + 1] or 'text', argv[n_arguments + 2] or 'heya:'
    if #argv > n_arguments + 2 or (format ~= 'text' and format ~= 'json') then
      return redis.error_reply('ERR arguments: ' .. (n_arguments == 1 and '<id or kind> ' or '') .. '[text|json] [prefix]')
    end
    local fine, lines, json = pcall(show, prefix, argument)
    if not fine then
      local why = type(lines) == 'table' and (lines.sentence or lines.err) or tostring(lines)
      return redis.error_reply('ERR ' .. why)
    end
    if format == 'text' then return lines end
    return next(json) == nil and '[]' or cjson.encode(json) -- only lists can be empty
  end}
end
view('heya_room', room, 1)
view('heya_rooms', rooms, 1)
view('heya_workers', processes('workers', 'worker:', WORKER_COLUMNS), 0)
view('heya_partitions', partitions, 0)
view('heya_gateways', processes('gateways', 'gateway:', GATEWAY_COLUMNS, add_queued_bytes), 0)
