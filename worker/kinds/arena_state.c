/* An arena's state as bytes: for its next owner, and for who joins. What is loaded is as hostile as anything else
 * from Redis: only what the rules in arena.c can reach is accepted. */
#include "worker/kinds/arena.h"

#include "proto/codec.h"
#include "proto/kinds/saved.pb-c.h"
#include <string.h>

/* ---- showing ---- */

void arena_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  struct arena_game *game = room_state(room);
  const struct arena_fighter *own = viewer ? arena_find(game, member_player(viewer)) : NULL;
  Heya__Kinds__Arena__State state = HEYA__KINDS__ARENA__STATE__INIT;
  Heya__Kinds__Arena__Fighter fighters[ARENA_FIGHTERS_MAX], *list[ARENA_FIGHTERS_MAX];
  state.options = &game->options;
  state.frame = room_frame(room);
  state.fighters = list;
  for (uint32_t i = 0; i < game->fighter_count; i++) {
    if (own && !arena_sees(game, own, &game->fighters[i])) continue;
    arena_fighter_message(&game->fighters[i], &fighters[i]);
    list[state.n_fighters++] = &fighters[i];
  }
  arena_pack(out, &state.base);
}

/* ---- saving ---- */

static void fighter_save(struct arena_fighter *fighter, Heya__Kinds__Saved__Fighter *saved,
                         Heya__Kinds__Saved__Shown *shown) {
  heya__kinds__saved__fighter__init(saved);
  heya__kinds__saved__shown__init(shown);
  saved->player = fighter->player;
  saved->x = fighter->now.x;
  saved->y = fighter->now.y;
  saved->hp = fighter->now.hp;
  saved->score = fighter->score;
  saved->run_x = fighter->run_x;
  saved->run_y = fighter->run_y;
  saved->ready_frame = fighter->ready_frame;
  if (!fighter->is_shown) return;
  shown->x = fighter->shown.x;
  shown->y = fighter->shown.y;
  shown->hp = fighter->shown.hp;
  saved->shown = shown;
}

void arena_save(struct room *room, struct buf *out) {
  struct arena_game *game = room_state(room);
  Heya__Kinds__Saved__Arena saved = HEYA__KINDS__SAVED__ARENA__INIT;
  Heya__Kinds__Saved__Fighter fighters[ARENA_FIGHTERS_MAX], *list[ARENA_FIGHTERS_MAX];
  Heya__Kinds__Saved__Shown shown[ARENA_FIGHTERS_MAX];
  saved.spawned = game->spawned;
  saved.fighters = list;
  saved.n_fighters = game->fighter_count;
  for (uint32_t i = 0; i < game->fighter_count; i++) {
    fighter_save(&game->fighters[i], &fighters[i], &shown[i]);
    list[i] = &fighters[i];
  }
  arena_pack(out, &saved.base);
}

/* ---- loading ---- */

static bool figure_load(struct arena_figure *figure, const Heya__Kinds__Arena__Options *options, uint32_t x,
                        uint32_t y, uint32_t hp) {
  *figure = (struct arena_figure){.x = x, .y = y, .hp = hp};
  return x <= options->width * ARENA_UNIT && y <= options->height * ARENA_UNIT && hp <= options->max_hp;
}

static bool run_is_sane(int64_t x, int64_t y) {
  return x >= -ARENA_SPEED && x <= ARENA_SPEED && y >= -ARENA_SPEED && y <= ARENA_SPEED &&
         x * x + y * y <= (int64_t)ARENA_SPEED * ARENA_SPEED;
}

static bool fighter_load(struct arena_game *game, const Heya__Kinds__Saved__Fighter *saved) {
  struct arena_fighter *fighter = &game->fighters[game->fighter_count];
  const Heya__Kinds__Saved__Shown *shown = saved->shown;
  if (!player_is_valid(saved->player, strlen(saved->player)) || arena_find(game, saved->player)) return false;
  if (!figure_load(&fighter->now, &game->options, saved->x, saved->y, saved->hp)) return false;
  if (shown && !figure_load(&fighter->shown, &game->options, shown->x, shown->y, shown->hp)) return false;
  if (!run_is_sane(saved->run_x, saved->run_y)) return false;
  memcpy(fighter->player, saved->player, strlen(saved->player));
  fighter->is_shown = shown != NULL;
  fighter->run_x = saved->run_x;
  fighter->run_y = saved->run_y;
  fighter->ready_frame = saved->ready_frame;
  fighter->score = saved->score;
  game->fighter_count++;
  return true;
}

/* The rules count on it that each member has a fighter, and each fighter is a member's. */
bool arena_load(struct room *room, struct bytes bytes) {
  struct arena_game *game = room_state(room);
  struct kind_reply nobody = {.message = ""};
  ProtobufCMessage *message = NULL;
  if (!arena_options_take(room, room_options(room), &nobody)) return false;
  if (codec_unpack(&codec_limits_internal, &heya__kinds__saved__arena__descriptor, room_arena(room), bytes.data,
                   bytes.len, &message) != CODEC_OK)
    return false;
  const Heya__Kinds__Saved__Arena *saved = (const Heya__Kinds__Saved__Arena *)message;
  if (saved->n_fighters != room_member_count(room) || saved->n_fighters > ARENA_FIGHTERS_MAX) return false;
  for (size_t i = 0; i < saved->n_fighters; i++)
    if (!room_member(room, saved->fighters[i]->player) || !fighter_load(game, saved->fighters[i])) return false;
  game->spawned = saved->spawned;
  return true;
}
