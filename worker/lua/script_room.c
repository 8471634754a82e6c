/* See worker/lua/script_room.h. */
#include "worker/lua/script_room.h"
#include "worker/lua/script_state.h"

#include <lauxlib.h>

#define IMAGE_VERSION 1
#define IMAGE_HEAD    9 /* the version, and the sequence's number */

void script_room_put_head(struct buf *out, uint64_t random) {
  buf_append_char(out, IMAGE_VERSION);
  for (int i = 0; i < 8; i++) buf_append_char(out, (char)(random >> (8 * i)));
}

void script_room_seed(struct script_room *self, uint64_t seed) {
  self->random = seed ? seed : 1;
  buf_clear(&self->image);
  script_room_put_head(&self->image, self->random);
  buf_append(&self->image, "{\0\0", 3); /* an empty table */
}

/* The state of the image into the registry. */
static int load_state(lua_State *L) {
  const struct script_room *self = lua_touserdata(L, 1);
  const unsigned char *image = self->image.data;
  if (!script_state_push(L, bytes_of(image + IMAGE_HEAD, self->image.len - IMAGE_HEAD)))
    return luaL_error(L, "the state cannot be read");
  lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_STATE);
  return 0;
}

static bool read_head(struct script_room *self) {
  const struct buf *image = &self->image;
  self->random = 0;
  if (image->len <= IMAGE_HEAD || image->data[0] != IMAGE_VERSION) return false;
  for (int i = 0; i < 8; i++) self->random |= (uint64_t)image->data[1 + i] << (8 * i);
  return self->random != 0;
}

void script_room_report(const struct script *script, const struct room *room, const char *what, const char *error) {
  if (script->voice->failures) (*script->voice->failures)++;
  log_limited(script->voice->log, &script->voice->failed, LOG_LEVEL_ERROR, "script_failed", F_S("kind", script->name),
              F_S("room", room_id(room)), F_S("call", what), F_S("error", error));
}

bool script_room_start(const struct script *script, struct script_room *self, struct room *room) {
  char error[SCRIPT_ERROR_MAX] = "the image cannot be read";
  self->room = room;
  script_vm_close(&self->vm);
  if (read_head(self) && script_start(script, &self->vm, error) && script_vm_run(&self->vm, load_state, self, error))
    return true;
  script_vm_close(&self->vm);
  script_room_report(script, room, "load", error);
  return false;
}
