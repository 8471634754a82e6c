/* Promises of kinds in Lua that ask something of other rooms, and hear from them. */
#include "proto/kinds/live.pb-c.h"
#include "tests/kinds/lua_table.h"
#include <stdio.h>

#define OK               HEYA__V1__ERROR__CODE__OK
#define INTERNAL         HEYA__V1__ERROR__CODE__INTERNAL
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE
#define ROOM_FULL        HEYA__V1__ERROR__CODE__ROOM_FULL
#define NOW              1700000000000u

/* ---- the example of docs/writing-a-kind-in-lua.md ---- */

static struct room *lobby_with(size_t n) {
  static const char *const players[] = {"ann", "bob", "cat", "dan"};
  kind_code code;
  struct room *room = harness_open(lua_file("tests/kinds/lua/pairs.lua"), bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(code, OK, "%s", lua_log());
  for (size_t i = 0; i < n; i++) cr_assert_eq(harness_join(room, players[i], players[i], bytes_of(NULL, 0)), OK);
  return room;
}

static void seek(struct room *room, const char *player) {
  cr_assert_eq(lua_give(room, player, "{\"seek\":{}}"), OK, "%s", lua_log());
}

Test(lua_elsewhere, two_who_wait_are_sent_to_a_room_that_keeps_their_seats) {
  struct room *room = lobby_with(2);
  char text[256];
  seek(room, "ann");
  cr_assert_eq(lua_give(room, "ann", "{\"seek\":{}}"), WRONG_STATE);
  cr_assert_eq(room->ask_count, 0);
  seek(room, "bob");
  cr_assert_eq(room->ask_count, 1);
  const struct harness_ask *ask = &room->asks[0];
  cr_assert(ask->open);
  cr_assert_eq(strncmp(ask->id, "chat/~", 6), 0, "%s", ask->id);
  cr_assert_eq(ask->player_count, 2);
  cr_assert_str_eq(ask->players[0], "ann");
  cr_assert_str_eq(ask->players[1], "bob");
  cr_assert_eq(ask->keep_ms, 60000);
  cr_assert_eq(ask->max_members, 2);
  cr_assert_eq(ask->token, 1);
  cr_assert_eq(ask->options.len, 0);
  harness_answer(room, 0, OK);
  cr_assert_eq(room->event_count, 2);
  cr_assert(harness_heard(room, 0, "ann") && harness_heard(room, 1, "bob"));
  snprintf(text, sizeof text, "{\"go\":\"%s\",\"players\":[\"ann\",\"bob\"]}", ask->id);
  cr_assert_str_eq(lua_event(room), text);
  harness_close(room);
}

Test(lua_elsewhere, who_has_left_meanwhile_is_told_nothing_and_others_are_told_why) {
  struct room *room = lobby_with(4);
  seek(room, "dan");
  harness_leave(room, "dan", HEYA__V1__LEAVE_REASON__ASKED);
  seek(room, "ann");
  seek(room, "bob");
  harness_leave(room, "bob", HEYA__V1__LEAVE_REASON__ASKED);
  harness_answer(room, 0, ROOM_FULL);
  cr_assert_eq(room->event_count, 1, "%s", lua_log());
  cr_assert_str_eq(lua_event(room), "{\"failed\":\"ROOM_FULL\"}");
  cr_assert_str_eq(room->asks[0].players[0], "ann");
  harness_close(room);
}

Test(lua_elsewhere, what_a_room_says_of_its_seats_and_its_end_is_heard) {
  struct room *room = lobby_with(1);
  harness_vacancy(room, "chat/a", 3, false);
  cr_assert_str_eq(lua_event(room), "{\"ended\":false,\"free\":3,\"room\":\"chat/a\"}");
  harness_vacancy(room, "chat/a", 0, false);
  harness_vacancy(room, "chat/b", 1, false);
  harness_vacancy(room, "chat/b", 0, true);
  cr_assert_str_eq(lua_event(room), "{\"ended\":true,\"free\":0,\"room\":\"chat/b\"}");
  cr_assert_eq(room->event_count, 4);
  seek(room, "ann");
  harness_close(room);
}

Test(lua_elsewhere, when_too_much_is_asked_the_rest_waits_for_an_answer) {
  struct room *room = lobby_with(4);
  room->asks_max = 1;
  seek(room, "ann");
  seek(room, "bob");
  seek(room, "cat");
  seek(room, "dan");
  cr_assert_eq(room->ask_count, 1);
  harness_answer(room, 0, OK);
  cr_assert_eq(room->ask_count, 2);
  cr_assert_str_eq(room->asks[1].players[0], "cat");
  cr_assert_eq(room->asks[1].token, 2);
  cr_assert_str_neq(room->asks[1].id, room->asks[0].id);
  harness_close(room);
}

Test(lua_elsewhere, the_example_of_the_docs_is_the_one_that_is_tested) {
  struct buf texts[2] = {{0}, {0}};
  const char *const paths[] = {"tests/kinds/lua/pairs.lua", "docs/writing-a-kind-in-lua.md"};
  for (int i = 0; i < 2; i++) {
    FILE *file = fopen(paths[i], "r");
    cr_assert_not_null(file, "%s", paths[i]);
    texts[i].len = fread(buf_reserve(&texts[i], 1u << 16), 1, 1u << 16, file);
    fclose(file);
  }
  cr_assert_not_null(strstr(buf_str(&texts[1]), buf_str(&texts[0])));
  buf_close(&texts[0]);
  buf_close(&texts[1]);
}

/* ---- asking ---- */

/* Does what the command says: `how` is a method, with a room and a table. */
#define ASKING                                                                                                       \
  "command = function(room, member, c)\n"                                                                            \
  "  local answers = array()\n"                                                                                      \
  "  for i = 1, c.times or 1 do answers[i] = room[c.how](room, c.room, c.ask) end\n"                                 \
  "  room.state.asked = (room.state.asked or 0) + 1\n"                                                               \
  "  if c.refuse then return nil, 'WRONG_STATE' end\n"                                                               \
  "  if c.fail then error('on purpose') end\n"                                                                       \
  "  return { answers = answers }\n"                                                                                 \
  "end,\n"                                                                                                           \
  "opened = function(room, token, id, code)\n"                                                                       \
  "  room.state.n = (room.state.n or 0) + 1\n"                                                                       \
  "  room:send_all({ token = token, id = id, code = code })\n"                                                       \
  "  if token == 13 then error('unlucky') end\n"                                                                     \
  "end"

static const char *result_of(struct room *room) {
  static char text[256];
  struct bytes result = buf_bytes(&harness_outcome(room, room->outcome_count)->result);
  snprintf(text, sizeof text, "%.*s", (int)result.len, result.len ? (const char *)result.data : "");
  return text;
}

Test(lua_elsewhere, seats_are_kept_in_a_room_that_is_there) {
  struct room *room = lua_room(ASKING);
  cr_assert_eq(lua_give(room, "p1",
                        "{\"how\":\"reserve_elsewhere\",\"room\":\"live/a\",\"ask\":{\"players\":[\"p2\",\"px\"],"
                        "\"keep_ms\":600000,\"token\":9007199254740992}}"),
               OK, "%s", lua_log());
  cr_assert_str_eq(result_of(room), "{\"answers\":[true]}");
  cr_assert_eq(room->ask_count, 1);
  cr_assert(!room->asks[0].open);
  cr_assert_str_eq(room->asks[0].id, "live/a");
  cr_assert_eq(room->asks[0].player_count, 2);
  cr_assert_str_eq(room->asks[0].players[1], "px");
  cr_assert_eq(room->asks[0].keep_ms, 600000);
  harness_answer(room, 0, HEYA__V1__ERROR__CODE__ROOM_NOT_FOUND);
  cr_assert_str_eq(lua_event(room), "{\"code\":\"ROOM_NOT_FOUND\",\"id\":\"live/a\",\"token\":9007199254740992}");
  harness_close(room);
}

Test(lua_elsewhere, what_is_asked_in_one_call_counts_at_once) {
  struct room *room = lua_room(ASKING);
  room->asks_max = 2;
  cr_assert_eq(
      lua_give(room, "p1", "{\"how\":\"reserve_elsewhere\",\"room\":\"live/a\",\"ask\":{\"keep_ms\":1},\"times\":3}"),
      OK, "%s", lua_log());
  cr_assert_str_eq(result_of(room), "{\"answers\":[true,true,false]}");
  cr_assert_eq(room->ask_count, 2);
  harness_close(room);
}

Test(lua_elsewhere, a_call_that_refuses_or_fails_asks_nothing) {
  struct room *room = lua_room(ASKING);
  cr_assert_eq(lua_give(room, "p1",
                        "{\"how\":\"reserve_elsewhere\",\"room\":\"live/a\",\"ask\":{\"keep_ms\":1},\"refuse\":1}"),
               WRONG_STATE);
  cr_assert_eq(
      lua_give(room, "p1", "{\"how\":\"open_elsewhere\",\"room\":\"live/a\",\"ask\":{\"keep_ms\":1},\"fail\":1}"),
      INTERNAL);
  cr_assert_eq(room->ask_count, 0);
  cr_assert_str_eq(lua_state(room), "{}");
  harness_close(room);
}

#define OPEN(room, options)                                                                                          \
  ("{\"how\":\"open_elsewhere\",\"room\":\"" room "\",\"ask\":{\"keep_ms\":1,\"options\":" options "}}")

Test(lua_elsewhere, options_are_written_as_the_other_kind_reads_them) {
  struct room *room = lua_room(ASKING);
  Heya__Kinds__Live__Options options = HEYA__KINDS__LIVE__OPTIONS__INIT;
  options.live_id = 7;
  struct buf packed = harness_packed(&options.base);
  static const char *const asks[] = {OPEN("live/a", "{\"live_id\":7}"), OPEN("dice/a", "{\"live_id\":7}"),
                                     OPEN("test/a", "{\"live_id\":7}"), OPEN("mine/a", "\"bytes\"")};
  for (size_t i = 0; i < 4; i++) cr_assert_eq(lua_give(room, "p1", asks[i]), OK, "%s", lua_log());
  cr_assert(bytes_equal(buf_bytes(&room->asks[0].options), buf_bytes(&packed)));
  cr_assert(bytes_equal_str(buf_bytes(&room->asks[1].options), "{\"live_id\":7}"));
  cr_assert(bytes_equal_str(buf_bytes(&room->asks[2].options), "{\"live_id\":7}"));
  cr_assert(bytes_equal_str(buf_bytes(&room->asks[3].options), "bytes"));
  buf_close(&packed);
  harness_close(room);
}

Test(lua_elsewhere, an_answer_whose_call_fails_changes_nothing_and_five_close_the_room) {
  struct room *room = lua_room(ASKING);
  cr_assert_eq(lua_give(room, "p1",
                        "{\"how\":\"reserve_elsewhere\",\"room\":\"live/a\",\"ask\":{\"keep_ms\":1,\"token\":13}}"),
               OK);
  harness_answer(room, 0, OK);
  cr_assert_eq(room->event_count, 0);
  cr_assert_str_eq(lua_state(room), "{\"asked\":1}");
  cr_assert_not_null(strstr(lua_log(), "call=opened error=\"/tmp/"), "%s", lua_log());
  for (int i = 0; i < 5; i++) { /* without the failovers in between, which forget that it failed */
    cr_assert_not(room->completed, "%d", i);
    room->kind->opened(room, 13, "live/a", OK);
  }
  cr_assert_eq(room->close_reason, HEYA__V1__CLOSE_REASON__FAILED);
  cr_assert_eq(lua_failures(), 6);
  harness_close(room);
}

/* ---- hostile arguments ---- */

#define FIRST  "the first argument must be a room's id"
#define SECOND "the second argument must be a table"

static const struct {
  const char *call, *complaint;
} wrong[] = {
    {"room:new_id()", "new_id: the argument must be the name of a kind"},
    {"room:new_id(5)", "new_id: the argument"},
    {"room:new_id('No')", "new_id: the argument"},
    {"room:new_id('a\\0b')", "new_id: the argument"},
    {"room:new_id(('a'):rep(17))", "new_id: the argument"},
    {"room.new_id()", "new_id: the argument"},
    {"room:open_elsewhere()", "open_elsewhere: " FIRST},
    {"room:open_elsewhere('chat')", "open_elsewhere: " FIRST},
    {"room:open_elsewhere('chat/' .. ('x'):rep(65), {})", "open_elsewhere: " FIRST},
    {"room:open_elsewhere('chat/a\\0', {})", "open_elsewhere: " FIRST},
    {"room:open_elsewhere({}, {})", "open_elsewhere: " FIRST},
    {"room:open_elsewhere('chat/a')", "open_elsewhere: " SECOND},
    {"room:open_elsewhere('chat/a', 5)", "open_elsewhere: " SECOND},
    {"room:reserve_elsewhere('chat/a', room)", "reserve_elsewhere: " SECOND},
    {"room:open_elsewhere('chat/a', {})", "open_elsewhere: 'keep_ms' must be a whole number from 1 to 600000"},
    {"room:open_elsewhere('chat/a', { keep_ms = 0 })", "open_elsewhere: 'keep_ms'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 600001 })", "open_elsewhere: 'keep_ms'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 0/0 })", "open_elsewhere: 'keep_ms'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1.5 })", "open_elsewhere: 'keep_ms'"},
    {"room:open_elsewhere('chat/a', { keep_ms = '9' })", "open_elsewhere: 'keep_ms'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, token = -1 })", "open_elsewhere: 'token'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, token = 1/0 })", "open_elsewhere: 'token'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, max_members = 2^32 })", "open_elsewhere: 'max_members'"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, keepms = 1 })", "open_elsewhere: 'keepms' is nothing"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, 'ann' })", "open_elsewhere: 'a number or the like' is nothing"},
    {"room:reserve_elsewhere('chat/a', { keep_ms = 1, options = {} })", "reserve_elsewhere: 'options' is nothing"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, options = 5 })", "open_elsewhere: 'options' must be a table"},
    {"room:open_elsewhere('live/a', { keep_ms = 1, options = { nope = 1 } })", "nope: unknown field"},
    {"room:open_elsewhere('dice/a', { keep_ms = 1, options = { f = print } })", "f"},
    {"room:open_elsewhere('dice/a', { keep_ms = 1, options = ('x'):rep(2^18 + 1) })", "'options' are over 256 KiB"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, players = 'ann' })", "open_elsewhere: 'players' must be an array"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, players = { {} } })", "open_elsewhere: 'players[1]' is no member"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, players = { 'a', '' } })", "open_elsewhere: 'players[2]' is no"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, players = { 'a\\0b' } })", "open_elsewhere: 'players[1]' is no"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, players = { ('x'):rep(65) } })", "'players[1]' is no member"},
    {"room:open_elsewhere('chat/a', { keep_ms = 1, players = { 'p1', member } })", "'players[2]' is named twice"},
    {"local t = {} for i = 1, 257 do t[i] = 'p' .. i end room:open_elsewhere('chat/a', { keep_ms = 1, players = t })",
     "open_elsewhere: more than 256 players"},
    {"for i = 1, 9 do room:open_elsewhere('a/a', { keep_ms = 1, options = ('x'):rep(2^18) }) end for i = 1, 9 do "
     "room:open_elsewhere('a/a', { keep_ms = 1, options = ('x'):rep(2^18) }) end",
     "more than 4 MiB"},
    {"room:send_all({ t = ('x'):rep(2^18 + 1) })", "over 256 KiB"},
    {"room:send_one('px', {})", "send_one: 'px' is no member"},
    {"room:send_except(5, {})", "send_except: expected a member or a player id, not number"},
    {"room:send_only({ 'p1', 'px' }, {})", "send_only: 'px' is no member"},
    {"room:result_show('', 'x')", "'result_show' (expected a member or a player id)"},
};

Test(lua_elsewhere, arguments_that_make_no_sense_are_errors_that_name_the_function) {
  struct buf text = {0};
  buf_append_str(&text, "command = function(room, member, command)\nlocal calls = {\n");
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) buf_printf(&text, "function() %s end,\n", wrong[i].call);
  buf_append_str(&text,
                 "}\nlocal fine, why = pcall(calls[command.n])\nreturn { why = fine and 'nothing' or why }\nend");
  struct room *room = lua_room(buf_str(&text));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char command[32];
    snprintf(command, sizeof command, "{\"n\":%zu}", i + 1);
    cr_assert_eq(lua_give(room, "p1", command), OK, "%s: %s", wrong[i].call, lua_log());
    cr_assert_not_null(strstr(result_of(room), wrong[i].complaint), "%s: %s", wrong[i].call, result_of(room));
  }
  cr_assert_eq(room->ask_count, 16); /* those of the call that was too much, without the one that was */
  cr_assert_eq(room->event_count, 0);
  buf_close(&text);
  harness_close(room);
}

Test(lua_elsewhere, what_only_looks_asks_nothing) {
  const struct kind *kind = lua_text("return { name = 'test', command = function() end,\n"
                                     "snapshot = function(room) return { id = room:new_id('chat') } end,\n"
                                     "describe = function(room) room:open_elsewhere('chat/a', { keep_ms = 1 }) end }",
                                     LUA_LIMITS);
  kind_code code;
  char value[PROPERTY_VALUE_MAX + 1];
  struct room *room = harness_open(kind, bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  cr_assert_str_eq(lua_state(room), "");
  cr_assert_not(harness_property(room, "n", value));
  cr_assert_not_null(strstr(lua_log(), "snapshot only looks"));
  cr_assert_not_null(strstr(lua_log(), "describe only looks"));
  cr_assert_eq(room->ask_count, 0);
  harness_close(room);
}

/* Whatever a script gives them, in any place. */
Test(lua_elsewhere, any_arguments_are_survived) {
  struct room *room = lua_room(
      "command = function(room, member, command)\n"
      "  local function any(depth)\n"
      "    local kinds = { 0, -1, 1.5, 2^53, 2^60, 0/0, 1/0, '', 'chat', 'chat/a', 'live/\\0', 'p1', '\\255', true,\n"
      "      false, room, member, print, ('x'):rep(300) }\n"
      "    local i = room:random(#kinds + 6)\n"
      "    if i <= #kinds then return kinds[i] end\n"
      "    if i > #kinds + 4 or depth > 3 then return nil end\n"
      "    local names, t = { 'players', 'keep_ms', 'token', 'options', 'max_members', 1, 2, 3, 'live_id' }, {}\n"
      "    for n = 1, room:random(4) do t[names[room:random(#names)]] = any(depth + 1) end\n"
      "    if room:random(2) == 1 then t.keep_ms = 5 end\n"
      "    return t\n"
      "  end\n"
      "  local methods = { 'open_elsewhere', 'reserve_elsewhere', 'new_id', 'send_only', 'send_one', 'send_except',\n"
      "    'result_show', 'set_options', 'complete', 'timer_cancel', 'deadline_show' }\n"
      "  for i = 1, 200 do\n"
      "    local ids = { 'chat/a', 'live/b', any(0) }\n"
      "    local method = methods[room:random(#methods - (i < 190 and 6 or 0))]\n"
      "    if method ~= 'complete' then pcall(room[method], room, ids[room:random(3)], any(0), any(0)) end\n"
      "  end\n"
      "end");
  room->asks_max = 1000000;
  for (int i = 0; i < 200; i++) {
    kind_code code = lua_give(room, "p1", "{}");
    cr_assert(code == OK || code == INTERNAL);
    harness_forget_events(room);
  }
  cr_assert_gt(room->ask_count, 50);
  harness_close(room);
}
