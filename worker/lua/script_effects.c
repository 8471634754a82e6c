/* See worker/lua/script_effects.h. */
#include "worker/lua/script_effects.h"
#include "common/mem.h"

#include <assert.h>

struct script_effect *script_effects_add(struct script_effects *effects, enum script_effect_what what) {
  if (effects->n == SCRIPT_EFFECTS_MAX) return NULL;
  if (effects->n == effects->cap) {
    effects->cap = effects->cap ? 2 * effects->cap : 8;
    effects->items = xrealloc(effects->items, effects->cap * sizeof *effects->items);
  }
  struct script_effect *effect = &effects->items[effects->n++];
  *effect = (struct script_effect){.what = what, .member = effects->n_members, .from = effects->bytes.len};
  return effect;
}

void script_effects_drop(struct script_effects *effects, const struct script_effect *effect) {
  effects->bytes.len = effect->from;
  effects->n_members = effect->member;
  effects->n--;
}

bool script_effects_carry(struct script_effects *effects, struct script_effect *effect, struct bytes bytes) {
  if (bytes.len > SCRIPT_EFFECTS_BYTES_MAX - effects->bytes.len) return false;
  buf_append_bytes(&effects->bytes, bytes);
  effect->len = bytes.len;
  return true;
}

void script_effects_concern(struct script_effects *effects, struct script_effect *effect, struct member *member) {
  if (effects->n_members == effects->cap_members) {
    effects->cap_members = effects->cap_members ? 2 * effects->cap_members : 8;
    effects->members = xrealloc(effects->members, effects->cap_members * sizeof(struct member *));
  }
  effects->members[effects->n_members++] = member;
  effect->n_members++;
}

/* Who asked was told that it would be: script_api_ask.c has checked what is checked here. */
static void apply_ask(const struct script_effect *effect, struct bytes carried, struct room *room) {
  const struct script_ask *ask = &effect->ask;
  const char *players[ROOM_ASK_SEATS_MAX], *at = carried.len ? (const char *)carried.data + ask->options_len : "";
  struct kind_seats seats = {.players = players, .n = ask->n_players, .keep_ms = effect->at_ms};
  struct bytes options = bytes_of(carried.data, ask->options_len);
  for (size_t i = 0; i < ask->n_players; i++, at += strlen(at) + 1) players[i] = at;
  bool asked = effect->what == EFFECT_OPEN_ELSEWHERE
                   ? room_open_elsewhere(room, ask->room, options, ask->max_members, &seats, ask->token)
                   : room_reserve_elsewhere(room, ask->room, &seats, ask->token);
  assert(asked);
  (void)asked;
}

static void apply(const struct script_effects *effects, const struct script_effect *effect, struct room *room) {
  struct bytes carried = bytes_of(effects->bytes.len ? effects->bytes.data + effect->from : NULL, effect->len);
  struct member *const *members = effects->members ? effects->members + effect->member : NULL;
  switch (effect->what) {
  case EFFECT_SEND_ALL: room_send_all(room, carried); break;
  case EFFECT_SEND_EXCEPT: room_send_except(room, members[0], carried); break;
  case EFFECT_SEND_ONLY: room_send_only(room, members, effect->n_members, carried); break;
  case EFFECT_TIMER_SET: room_timer_set(room, effect->number, effect->at_ms); break;
  case EFFECT_TIMER_CANCEL: room_timer_cancel(room, effect->number); break;
  case EFFECT_LOCK: room_lock(room, effect->number != 0); break;
  case EFFECT_COMPLETE: room_complete(room, (Heya__V1__CloseReason)effect->number); break;
  case EFFECT_SET_OPTIONS: room_set_options(room, carried); break;
  case EFFECT_SET_TICK_HZ: room_set_tick_hz(room, effect->number); break;
  case EFFECT_DEADLINE_SHOW: room_deadline_show(room, effect->number, effect->at_ms); break;
  case EFFECT_DEADLINE_HIDE: room_deadline_hide(room); break;
  case EFFECT_RESULT_SHOW:
    room_result_show(room, effect->player, "%.*s", (int)carried.len, carried.len ? (const char *)carried.data : "");
    break;
  case EFFECT_RESULTS_HIDE: room_results_hide(room); break;
  case EFFECT_OPEN_ELSEWHERE:
  case EFFECT_RESERVE_ELSEWHERE: apply_ask(effect, carried, room); break;
  }
}

void script_effects_apply(const struct script_effects *effects, struct room *room) {
  for (size_t i = 0; i < effects->n; i++) apply(effects, &effects->items[i], room);
}

void script_effects_close(struct script_effects *effects) {
  free(effects->items);
  free(effects->members);
  buf_close(&effects->bytes);
  *effects = (struct script_effects){.n = 0};
}
