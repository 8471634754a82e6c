/* The keys of a table in one order, whatever its history: numbers, then texts byte by byte. For what is written of a
 * table, so that equal tables give equal bytes. */
#ifndef HEYA_WORKER_LUA_SCRIPT_KEYS_H
#define HEYA_WORKER_LUA_SCRIPT_KEYS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct script_key {
  const char *text; /* NULL: a number. Valid as long as the table has the key */
  size_t len;
  double number;
};

/* `n` keys, without 1 to `skip`, in memory of Lua's that is pushed; the table is at the absolute `index`. NULL, with
 * the type's name in *odd and nothing pushed, if a key is neither number nor text. */
struct script_key *script_keys_push(lua_State *L, int index, size_t skip, size_t *n, const char **odd);

/* Pushes its value. */
void script_key_get(lua_State *L, int index, const struct script_key *key);

/* How many of 1, 2, 3 ... are there without a hole. */
size_t script_keys_sequence(lua_State *L, int index);

/* < 0, 0, > 0 */
int script_key_compare(const struct script_key *a, const struct script_key *b);

#endif
