-- For tests/integration/lua.c: asks other rooms on request, and says what they answer. It also has a say in profiles,
-- and in what the host does.
return {
  name = "asker",
  max_members = 8,

  command = function(room, member, command)
    local ask = { players = command.players, keep_ms = 60000, token = command.token }
    if command.reserve then
      return { asked = room:reserve_elsewhere(command.reserve, ask) }
    end
    ask.options = command.options
    return { asked = room:open_elsewhere(command.open, ask) }
  end,

  profile = function(room, member, profile)
    if type(profile.level) ~= "number" or profile.level < (member.profile.level or 0) then
      return nil, "INVALID_ARGUMENT", "a level only rises"
    end
  end,

  manage = function(room, host, action)
    if action.lock or action.kick == "bob" then
      return nil, "WRONG_STATE", "not in this room"
    end
  end,

  opened = function(room, token, id, code)
    room:send_all({ token = token, id = id, code = code })
  end,

  vacancy = function(room, id, free, ended)
    room:send_all({ id = id, free = free, ended = ended })
  end,

  snapshot = function()
    return {}
  end,
}
