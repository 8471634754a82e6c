/* See tests/kind_harness.h: worker/kind.h's functions, as the kind sees them, and how a failure is told. */
#include "tests/kind_harness_impl.h"

#include "common/mem.h"
#include "worker/seats.h"
#include <stdarg.h>

struct describe {
  const struct room *room;
  const char *wanted;
  char *out;
  bool found;
};

/* ---- failures ---- */

__attribute__((weak)) void harness_failed(const char *sentence) {
  fprintf(stderr, "%s\n", sentence);
}

void harness_fail(const char *file, int line, const char *format, ...) {
  char sentence[512];
  int len = snprintf(sentence, sizeof sentence, "%s:%d: ", file, line);
  va_list args;
  va_start(args, format);
  vsnprintf(sentence + len, sizeof sentence - (size_t)len, format, args);
  va_end(args);
  harness_failed(sentence);
  abort();
}

void harness_blame(const struct room *room, const char *complaint) {
  char sentence[512];
  snprintf(sentence, sizeof sentence, "kind %s, %s: %s", room->kind->name ? room->kind->name : "without a name",
           room->doing, complaint);
  harness_failed(sentence);
  abort();
}

/* ---- what the kind sees ---- */

const char *room_id(const struct room *room) {
  return room->id;
}

const struct kind *room_kind(const struct room *room) {
  return room->kind;
}

void *room_state(const struct room *room) {
  return room->state;
}

uint64_t room_time_ms(const struct room *room) {
  return room->now_ms;
}

uint32_t room_max_members(const struct room *room) {
  return room->max_members;
}

uint32_t room_tick_hz(const struct room *room) {
  return room->frames.hz;
}

uint64_t room_frame(const struct room *room) {
  return room->frames.done;
}

struct arena *room_arena(struct room *room) {
  return &room->arena;
}

struct bytes room_options(const struct room *room) {
  return buf_bytes(&room->options);
}

void room_set_options(struct room *room, struct bytes options) {
  room->effects++;
  struct buf copy = {0};
  buf_append_bytes(&copy, options);
  buf_close(&room->options);
  room->options = copy;
}

size_t room_member_count(const struct room *room) {
  return room->member_count;
}

struct member *room_member_at(const struct room *room, size_t index) {
  return index < room->member_count ? room->members[index] : NULL;
}

struct member *room_member(const struct room *room, const char *player) {
  for (size_t i = 0; i < room->member_count; i++)
    if (strcmp(room->members[i]->player, player) == 0) return room->members[i];
  return NULL;
}

struct member *room_host(const struct room *room) {
  return room_member_at(room, 0);
}

const char *member_player(const struct member *member) {
  return member->player;
}

const char *member_name(const struct member *member) {
  return member->name;
}

struct bytes member_profile(const struct member *member) {
  return buf_bytes(&member->profile);
}

bool member_is_away(const struct member *member) {
  return member->away;
}

/* ---- what it does ---- */

void kind_refuse(struct kind_reply *reply, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(reply->message, sizeof reply->message, format, args);
  va_end(args);
}

static struct harness_event *event_add(struct room *room, struct bytes payload) {
  room->effects++;
  if (room->event_count == room->event_cap) {
    room->event_cap = room->event_cap ? 2 * room->event_cap : 16;
    room->events = xrealloc(room->events, room->event_cap * sizeof *room->events);
  }
  struct harness_event *event = &room->events[room->event_count++];
  *event = (struct harness_event){.receivers = 0};
  buf_append_bytes(&event->payload, payload);
  return event;
}

static void event_address(struct harness_event *event, const struct member *member) {
  event->to = xrealloc(event->to, (event->receivers + 1) * sizeof *event->to);
  memcpy(event->to[event->receivers++], member->player, sizeof member->player);
}

void room_send_all(struct room *room, struct bytes event) {
  room_send_except(room, NULL, event);
}

void room_send_except(struct room *room, const struct member *except, struct bytes event) {
  struct harness_event *sent = event_add(room, event);
  for (size_t i = 0; i < room->member_count; i++)
    if (room->members[i] != except) event_address(sent, room->members[i]);
}

void room_send_only(struct room *room, struct member *const *members, size_t n, struct bytes event) {
  struct harness_event *sent = event_add(room, event);
  for (size_t i = 0; i < n; i++) event_address(sent, members[i]);
}

void room_send_one(struct room *room, struct member *member, struct bytes event) {
  event_address(event_add(room, event), member);
}

void room_timer_set(struct room *room, uint32_t id, uint64_t at_ms) {
  room_timer_cancel(room, id);
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++) {
    if (room->timers[i].at_ms) continue;
    room->timers[i] = (struct harness_timer){.id = id, .at_ms = at_ms};
    return;
  }
  harness_blame(room, "it sets more timers than a room has");
}

void room_timer_cancel(struct room *room, uint32_t id) {
  room->effects++;
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++)
    if (room->timers[i].id == id) room->timers[i].at_ms = 0;
}

void room_set_tick_hz(struct room *room, uint32_t hz) {
  demand(room, room->opening, "only open may set the rate");
  demand(room, room->kind->tick_hz, "a kind without a rate sets one for its room");
  demand(room, hz >= 1 && hz <= KIND_TICK_HZ_MAX, "the room's rate is not one");
  room->frames.hz = hz;
}

void room_lock(struct room *room, bool locked) {
  room->effects++;
  room->locked = locked;
}

void room_complete(struct room *room, Heya__V1__CloseReason reason) {
  room->effects++;
  room->completed = true;
  room->close_reason = reason;
}

void room_deadline_show(struct room *room, uint32_t round, uint64_t deadline_ms) {
  room->effects++;
  room->deadline_round = round;
  room->deadline_ms = deadline_ms;
}

void room_deadline_hide(struct room *room) {
  room->effects++;
  room->deadline_ms = 0;
}

static struct harness_result *result_slot(struct room *room, const char *player) {
  for (size_t i = 0; i < room->result_count; i++)
    if (strcmp(room->results[i].player, player) == 0) return &room->results[i];
  room->results = xrealloc(room->results, (room->result_count + 1) * sizeof *room->results);
  struct harness_result *result = &room->results[room->result_count++];
  snprintf(result->player, sizeof result->player, "%s", player);
  return result;
}

void room_result_show(struct room *room, const char *player, const char *format, ...) {
  room->effects++;
  struct harness_result *result = result_slot(room, player);
  va_list args;
  va_start(args, format);
  vsnprintf(result->text, sizeof result->text, format, args);
  va_end(args);
}

void room_results_hide(struct room *room) {
  room->effects++;
  room->result_count = 0;
}

/* ---- other rooms ---- */

static bool ask_is_sound(const char *id, const struct kind_seats *seats) {
  struct room_id parsed;
  if (!room_id_parse(id, strlen(id), &parsed) || seats->n > ROOM_ASK_SEATS_MAX) return false;
  if (seats->keep_ms == 0 || seats->keep_ms > SEATS_KEEP_MAX_MS) return false;
  for (size_t i = 0; i < seats->n; i++)
    if (!player_is_valid(seats->players[i], strlen(seats->players[i]))) return false;
  return true;
}

static size_t asks_waiting(const struct room *room) {
  size_t waiting = 0;
  for (size_t i = 0; i < room->ask_count; i++) waiting += !room->asks[i].answered;
  return waiting;
}

uint32_t room_asks_left(const struct room *room) {
  size_t waiting = asks_waiting(room);
  return waiting < room->asks_max ? (uint32_t)(room->asks_max - waiting) : 0;
}

/* As in worker/ask.c. NULL: nothing is asked. */
static struct harness_ask *ask_add(struct room *room, const char *id, const struct kind_seats *seats,
                                   uint64_t token) {
  if (room_asks_left(room) == 0 || !ask_is_sound(id, seats)) return NULL;
  room->effects++;
  if (room->ask_count == room->ask_cap) {
    room->ask_cap = room->ask_cap ? 2 * room->ask_cap : 16;
    room->asks = xrealloc(room->asks, room->ask_cap * sizeof *room->asks);
  }
  struct harness_ask *ask = &room->asks[room->ask_count++];
  *ask = (struct harness_ask){.token = token, .keep_ms = seats->keep_ms, .player_count = seats->n};
  snprintf(ask->id, sizeof ask->id, "%s", id);
  ask->players = xcalloc(seats->n ? seats->n : 1, sizeof *ask->players);
  for (size_t i = 0; i < seats->n; i++) snprintf(ask->players[i], sizeof ask->players[i], "%s", seats->players[i]);
  return ask;
}

bool room_open_elsewhere(struct room *room, const char *id, struct bytes options, uint32_t max_members,
                         const struct kind_seats *seats, uint64_t token) {
  struct harness_ask *ask = ask_add(room, id, seats, token);
  if (!ask) return false;
  ask->open = true;
  ask->max_members = max_members;
  buf_append_bytes(&ask->options, options);
  return true;
}

bool room_reserve_elsewhere(struct room *room, const char *id, const struct kind_seats *seats, uint64_t token) {
  return ask_add(room, id, seats, token) != NULL;
}

void room_new_id(struct room *room, const char *kind, char *out) {
  uint8_t digest[32] = {(uint8_t)(++room->ids_made >> 8), (uint8_t)room->ids_made};
  char name[DERIVED_NAME_LEN + 1];
  derived_name(digest, name);
  snprintf(out, ROOM_ID_MAX + 1, "%.*s/%s", KIND_MAX, kind, name);
}

/* ---- describing ---- */

bool harness_property(struct room *room, const char *name, char *out) {
  struct describe describe = {.room = room, .wanted = name, .out = out};
  harness_doing(room, "describe", NULL);
  if (room->kind->describe) room->kind->describe(room, &describe);
  return describe.found;
}

void describe_property(struct describe *describe, const char *name, const char *format, ...) {
  char value[256];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(value, sizeof value, format, args);
  va_end(args);
  demand(describe->room, property_name_is_valid(name, strlen(name)), "it describes what is no property's name");
  demand(describe->room, len >= 0 && (size_t)len < sizeof value && property_value_is_valid(value, (size_t)len),
         "it describes a property with what is no value of one");
  if (strcmp(name, describe->wanted) != 0) return;
  memcpy(describe->out, value, (size_t)len + 1);
  describe->found = true;
}
