/* The side that is asked. See worker/elsewhere.h. */
#include "worker/elsewhere.h"
#include "proto/pb.h"
#include "worker/worker_metrics.h"
#include <stdio.h>

typedef Heya__V1__Error__Code code;

#define NEVER_TOLD UINT32_MAX

/* ---- answers ---- */

static void tell_room(struct request *r, const Heya__Bus__Reserve *asked, code result, bool created) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Opened opened = HEYA__BUS__OPENED__INIT;
  opened.room = r->id.id;
  opened.token = asked->token;
  opened.code = result;
  opened.created = created;
  opened.incarnation = asked->incarnation;
  entry.room = asked->from;
  entry.body_case = HEYA__BUS__ENTRY__BODY_OPENED;
  entry.opened = &opened;
  effects_append(r->effects, effects_partition_of(r->effects, asked->from), &entry);
}

/* Whoever asks through a gateway is shown the room as if he had joined it, without a session. */
static void tell_connection(struct request *r, code result, bool created, const char *why) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  if (result != CODE(OK)) {
    answer_refuse(&r->asker, result, why, HEYA__BUS__ATTACHMENT__UNCHANGED);
    return;
  }
  joined.room = r->room->id;
  joined.created = created;
  joined.incarnation = r->room->incarnation;
  joined.epoch = r->room->event_epoch;
  joined.seq = r->room->seq;
  joined.snapshot = room_snapshot(r->room, NULL);
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
  message.joined = &joined;
  answer_send(&r->asker, &message, HEYA__BUS__ATTACHMENT__UNCHANGED);
}

static void tell(struct request *r, const Heya__Bus__Reserve *asked, code result, bool created, const char *why) {
  if (asked->from[0]) {
    tell_room(r, asked, result, created);
  } else {
    tell_connection(r, result, created, why);
  }
}

/* ---- seats ---- */

static bool is_sound(const Heya__Bus__Reserve *asked) {
  struct room_id from;
  if (!asked || asked->n_seats > ROOM_ASK_SEATS_MAX || asked->keep_ms == 0 || asked->keep_ms > SEATS_KEEP_MAX_MS)
    return false;
  for (size_t i = 0; i < asked->n_seats; i++) {
    if (!player_is_valid(asked->seats[i]->player, strlen(asked->seats[i]->player))) return false;
  }
  return !asked->from[0] || room_id_parse(asked->from, strlen(asked->from), &from);
}

static bool was_named_before(const Heya__Bus__Reserve *asked, size_t nth) {
  for (size_t i = 0; i < nth; i++) {
    if (strcmp(asked->seats[i]->player, asked->seats[nth]->player) == 0) return true;
  }
  return false;
}

/* Seats that nobody of them has yet. */
static size_t seats_needed(const struct room *room, const Heya__Bus__Reserve *asked) {
  size_t needed = 0;
  for (size_t i = 0; i < asked->n_seats; i++) {
    const char *player = asked->seats[i]->player;
    bool has_one = room_member(room, player) || seats_are_kept_for(&room->seats, player);
    if (!has_one && !was_named_before(asked, i)) needed++;
  }
  return needed;
}

static bool any_is_banned(const struct room *room, const Heya__Bus__Reserve *asked) {
  for (size_t i = 0; i < asked->n_seats; i++) {
    if (room_bans(room, asked->seats[i]->player)) return true;
  }
  return false;
}

static code keep_seats(struct room *room, const Heya__Bus__Reserve *asked) {
  size_t needed = seats_needed(room, asked);
  if (any_is_banned(room, asked)) return CODE(BANNED);
  if (needed && room_is_locked(room)) return CODE(ROOM_LOCKED);
  if (needed > seats_free(room)) return CODE(ROOM_FULL);
  for (size_t i = 0; i < asked->n_seats; i++) {
    const char *player = asked->seats[i]->player;
    if (!room_member(room, player)) room_keep_seat(room, player, room->effects->entry.ms + asked->keep_ms);
  }
  if (needed < asked->n_seats) room->tell_again = true; /* its lobby takes OK for so many seats less */
  return CODE(OK);
}

/* ---- handlers ---- */

static void await_players(struct request *r, const Heya__Bus__Open *open) {
  struct room *room = r->room;
  snprintf(room->lobby, sizeof room->lobby, "%s", open->lobby);
  room->told_free = NEVER_TOLD;
  room_await(room);
  r->partition->metrics->rooms_opened++;
}

static code open_with_seats(struct request *r, const struct room_plan *plan, bool *created,
                            struct kind_reply *reply) {
  const Heya__Bus__Open *open = r->entry->open;
  *created = false;
  if (!join_plan_is_sound(plan)) return CODE(INVALID_ARGUMENT);
  code result = join_find_or_open(r, plan, created, reply);
  if (result != CODE(OK)) return result;
  result = keep_seats(r->room, open->seats);
  if (!*created) return result;
  if (result == CODE(OK)) {
    await_players(r, open);
  } else {
    partition_forget(r->partition, r->room); /* nobody has heard of it */
    r->room = NULL;
  }
  return result;
}

bool elsewhere_open(struct request *r) {
  const Heya__Bus__Open *open = r->entry->open;
  struct room_id lobby;
  struct kind_reply reply = {0};
  struct room_plan plan = {.mode = HEYA__BUS__MODE__CREATE,
                           .options = bytes_of(open->options.data, open->options.len),
                           .max_members = open->max_members,
                           .config = open->config};
  bool created;
  if (!is_sound(open->seats)) return false;
  if (open->lobby[0] && !room_id_parse(open->lobby, strlen(open->lobby), &lobby)) return false;
  code result = open_with_seats(r, &plan, &created, &reply);
  tell(r, open->seats, result, created, reply.message);
  return true;
}

bool elsewhere_reserve(struct request *r) {
  const Heya__Bus__Reserve *asked = r->entry->reserve;
  if (!is_sound(asked)) return false;
  bool closed = repository_tomb(&r->partition->repository, r->id.id) != NULL;
  code result = r->room ? keep_seats(r->room, asked) : closed ? CODE(ROOM_CLOSED) : CODE(ROOM_NOT_FOUND);
  tell(r, asked, result, false, NULL);
  return true;
}

bool elsewhere_opened(struct request *r) {
  const Heya__Bus__Opened *opened = r->entry->opened;
  struct room *room = r->room;
  if (!room || strcmp(opened->incarnation, room->incarnation) != 0) return true; /* it has gone meanwhile */
  if (room->asked) room->asked--;
  room_touch_facts(room);
  if (room->kind->opened) room->kind->opened(room, opened->token, opened->room, (code)opened->code);
  return true;
}

bool elsewhere_vacancy(struct request *r) {
  const Heya__Bus__Vacancy *vacancy = r->entry->vacancy;
  struct room *room = r->room;
  if (!room || !room->kind->vacancy) return true;
  room_touch_facts(room);
  room->kind->vacancy(room, vacancy->room, vacancy->free, vacancy->ended);
  return true;
}

bool elsewhere_refuse(struct request *r, code why) {
  const Heya__Bus__Entry *entry = r->entry;
  const Heya__Bus__Reserve *asked = NULL;
  switch (entry->body_case) {
  case HEYA__BUS__ENTRY__BODY_OPEN: asked = entry->open->seats; break;
  case HEYA__BUS__ENTRY__BODY_RESERVE: asked = entry->reserve; break;
  case HEYA__BUS__ENTRY__BODY_OPENED:
  case HEYA__BUS__ENTRY__BODY_VACANCY: return true;
  default: return false;
  }
  if (is_sound(asked)) tell(r, asked, why, false, NULL);
  return true;
}

void elsewhere_tell_lobby(struct room *room) {
  if (room->lobby[0] == '\0') return;
  bool ended = room_has_ended(room);
  uint32_t free = ended ? 0 : seats_free(room);
  bool is_news = free != room->told_free;
  if (!ended && !is_news && !room->tell_again) return;
  uint32_t to = effects_partition_of(room->effects, room->lobby);
  if (!ended && effects_is_clogged(room->effects, to)) { /* told when it is not: partition_unclogged */
    if (room->tell_again) room->told_free = NEVER_TOLD;  /* by the next owner too */
    return;
  }
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Vacancy vacancy = HEYA__BUS__VACANCY__INIT;
  vacancy.room = room->id;
  vacancy.free = free;
  vacancy.ended = ended;
  entry.room = room->lobby;
  entry.body_case = HEYA__BUS__ENTRY__BODY_VACANCY;
  entry.vacancy = &vacancy;
  effects_append(room->effects, to, &entry);
  room->told_free = free;
  room->tell_again = false;
  if (!ended && is_news) room_touch(room);
}
