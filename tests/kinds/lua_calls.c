/* Promises of calls into kinds in Lua: as a whole or not at all, refusals, failures, and the room's functions. */
#include "tests/kinds/lua_table.h"
#include <stdio.h>

#define OK               HEYA__V1__ERROR__CODE__OK
#define INTERNAL         HEYA__V1__ERROR__CODE__INTERNAL
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE
#define NOW              1700000000000u

/* ---- as a whole or not at all ---- */

#define STEPS                                                                                                        \
  "command = function(room, member, command)\n"                                                                      \
  "  room.state.n = (room.state.n or 0) + 1\n"                                                                       \
  "  room:send_all({ n = room.state.n })\n"                                                                          \
  "  room:lock(command.lock == true)\n"                                                                              \
  "  room:after(3, 1000)\n"                                                                                          \
  "  if command.refuse then return nil, 'WRONG_STATE', 'not ' .. command.refuse end\n"                               \
  "  if command.fail then error('on purpose') end\n"                                                                 \
  "  if command.odd then room.state.odd = print end\n"                                                               \
  "end, timer = function(room, id) end"

Test(lua_calls, do_it_all) {
  struct room *room = lua_room(STEPS);
  cr_assert_eq(lua_give(room, "p1", "{\"lock\":true}"), OK);
  cr_assert_str_eq(lua_state(room), "{\"n\":1}");
  cr_assert_str_eq(lua_event(room), "{\"n\":1}");
  cr_assert_eq(room->events[0].receivers, 2);
  cr_assert(room->locked);
  cr_assert_eq(harness_timer_at(room, 3), NOW + 1000);
  harness_close(room);
}

Test(lua_calls, that_refuse_leave_everything_as_it_was) {
  struct room *room = lua_room(STEPS);
  cr_assert_eq(lua_give(room, "p1", "{\"refuse\":\"now\"}"), WRONG_STATE);
  cr_assert_str_eq(room->message, "not now");
  cr_assert_eq(room->event_count, 0);
  cr_assert_str_eq(lua_state(room), "{}");
  cr_assert_eq(lua_give(room, "p1", "{}"), OK);
  cr_assert_str_eq(lua_state(room), "{\"n\":1}");
  cr_assert_str_eq(lua_log(), "");
  harness_close(room);
}

Test(lua_calls, that_fail_leave_everything_as_it_was_and_say_where) {
  struct room *room = lua_room(STEPS);
  cr_assert_eq(lua_give(room, "p1", "{}"), OK);
  cr_assert_eq(lua_failures(), 0);
  cr_assert_eq(lua_give(room, "p1", "{\"fail\":true}"), INTERNAL);
  cr_assert_eq(lua_failures(), 1);
  cr_assert_str_eq(lua_state(room), "{\"n\":1}");
  cr_assert_eq(room->event_count, 1);
  cr_assert_not_null(strstr(lua_log(), "event=script_failed kind=test room=test/harness call=command error=\"/tmp/"));
  cr_assert_not_null(strstr(lua_log(), "test.lua:7: on purpose\""), "%s", lua_log());
  cr_assert_eq(lua_give(room, "p1", "{\"odd\":true}"), INTERNAL);
  cr_assert_not_null(strstr(lua_log(), "room.state.odd: function cannot be saved"), "%s", lua_log());
  cr_assert_str_eq(lua_state(room), "{\"n\":1}");
  cr_assert_eq(lua_give(room, "p1", "{}"), OK);
  cr_assert_str_eq(lua_state(room), "{\"n\":2}");
  harness_close(room);
}

/* Also where nothing is saved: in variables of the script's own. */
Test(lua_calls, that_fail_leave_no_trace_in_variables) {
  const struct kind *kind = lua_text("local count = 0\n"
                                     "return { name = 'test', command = function(room, member, command)\n"
                                     "  count = count + 1\n"
                                     "  if count == 2 then error('second') end\n"
                                     "  return { count = count }\n"
                                     "end, snapshot = function() return { count = count } end }",
                                     LUA_LIMITS);
  kind_code code;
  struct room *room = harness_open(kind, bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  struct kind_reply reply = {.message = ""};
  cr_assert_eq(kind->command(room, room_member(room, "p1"), bytes_of(NULL, 0), &reply), OK);
  cr_assert(bytes_equal_str(buf_bytes(&reply.result), "{\"count\":1}"));
  buf_close(&reply.result);
  cr_assert_eq(kind->command(room, room_member(room, "p1"), bytes_of(NULL, 0), &reply), INTERNAL);
  cr_assert_str_eq(lua_state(room), "{\"count\":0}");
  harness_close(room);
}

Test(lua_calls, refuse_payloads_that_are_none_without_calling) {
  struct room *room = lua_room("command = function(room, member, command) room.state.called = true end,\n"
                               "join = function(room, member) room.state.joined = member.profile end");
  const char *const texts[] = {"[]",
                               "5",
                               "\"x\"",
                               "null",
                               "{",
                               "{}x",
                               "{\"a\":9007199254740993}",
                               "{\"a\":[null]}",
                               "{\"a\":1,\"a\":2}",
                               "{\"a\":\"\\u0000\"}",
                               "\xff"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_assert_eq(lua_give(room, "p1", texts[i]), INVALID_ARGUMENT, "%s", texts[i]);
    cr_assert_neq(room->message[0], '\0');
    cr_assert_eq(harness_join(room, "p3", "Cec", bytes_of_str(texts[i])), INVALID_ARGUMENT);
  }
  cr_assert_eq(room->event_count, 0);
  cr_assert_str_eq(lua_log(), "");
  harness_close(room);
}

Test(lua_calls, may_refuse_only_with_codes_for_that) {
  struct room *room =
      lua_room("command = function(room, member, command) return not command.no and nil, command.code end");
  cr_assert_eq(lua_give(room, "p1", "{\"code\":\"TOO_LATE\"}"), HEYA__V1__ERROR__CODE__TOO_LATE);
  cr_assert_eq(lua_give(room, "p1", "{\"code\":\"OK\"}"), INTERNAL);
  cr_assert_eq(lua_give(room, "p1", "{\"code\":\"GAP\"}"), INTERNAL);
  cr_assert_eq(lua_give(room, "p1", "{\"code\":\"whatever\"}"), INTERNAL);
  cr_assert_eq(lua_give(room, "p1", "{\"code\":5}"), INTERNAL);
  cr_assert_eq(lua_give(room, "p1", "{\"no\":true}"), INTERNAL);
  harness_close(room);
}

Test(lua_calls, refuse_rooms_and_members) {
  const struct kind *kind = lua_kind_of("open = function(room, options)\n"
                                        "  if options.bad then return nil, 'INVALID_ARGUMENT', 'bad options' end\n"
                                        "  if options.wrong then options.wrong.x.y = 1 end\n"
                                        "  room.state.topic = options.topic\n"
                                        "end, join = function(room, member)\n"
                                        "  if member.profile.level < 5 then return nil, 'INVALID_ARGUMENT' end\n"
                                        "  if room:count() == 1 then return nil, 'ROOM_FULL', 'one is enough' end\n"
                                        "end, command = function() end");
  kind_code code;
  harness_close(harness_open(kind, bytes_of_str("{\"bad\":1}"), NOW, &code));
  cr_assert_eq(code, INVALID_ARGUMENT);
  harness_close(harness_open(kind, bytes_of_str("{\"wrong\":{}}"), NOW, &code));
  cr_assert_eq(code, INTERNAL);
  harness_close(harness_open(kind, bytes_of_str("[]"), NOW, &code));
  cr_assert_eq(code, INVALID_ARGUMENT);
  struct room *room = harness_open(kind, bytes_of_str("{\"topic\":\"t\"}"), NOW, &code);
  cr_assert_eq(code, OK);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of_str("{\"level\":1}")), INVALID_ARGUMENT);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of_str("{}")), INTERNAL);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of_str("{\"level\":5}")), OK);
  cr_assert_eq(harness_join(room, "p2", "Bob", bytes_of_str("{\"level\":5}")), HEYA__V1__ERROR__CODE__ROOM_FULL);
  cr_assert_str_eq(room->message, "one is enough");
  cr_assert_str_eq(lua_state(room), "{\"topic\":\"t\"}");
  harness_close(room);
}

/* ---- those that nobody waits for ---- */

Test(lua_calls, of_a_timer_that_fails_are_made_again_and_then_close_the_room) {
  struct room *room = lua_room("command = function(room) room:timer_set(2, room:time_ms() + 5) end,\n"
                               "timer = function(room, id) room.state.x = 1 error('no') end");
  cr_assert_eq(lua_give(room, "p1", "{}"), OK);
  harness_time(room, NOW + 5);
  cr_assert_str_eq(lua_state(room), "{}");
  cr_assert_eq(harness_timer_at(room, 2), NOW + 5 + 1000);
  for (int i = 0; i < 5; i++) { /* without the failovers in between, which forget that it failed */
    cr_assert_not(room->completed, "%d", i);
    room->kind->timer(room, 2);
  }
  cr_assert(room->completed);
  cr_assert_eq(room->close_reason, HEYA__V1__CLOSE_REASON__FAILED);
  harness_close(room);
}

Test(lua_calls, of_ticks_that_fail_five_times_in_a_row_close_the_room) {
  const struct kind *kind = lua_text("return { name = 'test', tick_hz = 10, command = function() end,\n"
                                     "tick = function(room, tick)\n"
                                     "  if tick.frame % 5 ~= 0 or tick.frame > 5 then error('no') end\n"
                                     "end, snapshot = function(room) return room.state end }",
                                     LUA_LIMITS);
  kind_code code;
  struct room *room = harness_open(kind, bytes_of(NULL, 0), NOW, &code);
  struct kind_tick tick = {.length_ns = 100000000};
  for (tick.frame = 1; tick.frame <= 10; tick.frame++) {
    cr_assert_not(room->completed, "frame %lu", (unsigned long)tick.frame);
    cr_assert_not(kind->tick(room, &tick));
  }
  cr_assert(room->completed);
  cr_assert_eq(room->close_reason, HEYA__V1__CLOSE_REASON__FAILED);
  harness_close(room);
}

Test(lua_calls, that_only_look_may_change_nothing) {
  const struct kind *kind = lua_text("return { name = 'test', command = function(room) room.state.n = 1 end,\n"
                                     "snapshot = function(room) room.state.n = 5 return room.state end,\n"
                                     "describe = function(room) room:send_all({}) return { n = 1 } end }",
                                     LUA_LIMITS);
  kind_code code;
  char value[65];
  struct room *room = harness_open(kind, bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  cr_assert_eq(lua_give(room, "p1", "{}"), OK);
  cr_assert_str_eq(lua_state(room), "");
  cr_assert_not(harness_property(room, "n", value));
  cr_assert_not_null(strstr(lua_log(), "it only looks, and has changed room.state"));
  cr_assert_not_null(strstr(lua_log(), "describe only looks: it may not change the room"));
  cr_assert_eq(room->event_count, 0);
  harness_close(room);
}

/* ---- the room ---- */

Test(lua_calls, see_the_room_and_its_members) {
  struct room *room =
      lua_room("command = function(room, member, command)\n"
               "  local names = array()\n"
               "  for i, m in ipairs(room:members()) do names[i] = m.name end\n"
               "  room:send_all({ id = room.id, now = room:time_ms(), names = names, host = room:host().player,\n"
               "    me = tostring(member), level = member.profile.level, away = room:member('p2').away,\n"
               "    nobody = room:member('px') == nil, same = room:member('p1') == member, count = room:count(),\n"
               "    max = room.max_members })\n"
               "end");
  cr_assert_eq(lua_give(room, "p1", "{}"), OK, "%s", lua_log());
  cr_assert_str_eq(lua_event(room),
                   "{\"away\":false,\"count\":2,\"host\":\"p1\",\"id\":\"test/harness\",\"level\":7,\"max\":16,"
                   "\"me\":\"p1\",\"names\":[\"Ann\",\"Bob\"],\"nobody\":true,\"now\":1700000000000,\"same\":true}");
  harness_close(room);
}

Test(lua_calls, send_to_whom_they_say) {
  struct room *room = lua_room("command = function(room, member, command)\n"
                               "  room:send_except(member, { n = 1 })\n"
                               "  room:send_one('p2', { n = 2 })\n"
                               "  room:send_only({ member, 'p2' }, { n = 3 })\n"
                               "end, leave = function(room, member, reason)\n"
                               "  room:send_all({ gone = member.name, why = reason })\n"
                               "end");
  cr_assert_eq(lua_give(room, "p1", "{}"), OK, "%s", lua_log());
  cr_assert_eq(room->event_count, 3);
  cr_assert_eq(room->events[0].receivers, 1);
  cr_assert_str_eq(room->events[0].to[0], "p2");
  cr_assert_eq(room->events[1].receivers, 1);
  cr_assert_str_eq(room->events[1].to[0], "p2");
  cr_assert_eq(room->events[2].receivers, 2);
  harness_leave(room, "p2", HEYA__V1__LEAVE_REASON__TIMED_OUT);
  cr_assert_str_eq(lua_event(room), "{\"gone\":\"Bob\",\"why\":\"TIMED_OUT\"}");
  cr_assert_eq(lua_give(room, "p1", "{}"), INTERNAL);
  cr_assert_not_null(strstr(lua_log(), "test.lua:3: send_one: 'p2' is no member"), "%s", lua_log());
  harness_close(room);
}

Test(lua_calls, do_all_that_a_room_can) {
  struct room *room = lua_room("command = function(room, member, command)\n"
                               "  room:lock(true)\n"
                               "  room:timer_set(1, room:time_ms() + 10)\n"
                               "  room:after(2, 20)\n"
                               "  room:timer_cancel(1)\n"
                               "  room:deadline_show(4, room:time_ms() + 30)\n"
                               "  room:result_show(member, 'score ' .. 5)\n"
                               "  room:set_options({ song = command.song })\n"
                               "  room.state.seen = room:options().song or 'none'\n"
                               "  if command.over then room:complete('COMPLETED') end\n"
                               "end, timer = function(room, id) room:send_all({ rang = id }) end");
  cr_assert_eq(lua_give(room, "p1", "{\"song\":42}"), OK, "%s", lua_log());
  cr_assert(room->locked);
  cr_assert_eq(harness_timer_at(room, 1), 0);
  cr_assert_eq(harness_timer_at(room, 2), NOW + 20);
  cr_assert_eq(room->deadline_ms, NOW + 30);
  cr_assert_eq(room->deadline_round, 4);
  cr_assert_str_eq(harness_result_of(room, "p1"), "score 5");
  cr_assert(bytes_equal_str(buf_bytes(&room->options), "{\"song\":42}"));
  cr_assert_str_eq(lua_state(room), "{\"seen\":\"none\"}");
  harness_time(room, NOW + 20);
  cr_assert_str_eq(lua_event(room), "{\"rang\":2}");
  cr_assert_eq(lua_give(room, "p1", "{\"over\":true}"), OK);
  cr_assert(room->completed);
  cr_assert_eq(room->close_reason, HEYA__V1__CLOSE_REASON__COMPLETED);
  cr_assert_str_eq(lua_state(room), "{\"seen\":42}");
  harness_close(room);
}

Test(lua_calls, check_what_the_room_is_asked_for) {
  struct room *room =
      lua_room("timer = function() end, command = function(room, member, command)\n"
               "  local asks = {\n"
               "    function() room:timer_set(0, 1) end, function() room:timer_set(17, 1) end,\n"
               "    function() room:after(1, -1) end, function() room:after(1, 0/0) end,\n"
               "    function() room:timer_set(1, 1e300) end, function() room:send_all(5) end,\n"
               "    function() room:send_all({ f = print }) end, function() room:send_all({ 1 }) end,\n"
               "    function() room:send_all({ x = 0/0 }) end, function() room:lock(1) end,\n"
               "    function() room:complete('NEVER') end, function() room:send_only({'px'}, {}) end,\n"
               "    function() room:send_all({ x = { 1, a = 2 } }) end,\n"
               "    function() room:send_all({ x = '\\255' }) end,\n"
               "    function() local t = {} t.t = t room:send_all(t) end,\n"
               "    function() room:set_tick_hz(5) end, function() room:nothing() end,\n"
               "    function() for i = 1, 2000 do room:send_all({}) end end,\n"
               "    function() return member.nothing end, function() room:send_one(nil, {}) end }\n"
               "  local ok = pcall(asks[command.n])\n"
               "  room:send_all({ ok = ok, there = asks[command.n] ~= nil })\n"
               "  if not asks[command.n] then return end\n"
               "  asks[command.n]()\n"
               "end");
  for (int n = 1; n <= 20; n++) {
    char command[32];
    snprintf(command, sizeof command, "{\"n\":%d}", n);
    cr_assert_eq(lua_give(room, "p1", command), INTERNAL, "%d", n);
  }
  cr_assert_eq(lua_give(room, "p1", "{\"n\":21}"), OK);
  cr_assert_str_eq(lua_event(room), "{\"ok\":false,\"there\":false}");
  harness_close(room);
}

/* ---- states ---- */

Test(lua_calls, find_the_state_as_they_left_it) {
  struct room *room = lua_room("command = function(room, member, command)\n"
                               "  local s = room.state\n"
                               "  if command.set then\n"
                               "    room.state = { list = { 1, 'two', { three = 3 } }, empty = array(), none = {},\n"
                               "      [1.5] = -0.25, [-3] = true, [2] = false, deep = { { { {} } } },\n"
                               "      big = 2^53, text = 'a\\0b', huge = 1/0, bool = false, array = command.a }\n"
                               "  else\n"
                               "    room:send_all({ list = s.list, empty = s.empty, none = s.none, half = s[1.5],\n"
                               "      minus = s[-3], two = s[2], deep = #s.deep, big = s.big, len = #s.text,\n"
                               "      huge = s.huge == 1/0, bool = s.bool, a = s.array })\n"
                               "  end\n"
                               "end");
  cr_assert_eq(lua_give(room, "p1", "{\"set\":true,\"a\":[[],{},[1]]}"), OK, "%s", lua_log());
  cr_assert_eq(lua_give(room, "p1", "{}"), OK, "%s", lua_log());
  cr_assert_str_eq(
      lua_event(room),
      "{\"a\":[[],{},[1]],\"big\":9007199254740992,\"bool\":false,\"deep\":1,\"empty\":[],\"half\":-0.25,"
      "\"huge\":true,\"len\":3,\"list\":[1,\"two\",{\"three\":3}],\"minus\":true,\"none\":{},"
      "\"two\":false}");
  harness_close(room);
}

Test(lua_calls, may_keep_only_plain_data) {
  struct room *room =
      lua_room("command = function(room, member, command)\n"
               "  local s = room.state\n"
               "  local odd = {\n"
               "    function() s.f = function() end end, function() s.room = room end,\n"
               "    function() s.m = { { member } } end, function() s[true] = 1 end,\n"
               "    function() s[s] = 1 end, function() s.s = s end,\n"
               "    function() s.o = setmetatable({}, { __index = s }) end,\n"
               "    function() s.big = {} for i = 1, 2 do s.big[i] = ('x'):rep(2^19 - 20) .. i end end }\n"
               "  odd[command.n]()\n"
               "end");
  for (int n = 1; n <= 8; n++) {
    char command[32];
    snprintf(command, sizeof command, "{\"n\":%d}", n);
    cr_assert_eq(lua_give(room, "p1", command), n == 8 ? OK : INTERNAL, "%d %s", n, lua_log());
    if (n < 8) cr_assert_str_eq(lua_state(room), "{}");
  }
  cr_assert_not_null(strstr(lua_log(), "room.state.m[1][1]: userdata cannot be saved"), "%s", lua_log());
  harness_close(room);
}

Test(lua_calls, of_a_kind_that_ticks) {
  const struct kind *kind = lua_file("tests/kinds/lua/counter.lua");
  kind_code code;
  struct room *room = harness_open(kind, bytes_of_str("{\"start\":5}"), NOW, &code);
  cr_assert_eq(code, OK, "%s", lua_log());
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  cr_assert(harness_frame(room));
  cr_assert_eq(room->event_count, 0);
  cr_assert_eq(lua_give(room, "p1", "{\"steer\":1.5}"), INVALID_ARGUMENT);
  cr_assert_eq(lua_give(room, "p1", "{\"steer\":-2}"), OK);
  cr_assert(bytes_equal_str(buf_bytes(&harness_outcome(room, 2)->result), "{\"frame\":3}"));
  cr_assert_str_eq(lua_event(room), "{\"numbers\":{\"p1\":3}}");
  cr_assert(harness_frame(room));
  cr_assert_str_eq(lua_event(room), "{\"numbers\":{\"p1\":1}}");
  cr_assert_str_eq(lua_state(room), "{\"frames\":4,\"numbers\":{\"p1\":1}}");
  harness_leave(room, "p1", HEYA__V1__LEAVE_REASON__ASKED);
  cr_assert_str_eq(lua_state(room), "{\"frames\":4,\"numbers\":{}}");
  harness_close(room);
}

Test(lua_calls, of_a_kind_that_ticks_see_the_frame_and_the_rate_of_the_room) {
  const struct kind *kind = lua_text("return { name = 'test', tick_hz = 10, command = function() end,\n"
                                     "open = function(room) room:set_tick_hz(4) end,\n"
                                     "tick = function(room, tick)\n"
                                     "  room:send_all({ frame = tick.frame, same = tick.frame == room:frame(),\n"
                                     "    skipped = tick.skipped, hz = room:tick_hz(), long = tick.seconds })\n"
                                     "end, snapshot = function(room) return room.state end }",
                                     LUA_LIMITS);
  kind_code code;
  struct room *room = harness_open(kind, bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(code, OK, "%s", lua_log());
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  harness_time(room, NOW + 250);
  cr_assert_eq(room->event_count, 1);
  harness_skip(room, 3);
  cr_assert_not(harness_frame(room)); /* nothing of the state has changed */
  cr_assert_str_eq(lua_event(room), "{\"frame\":5,\"hz\":4,\"long\":0.25,\"same\":true,\"skipped\":3}", "%s",
                   lua_log());
  harness_close(room);
}

Test(lua_calls, survive_any_bytes_as_command_or_state) {
  struct room *room = lua_room("command = function(room, member, command)\n"
                               "  room.state = { last = command, n = (tonumber(room.state.n) or 0) + 1,\n"
                               "    [2] = 1.5, list = { 'a', 'b' } }\n"
                               "end");
  uint64_t seed = 99;
  cr_assert_eq(lua_give(room, "p1", "{\"a\":[1,2,{\"b\":\"c\"}],\"d\":-1e300}"), OK);
  struct buf state = {0};
  buf_append_bytes(&state, buf_bytes(&room->saved));
  for (size_t len = 0; len < state.len; len++) cr_assert_not(harness_would_load(room, bytes_of(state.data, len)));
  for (int i = 0; i < 2000; i++) {
    size_t at = dice(&seed, (uint32_t)state.len);
    unsigned char old = state.data[at];
    state.data[at] = (unsigned char)dice(&seed, 256);
    harness_would_load(room, buf_bytes(&state));
    state.data[at] = old;
    char text[24];
    size_t len = dice(&seed, sizeof text);
    for (size_t j = 0; j < len; j++) text[j] = "{}[]\",:0123ab\\e+-. tn"[dice(&seed, 21)];
    harness_command(room, "p1", bytes_of(text, len));
  }
  buf_close(&state);
  harness_close(room);
}
