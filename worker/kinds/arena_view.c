/* Who is told what of an arena: per frame the difference to the last one, to everybody or, where sight is limited, to
 * each what he sees.
 *
 * Each fighter carries what was last shown of him, so who was in whose sight is known without a list of it: they were
 * if what was shown of them was near enough.
 */
#include "worker/kinds/arena.h"

#include <string.h>

void arena_pack(struct buf *out, const ProtobufCMessage *message) {
  out->len += protobuf_c_message_pack(message, buf_reserve(out, protobuf_c_message_get_packed_size(message)));
}

void arena_fighter_message(struct arena_fighter *fighter, Heya__Kinds__Arena__Fighter *message) {
  heya__kinds__arena__fighter__init(message);
  message->player = fighter->player;
  message->x = fighter->now.x;
  message->y = fighter->now.y;
  message->hp = fighter->now.hp;
  message->score = fighter->score;
}

/* ---- sight ---- */

static bool is_near(const struct arena_game *game, const struct arena_figure *a, const struct arena_figure *b) {
  return game->options.sight == 0 || arena_is_within(a, b, game->options.sight * ARENA_UNIT);
}

bool arena_sees(const struct arena_game *game, const struct arena_fighter *viewer,
                const struct arena_fighter *fighter) {
  return is_near(game, &viewer->now, &fighter->now);
}

static bool has_seen(const struct arena_game *game, const struct arena_fighter *viewer,
                     const struct arena_fighter *fighter) {
  return viewer->is_shown && fighter->is_shown && is_near(game, &viewer->shown, &fighter->shown);
}

static bool has_changed(const struct arena_fighter *fighter) {
  const struct arena_figure *now = &fighter->now, *shown = &fighter->shown;
  return !fighter->is_shown || now->x != shown->x || now->y != shown->y || now->hp != shown->hp;
}

/* ---- events ---- */

void arena_send(struct room *room, const Heya__Kinds__Arena__Event *event, const struct arena_fighter *first,
                const struct arena_fighter *second) {
  struct arena_game *game = room_state(room);
  struct member *members[ARENA_FIGHTERS_MAX];
  struct buf out = {0};
  size_t n = 0;
  for (uint32_t i = 0; i < game->fighter_count; i++) {
    const struct arena_fighter *viewer = &game->fighters[i];
    if (!arena_sees(game, viewer, first) && !arena_sees(game, viewer, second)) continue;
    members[n++] = room_member(room, viewer->player);
  }
  arena_pack(&out, &event->base);
  room_send_only(room, members, n, buf_bytes(&out));
  buf_close(&out);
}

/* One frame's event, and what it points to. */
struct view {
  Heya__Kinds__Arena__Event event;
  Heya__Kinds__Arena__Frame frame;
  Heya__Kinds__Arena__Fighter fighters[ARENA_FIGHTERS_MAX];
  Heya__Kinds__Arena__Fighter *list[ARENA_FIGHTERS_MAX];
  char *hidden[ARENA_FIGHTERS_MAX];
};

static void view_init(struct view *view, uint64_t number) {
  heya__kinds__arena__event__init(&view->event);
  heya__kinds__arena__frame__init(&view->frame);
  view->event.body_case = HEYA__KINDS__ARENA__EVENT__BODY_FRAME;
  view->event.frame = &view->frame;
  view->frame.number = number;
  view->frame.fighters = view->list;
  view->frame.hidden = view->hidden;
}

static void view_add(struct view *view, struct arena_fighter *fighter) {
  size_t n = view->frame.n_fighters++;
  arena_fighter_message(fighter, &view->fighters[n]);
  view->list[n] = &view->fighters[n];
}

/* The whole frame, the same for everybody. */
static void show_all(struct room *room, uint64_t number) {
  struct arena_game *game = room_state(room);
  struct view view;
  struct buf out = {0};
  view_init(&view, number);
  for (uint32_t i = 0; i < game->fighter_count; i++)
    if (has_changed(&game->fighters[i])) view_add(&view, &game->fighters[i]);
  arena_pack(&out, &view.event.base);
  room_send_all(room, buf_bytes(&out));
  buf_close(&out);
}

/* One's own view of the frame, if there is anything in it. */
static void show_one(struct room *room, struct arena_fighter *viewer, uint64_t number) {
  struct arena_game *game = room_state(room);
  struct view view;
  view_init(&view, number);
  for (uint32_t i = 0; i < game->fighter_count; i++) {
    struct arena_fighter *fighter = &game->fighters[i];
    bool sees = arena_sees(game, viewer, fighter), has = has_seen(game, viewer, fighter);
    if (sees && (!has || has_changed(fighter))) view_add(&view, fighter);
    if (!sees && has) view.hidden[view.frame.n_hidden++] = fighter->player;
  }
  if (view.frame.n_fighters + view.frame.n_hidden == 0) return;
  struct buf out = {0};
  arena_pack(&out, &view.event.base);
  room_send_one(room, room_member(room, viewer->player), buf_bytes(&out));
  buf_close(&out);
}

bool arena_show_frame(struct room *room, uint64_t number) {
  struct arena_game *game = room_state(room);
  bool changed = false;
  for (uint32_t i = 0; i < game->fighter_count; i++) changed |= has_changed(&game->fighters[i]);
  if (!changed) return false;
  if (game->options.sight == 0) show_all(room, number);
  for (uint32_t i = 0; game->options.sight && i < game->fighter_count; i++)
    show_one(room, &game->fighters[i], number);
  for (uint32_t i = 0; i < game->fighter_count; i++) {
    game->fighters[i].shown = game->fighters[i].now;
    game->fighters[i].is_shown = true;
  }
  return true;
}
