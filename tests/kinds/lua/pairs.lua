-- Who wants a partner waits for another one; then both are sent to a chat of their own, where seats are kept for them.
local KEEP_MS = 60000

-- Two by two, those who have waited for longest.
local function pair_up(room)
  local state = room.state
  while #state.waiting >= 2 do
    local id, both = room:new_id("chat"), { state.waiting[1], state.waiting[2] }
    local ask = { players = both, keep_ms = KEEP_MS, max_members = 2, token = state.asked + 1 }
    if not room:open_elsewhere(id, ask) then
      return -- too many answers are awaited: `opened` will come back to this
    end
    state.asked = ask.token
    state.pairs[ask.token] = both
    table.remove(state.waiting, 1)
    table.remove(state.waiting, 1)
  end
end

local function place_of(state, player)
  for i, other in ipairs(state.waiting) do
    if other == player then
      return i
    end
  end
end

return {
  name = "pairs",
  max_members = 1000,

  open = function(room)
    room.state = { waiting = array(), pairs = {}, rooms = {}, asked = 0 }
  end,

  leave = function(room, member)
    local place = place_of(room.state, member.player)
    if place then
      table.remove(room.state.waiting, place)
    end
  end,

  command = function(room, member, command)
    if not command.seek then
      return nil, "INVALID_ARGUMENT", "not a command of this kind"
    end
    if place_of(room.state, member.player) then
      return nil, "WRONG_STATE", "you wait already"
    end
    table.insert(room.state.waiting, member.player)
    pair_up(room)
  end,

  -- The room is there and keeps their seats, or this is why not. They may have left meanwhile.
  opened = function(room, token, id, code)
    local both = room.state.pairs[token]
    room.state.pairs[token] = nil
    for _, player in ipairs(both) do
      if room:member(player) then
        room:send_one(player, code == "OK" and { go = id, players = both } or { failed = code })
      end
    end
    pair_up(room)
  end,

  -- Somebody has left a room, or it has ended.
  vacancy = function(room, id, free, ended)
    room.state.rooms[id] = not ended and free or nil
    room:send_all({ room = id, free = free, ended = ended })
  end,

  snapshot = function(room)
    return { waiting = #room.state.waiting, rooms = room.state.rooms }
  end,
}
