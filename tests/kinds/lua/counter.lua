-- A small kind that ticks: each member steers a number, up or down, and everybody sees the numbers ten times a second
-- while one of them moves. Payloads are JSON: {"steer":1} in, {"numbers":{"p1":3}} out.

local STEP_MAX = 10

local function is_step(step)
  return type(step) == "number" and step == math.floor(step) and math.abs(step) <= STEP_MAX
end

return {
  name = "counter",
  max_members = 8,
  tick_hz = 10,

  open = function(room, options)
    local start = options.start or 0
    if type(start) ~= "number" then
      return nil, "INVALID_ARGUMENT", "start is a number"
    end
    room.state = { start = start, frames = 0, numbers = {}, steps = {} }
  end,

  leave = function(room, member)
    room.state.numbers[member.player] = nil
    room.state.steps[member.player] = nil
  end,

  command = function(room, member, command)
    if not is_step(command.steer) then
      return nil, "INVALID_ARGUMENT", "steer is a whole number from -10 to 10"
    end
    room.state.steps[member.player] = command.steer
    return { frame = room:frame() }
  end,

  tick = function(room, tick)
    local state, moved = room.state, false
    state.frames = state.frames + 1
    for player, step in pairs(state.steps) do
      if step ~= 0 then
        state.numbers[player] = (state.numbers[player] or state.start) + step
        moved = true
      end
    end
    if moved then
      room:send_all({ numbers = state.numbers })
    end
  end,

  snapshot = function(room)
    return { numbers = room.state.numbers, frames = room.state.frames }
  end,
}
