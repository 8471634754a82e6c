/* See worker/spectators.h. */
#include "worker/spectators.h"
#include "common/mem.h"
#include "worker/request.h"

uint32_t spectators_max(const struct room *room) {
  uint32_t most = room->kind->max_spectators, wanted = room->config.max_spectators;
  return wanted && wanted < most ? wanted : most;
}

struct member *spectators_find(const struct room *room, const char *player) {
  for (size_t i = 0; i < room->n_spectators; i++) {
    if (strcmp(room->spectators[i]->player, player) == 0) return room->spectators[i];
  }
  return NULL;
}

struct member *spectators_bound_to(const struct room *room, struct binding binding) {
  bool any = binding.attempt == UINT32_MAX;
  for (size_t i = 0; i < room->n_spectators; i++) {
    if (any) binding.attempt = room->spectators[i]->binding.attempt;
    if (member_is_bound_to(room->spectators[i], binding)) return room->spectators[i];
  }
  return NULL;
}

void spectators_add(struct room *room, struct member *spectator) {
  room->spectators = xrealloc(room->spectators, (room->n_spectators + 1) * sizeof(struct member *));
  room->spectators[room->n_spectators++] = spectator;
}

void spectators_remove(struct room *room, struct member *spectator) {
  for (size_t i = 0; i < room->n_spectators; i++) {
    if (room->spectators[i] != spectator) continue;
    room->spectators[i] = room->spectators[--room->n_spectators];
    member_destroy(spectator);
    room_touch_facts(room);
    return;
  }
}

void spectators_dismiss(struct room *room, struct member *spectator, Heya__V1__Error__Code why) {
  answer_detached(&(struct asker){.effects = room->effects, .from = spectator->binding, .room = room->id}, why);
  spectators_remove(room, spectator);
}

void spectators_leave_gateway(struct room *room, const struct outlet *outlet) {
  for (size_t i = room->n_spectators; i-- > 0;) {
    if (room->spectators[i]->binding.outlet == outlet) spectators_remove(room, room->spectators[i]);
  }
}

void spectators_close(struct room *room) {
  for (size_t i = 0; i < room->n_spectators; i++) member_destroy(room->spectators[i]);
  free(room->spectators);
  room->spectators = NULL;
  room->n_spectators = 0;
}

/* ---- joining ---- */

static void answer(struct request *r, struct member *spectator) {
  struct room *room = r->room;
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  joined.room = room->id;
  joined.session = spectator->session;
  joined.incarnation = room->incarnation;
  joined.epoch = room->event_epoch;
  joined.seq = room->seq;
  joined.snapshot = room_snapshot(room, NULL);
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
  message.joined = &joined;
  answer_send(&r->asker, &message, HEYA__BUS__ATTACHMENT__ATTACHED);
}

static bool is_same_connection(const struct member *member, struct binding from) {
  return member->binding.outlet == from.outlet && member->binding.conn == from.conn;
}

bool spectators_outdate(struct request *r) {
  const struct member *before = spectators_find(r->room, r->entry->player);
  const Heya__Bus__Join *join = r->entry->join;
  if (!before) return false;
  if (is_same_connection(before, r->from) && before->binding.attempt >= r->from.attempt) return true;
  if (!member_has_newer_client(before, join->instance, join->connection)) return false;
  answer_refuse(&r->asker, CODE(STALE), "this client has come by a newer connection",
                HEYA__BUS__ATTACHMENT__DETACHED);
  return true;
}

void spectators_make_way(struct request *r) {
  struct member *before = spectators_find(r->room, r->entry->player);
  if (!before) return;
  if (is_same_connection(before, r->from)) {
    spectators_remove(r->room, before);
  } else {
    spectators_dismiss(r->room, before, CODE(REPLACED));
  }
}

/* Who watches already comes by another connection, or again by the same. */
static Heya__V1__Error__Code may_watch(const struct room *room, const char *player, const char *password) {
  if (room_member(room, player)) return CODE(INVALID_ARGUMENT);
  if (spectators_find(room, player)) return CODE(OK);
  if (room_bans(room, player)) return CODE(BANNED);
  if (*room->config.password && strcmp(room->config.password, password) != 0) return CODE(WRONG_PASSWORD);
  return room->n_spectators < spectators_max(room) ? CODE(OK) : CODE(ROOM_FULL);
}

static struct member *take_place(struct request *r) {
  const Heya__Bus__Join *join = r->entry->join;
  struct member *spectator = member_create(r->entry->player, join->name, (struct bytes){0});
  member_bind(spectator, r->from, r->effects->entry.ms);
  member_note_client(spectator, join->instance, join->connection);
  room_stamp(r->effects, spectator->session, sizeof spectator->session);
  spectators_add(r->room, spectator);
  room_touch_facts(r->room);
  return spectator;
}

void spectators_join(struct request *r) {
  if (spectators_outdate(r)) return;
  Heya__V1__Error__Code result = may_watch(r->room, r->entry->player, r->entry->join->password);
  if (result == CODE(OK)) {
    spectators_make_way(r);
    answer(r, take_place(r));
  } else {
    const char *why = result == CODE(INVALID_ARGUMENT) ? "a member cannot watch as well" : NULL;
    answer_refuse(&r->asker, result, why, HEYA__BUS__ATTACHMENT__DETACHED);
  }
}
