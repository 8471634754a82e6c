/* Promises of the sandbox of kinds in Lua: what is not there, and that bounds cannot be caught. */
#include "tests/kinds/lua_table.h"
#include <stdio.h>

#define OK       HEYA__V1__ERROR__CODE__OK
#define INTERNAL HEYA__V1__ERROR__CODE__INTERNAL

/* A bound that does not hold shows as a test that does not end. */
TestSuite(lua_sandbox, .timeout = 120);

/* What this command says, as JSON; an expression of a table. */
static const char *answer(const char *expression) {
  char functions[4096];
  snprintf(functions, sizeof functions,
           "command = function(room, member, command)\n room:send_all({ answer = %s })\n end", expression);
  struct room *room = lua_room(functions);
  kind_code code = lua_give(room, "p1", "{}");
  static char text[1024];
  snprintf(text, sizeof text, "%s", lua_event(room));
  cr_assert_eq(code, OK, "%s: %s", expression, lua_log());
  harness_close(room);
  return text;
}

/* A command with this body fails, for this reason. */
static void fails(const char *body_text, const char *reason) {
  char functions[4096];
  snprintf(functions, sizeof functions, "command = function(room, member, command)\n room.state.x = 1\n%s\nend",
           body_text);
  struct room *room = lua_room(functions);
  cr_assert_eq(lua_give(room, "p1", "{}"), INTERNAL, "%s", body_text);
  cr_assert_not_null(strstr(lua_log(), reason), "%s: %s", body_text, lua_log());
  cr_assert_str_eq(lua_state(room), "{}", "%s", body_text);
  cr_assert_eq(room->event_count, 0);
  harness_close(room);
}

Test(lua_sandbox, has_nothing_that_reaches_out) {
  const char *const names[] = {"io",
                               "os",
                               "ffi",
                               "debug",
                               "package",
                               "require",
                               "module",
                               "load",
                               "loadstring",
                               "loadfile",
                               "dofile",
                               "collectgarbage",
                               "getfenv",
                               "setfenv",
                               "newproxy",
                               "jit",
                               "coroutine",
                               "xpcall",
                               "rawset",
                               "_G",
                               "gcinfo",
                               "string.dump",
                               "string.gfind",
                               "math.randomseed",
                               "table.foreach",
                               "bit.nothing"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char expression[64];
    snprintf(expression, sizeof expression, "tostring(%s)", names[i]);
    cr_assert_str_eq(answer(expression), "{\"answer\":\"nil\"}", "%s", names[i]);
  }
}

Test(lua_sandbox, has_no_way_around_what_is_missing) {
  cr_assert_str_eq(answer("tostring((''):rep(0).dump)"), "{\"answer\":\"nil\"}");
  cr_assert_str_eq(answer("tostring(getmetatable(''))"), "{\"answer\":\"false\"}");
  cr_assert_str_eq(answer("tostring(getmetatable(room))"), "{\"answer\":\"false\"}");
  cr_assert_str_eq(answer("tostring(getmetatable(member))"), "{\"answer\":\"false\"}");
  cr_assert_str_eq(answer("tostring(getmetatable(math))"), "{\"answer\":\"false\"}");
  fails("setmetatable(string, {})", "protected metatable");
  fails("string.find = nil", "'find' cannot be set here");
  fails("counter = 1", "'counter' cannot be set here");
  fails("math.pi = 3", "test.lua:3: 'pi' cannot be set here");
  fails("room.time_ms = nil", "room.time_ms cannot be set");
  fails("room.state = 5", "room.state is a table");
  fails("getmetatable(array{}).x = 1", "attempt to index");
  fails("local f = room.send_all; f(5)", "test.lua:3");
}

Test(lua_sandbox, ends_what_does_not_end) {
  fails("while true do end", "over --lua-budget");
  fails("local function f() return f() end f()", "over --lua-budget");
  fails("repeat local s = 'a' until s == 'b'", "test.lua:3: it takes too long");
  fails("for i = 1, 1e15 do end", "over --lua-budget");
  fails("local function f() f() end f()", "stack overflow");
  fails("local function f() return (('a'):gsub('a', f)) end f()", "stack overflow");
  fails("local t = setmetatable({}, { __index = function(t) return (('a'):gsub('a', t)) end }) return t.x",
        "stack overflow");
  fails("local t, n = {1, 2, 3}, 0 local function f() table.sort(t, f) end f()", "");
  fails("local function f() return pcall(string.gsub, 'a', 'a', f) end for i = 1, 1e9 do f() end",
        "over --lua-budget");
  fails("local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]", "test.lua:3");
  fails("table.sort({3, 2, 1}, function() while true do end end)", "over --lua-budget");
  fails("('x'):gsub('x', function() while true do end end)", "over --lua-budget");
}

Test(lua_sandbox, lets_nobody_catch_the_end_of_a_budget) {
  fails("while true do pcall(function() while true do end end) end", "over --lua-budget");
  fails("pcall(function() while true do end end) room:send_all({})", "over --lua-budget");
  fails("pcall(pcall, pcall, function() while true do end end)", "over --lua-budget");
  fails("setmetatable({}, {__tostring = function() pcall(function() while true do end end) return '' end})\n"
        "pcall(tostring, setmetatable({}, {__tostring = function() while true do end end}))",
        "over --lua-budget");
  fails("pcall(function() local s = ('a'):rep(2^19) for i = 1, 1e6 do s = s .. 'x' end end)", "over --lua-");
  fails("pcall(string.find, ('a'):rep(1000), ('a?'):rep(64) .. ('a'):rep(64) .. 'b')", "over --lua-budget");
  fails("local function again() local ok = pcall(again) return again() end again()", "over --lua-budget");
}

Test(lua_sandbox, lets_scripts_catch_their_own_errors) {
  cr_assert_str_eq(answer("(function() local ok, why = pcall(error, 'so') return {ok, why} end)()"),
                   "{\"answer\":[false,\"so\"]}");
  cr_assert_str_eq(answer("{pcall(function(a, b) return b, a end, 1, 2)}"), "{\"answer\":[true,2,1]}");
  cr_assert_str_eq(answer("select('#', pcall(error))"), "{\"answer\":2}");
}

Test(lua_sandbox, caps_memory_and_lets_nobody_catch_it) {
  const struct kind *kind = lua_text("return { name = 'test', command = function(room)\n"
                                     "  local t = {}\n"
                                     "  pcall(function() for i = 1, 1e9 do t[i] = i end end)\n"
                                     "  room:send_all({ n = #t })\n"
                                     "end, snapshot = function(room) return room.state end }",
                                     (struct script_limits){.budget = 1000000000, .memory = 1u << 20});
  kind_code code;
  struct room *room = harness_open(kind, bytes_of(NULL, 0), 1, &code);
  cr_assert_eq(code, OK);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  for (int i = 0; i < 20; i++) cr_assert_eq(lua_give(room, "p1", "{}"), INTERNAL);
  cr_assert_eq(room->event_count, 0);
  cr_assert_not_null(strstr(lua_log(), "test.lua:3: it takes too much memory: over --lua-memory"), "%s", lua_log());
  harness_close(room);
}

Test(lua_sandbox, counts_what_is_allocated_and_what_our_own_functions_do) {
  fails("for i = 1, 1e6 do local s = ('x'):rep(2^20) end", "over --lua-budget");
  fails("for i = 1, 1e6 do local t = {} for j = 1, 100 do t[j] = j end end", "over --lua-budget");
  fails("local s = ('ab'):rep(2^18) for i = 1, 1e6 do s:upper() end", "over --lua-budget");
  fails("local s = ('ab'):rep(2^18) for i = 1, 1e6 do s:find('ba', 1, true) end", "over --lua-budget");
  fails("local s = ('ab'):rep(2^18) for i = 1, 1e6 do s:gsub('.', '%0') end", "over --lua-budget");
  fails("local t = {} for i = 1, 50000 do t[i] = i end for i = 1, 1e6 do table.insert(t, 1, 0) end",
        "over --lua-budget");
  fails("return ('x'):rep(2^21)", "resulting string too long");
  fails("return ('xx'):rep(1e300)", "resulting string too long");
  cr_assert_str_eq(answer("#(''):rep(1e300) + #('x'):rep(-1) + #('x'):rep(2^20)"), "{\"answer\":1048576}");
}

Test(lua_sandbox, ends_patterns_that_blow_up) {
  fails("return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30) .. 'b')", "over --lua-budget");
  fails("return ('a'):rep(2000):match('.-.-.-.-.-.-b')", "over --lua-budget");
  fails("return ('a'):rep(20000):gsub('a*a*a*b', '')", "over --lua-budget");
  fails("return ('('):rep(2^19):gsub('%b()', '')", "over --lua-budget");
  fails("for _ in ('a'):rep(20000):gmatch('.*.*.*b') do end", "over --lua-budget");
  fails("return ('x'):find(('x-'):rep(200))", "pattern too long");
  fails("return ('x'):find(('('):rep(40))", "captures");
}

Test(lua_sandbox, has_what_is_harmless) {
  cr_assert_str_eq(answer("{('k=v, a=b'):match('(%w+)=(%w+), (%w+)')}"), "{\"answer\":[\"k\",\"v\",\"a\"]}");
  cr_assert_str_eq(answer("{('hello world'):gsub('o', {o = '0'})}"), "{\"answer\":[\"hell0 w0rld\",2]}");
  cr_assert_str_eq(answer("bit.band(12, 10)"), "{\"answer\":8}");
  cr_assert_str_eq(answer("string.format('%05.1f|%s|%q', 3.14159, true, 'x')"),
                   "{\"answer\":\"003.1|true|\\\"x\\\"\"}");
  cr_assert_str_eq(answer("{text.valid('a\\nb'), text.valid('a\\nb', true), text.cut('\xe8\x8c\xb6!', 2)}"),
                   "{\"answer\":[false,true,\"\"]}");
  cr_assert_str_eq(answer("(function() local t = {3, 1, 2} table.sort(t) return table.concat(t, ',') end)()"),
                   "{\"answer\":\"1,2,3\"}");
}

Test(lua_sandbox, keeps_rooms_apart) {
  const char *functions = "command = function(room, member, command)\n"
                          "  local seen = next(room.state) ~= nil\n"
                          "  room.state.mark = true\n"
                          "  room:send_all({ seen = seen })\n"
                          "end";
  struct room *one = lua_room(functions);
  kind_code code;
  struct room *other = harness_open(one->kind, bytes_of(NULL, 0), 1, &code);
  harness_join(other, "p1", "Ann", bytes_of(NULL, 0));
  cr_assert_eq(lua_give(one, "p1", "{}"), OK);
  cr_assert_eq(lua_give(other, "p1", "{}"), OK);
  cr_assert_str_eq(lua_event(other), "{\"seen\":false}");
  cr_assert_eq(lua_give(one, "p1", "{}"), OK);
  cr_assert_str_eq(lua_event(one), "{\"seen\":true}");
  harness_close(one);
  harness_close(other);
}

Test(lua_sandbox, draws_random_numbers_that_a_failover_does_not_change) {
  /* The harness fails over after each command; a second room goes the same way. */
  const char *functions = "command = function(room)\n"
                          "  room:send_all({ n = { room:random(6), math.random(10, 12), room:random() < 1 } })\n"
                          "end";
  struct room *one = lua_room(functions), *other = lua_room(functions);
  bool differ = false;
  char first[128] = "";
  for (int i = 0; i < 20; i++) {
    char text[128];
    cr_assert_eq(lua_give(one, "p1", "{}"), OK);
    cr_assert_eq(lua_give(other, "p1", "{}"), OK);
    snprintf(text, sizeof text, "%s", lua_event(one));
    cr_assert_str_eq(lua_event(other), text);
    if (i == 0) memcpy(first, text, sizeof first);
    differ |= strcmp(first, text) != 0;
  }
  cr_assert(differ);
  harness_close(one);
  harness_close(other);
}
