-- Kind `chat` of worker/kinds/chat.c, once more in Lua: members say lines, everybody hears them, a newcomer sees the
-- last ones. It speaks the same messages (proto/kinds/chat.proto) and passes the same tests (tests/kinds/chat.c).

local TEXT_MAX = 2000 -- bytes
local TOPIC_MAX = 200
local LINES_MAX = 50 -- that a newcomer sees
local PROPERTY_MAX = 64

local function open(room, options)
  if #options.topic > TOPIC_MAX or not text.valid(options.topic) then
    return nil, "INVALID_ARGUMENT", "a topic is one line of up to 200 bytes"
  end
  room.state.topic = text.cut(options.topic, PROPERTY_MAX)
  room.state.lines = {}
  room.state.no_history = options.no_history
end

local function keep(lines, line)
  if #lines == LINES_MAX then
    table.remove(lines, 1)
  end
  table.insert(lines, line)
end

local function say(room, member, what)
  if #what < 1 or #what > TEXT_MAX or not text.valid(what, true) then
    return nil, "INVALID_ARGUMENT", "a line is 1 to 2000 bytes of text"
  end
  local line = { player = member.player, name = member.name, text = what, time_ms = room:time_ms() }
  if not room.state.no_history then
    keep(room.state.lines, line)
  end
  room:send_all({ line = line })
end

local function command(room, member, payload)
  if payload.say then
    return say(room, member, payload.say.text)
  end
  return nil, "INVALID_ARGUMENT", "not a command of this kind"
end

return {
  name = "chat_in_lua",
  messages = "heya.kinds.chat",
  max_members = 100,
  max_members_limit = 1000,
  open = open,
  command = command,
  snapshot = function(room)
    return { lines = room.state.lines }
  end,
  describe = function(room)
    if room.state.topic ~= "" then
      return { topic = room.state.topic }
    end
  end,
}
