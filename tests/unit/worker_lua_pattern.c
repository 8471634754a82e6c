/* Promises of the bounded pattern matcher: what Lua's own finds, and an end in any case. */
#include "worker/lua/script_pattern.h"

#include <criterion/criterion.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

static enum pattern_found find(struct pattern *pattern, const char *subject, const char *text, uint64_t steps) {
  *pattern = (struct pattern){.subject = bytes_of_str(subject), .text = bytes_of_str(text), .steps = steps};
  return pattern_find(pattern, 0);
}

static uint32_t dice(uint64_t *seed, uint32_t sides) {
  *seed ^= *seed >> 12;
  *seed ^= *seed << 25;
  *seed ^= *seed >> 27;
  return (uint32_t)((*seed * 0x2545F4914F6CDD1DULL) >> 33) % sides;
}

static size_t random_text(uint64_t *seed, const char *alphabet, size_t max, char *out) {
  size_t len = dice(seed, (uint32_t)max + 1);
  for (size_t i = 0; i < len; i++) out[i] = alphabet[dice(seed, (uint32_t)strlen(alphabet))];
  out[len] = '\0';
  return len;
}

/* Captures as the values of string.find: text or position. */
static bool same_capture(lua_State *L, int index, const struct pattern *pattern, size_t i) {
  const struct pattern_capture *capture = &pattern->captures[i];
  if (capture->what == CAPTURE_POSITION)
    return lua_type(L, index) == LUA_TNUMBER && lua_tointeger(L, index) == (lua_Integer)capture->from + 1;
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  return lua_type(L, index) == LUA_TSTRING && len == capture->len &&
         memcmp(text, (const char *)pattern->subject.data + capture->from, len) == 0;
}

Test(worker_lua_pattern, finds_what_lua_finds) {
  lua_State *L = luaL_newstate();
  uint64_t seed = 1;
  int found_some = 0, wrong_some = 0;
  luaL_openlibs(L);
  for (int i = 0; i < 200000; i++) {
    char subject[12], text[12];
    struct pattern pattern;
    random_text(&seed, "aab(.1 ", 10, subject);
    random_text(&seed, i % 2 ? "aab.%*+-?()[]^$fbs1" : "aab.*+-?()%a", 9, text);
    enum pattern_found found = find(&pattern, subject, text, 1000000);
    if (!strpbrk(text, "^$*+?.([%-")) continue; /* to string.find it is plain text */
    lua_settop(L, 0);
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "find");
    lua_pushstring(L, subject);
    lua_pushstring(L, text);
    bool fine = lua_pcall(L, 2, LUA_MULTRET, 0) == 0;
    cr_assert_eq(found == PATTERN_WRONG, !fine, "'%s' in '%s': %s", text, subject,
                 fine ? pattern.fault : lua_tostring(L, -1));
    wrong_some += !fine;
    if (!fine) continue;
    cr_assert_eq(found == PATTERN_FOUND, lua_type(L, 2) == LUA_TNUMBER, "'%s' in '%s'", text, subject);
    if (found != PATTERN_FOUND) continue;
    found_some++;
    cr_assert_eq(pattern.from + 1, (size_t)lua_tointeger(L, 2), "'%s' in '%s'", text, subject);
    cr_assert_eq(pattern.end, (size_t)lua_tointeger(L, 3), "'%s' in '%s'", text, subject);
    cr_assert_eq((int)pattern.n_captures, lua_gettop(L) - 3, "'%s' in '%s'", text, subject);
    for (size_t c = 0; c < pattern.n_captures; c++)
      cr_assert(same_capture(L, (int)c + 4, &pattern, c), "'%s' in '%s'", text, subject);
  }
  cr_assert_gt(found_some, 10000);
  cr_assert_gt(wrong_some, 10000);
  lua_close(L);
}

Test(worker_lua_pattern, ends_when_its_steps_are_spent) {
  struct pattern pattern;
  char subject[64] = {0}, text[192] = {0};
  memset(subject, 'a', 40);
  for (int i = 0; i < 40; i++) strcat(text, "a?");
  strcat(text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
  cr_assert_eq(find(&pattern, subject, text, 100000), PATTERN_SPENT);
  cr_assert_eq(pattern.steps, 0);
  cr_assert_eq(find(&pattern, subject, ".*.*.*.*.*b", 1000), PATTERN_SPENT);
  cr_assert_eq(find(&pattern, subject, "a", 0), PATTERN_SPENT);
  cr_assert_eq(find(&pattern, subject, "a*", 1000), PATTERN_FOUND);
  cr_assert_gt(pattern.steps, 900);
}

Test(worker_lua_pattern, refuses_what_is_too_long_or_nested_too_deep) {
  struct pattern pattern;
  char text[PATTERN_MAX + 2] = {0};
  memset(text, 'a', PATTERN_MAX + 1);
  cr_assert_eq(find(&pattern, "a", text, 1000), PATTERN_WRONG);
  memset(text, 0, sizeof text);
  for (int i = 0; i < 250; i += 2) memcpy(text + i, "a*", 2);
  cr_assert_eq(find(&pattern, "", text, 1000000), PATTERN_FOUND);
  memset(text, '(', 33);
  cr_assert_eq(find(&pattern, "a", text, 1000), PATTERN_WRONG);
  cr_assert_str_eq(pattern.fault, "too many captures");
}
