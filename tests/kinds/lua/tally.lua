-- For tests/integration/lua.c: a room with a number that commands add to, and every way to fail on request.

-- Two texts that differ at their ends only: comparing them is long, and sorting many of them ends in no time of ours.
local function stick()
  local a, b, list = ("x"):rep(2 ^ 20 - 1) .. "a", ("x"):rep(2 ^ 20 - 1) .. "b", {}
  for i = 1, 100000, 2 do
    list[i], list[i + 1] = b, a
  end
  table.sort(list)
end

local function command(room, member, what)
  local state = room.state
  state.total = (state.total or 0) + (what.add or 0)
  room:send_all({ total = state.total, by = member.name })
  if what.ring then
    room:after(1, what.ring)
  elseif what.fail then
    error("asked to")
  elseif what.spin then
    while true do
    end
  elseif what.hoard then
    local hoard = {}
    while true do
      hoard[#hoard + 1] = ("x"):rep(1000) .. #hoard
    end
  elseif what.stick then
    stick()
  end
  return { total = state.total }
end

return {
  name = "tally",
  command = command,
  timer = function(room)
    room:send_all({ rang = true })
  end,
  snapshot = function(room)
    return { total = room.state.total or 0 }
  end,
  describe = function(room)
    return { total = room.state.total or 0 }
  end,
}
