/* The fake room (fake_room.h): the driver first, then worker/kind.h's functions as the kinds see them. */
#include "tests/kinds/fake_room.h"

#include "common/mem.h"
#include <criterion/criterion.h>
#include <stdarg.h>

#define OK HEYA__V1__ERROR__CODE__OK

struct describe {
  const char *wanted;
  char *out;
  bool found;
};

/* ---- between two calls into the kind ---- */

static void arena_renew(struct room *room) {
  arena_close(&room->arena);
  arena_init(&room->arena, 1024, 64u << 20);
}

static void state_drop(struct room *room) {
  if (room->kind->close) room->kind->close(room);
  free(room->state);
  room->state = xcalloc(1, room->kind->state_size);
}

/* The kind's state, freshly saved, in room->saved. */
static void state_save(struct room *room) {
  buf_clear(&room->saved);
  room->kind->save(room, &room->saved);
}

/* The owner dies and another one takes over. */
static void fail_over(struct room *room) {
  state_save(room);
  struct buf before = {0};
  buf_append_bytes(&before, buf_bytes(&room->saved));
  state_drop(room);
  arena_renew(room);
  uint32_t effects = room->effects;
  cr_assert(room->kind->load(room, buf_bytes(&before)), "a saved state does not load");
  cr_assert_eq(room->effects, effects, "loading does something to the room");
  arena_renew(room);
  state_save(room);
  cr_assert(bytes_equal(buf_bytes(&before), buf_bytes(&room->saved)), "a loaded state is not the saved one");
  buf_close(&before);
}

/* After each call that may change something. */
static void settle(struct room *room) {
  arena_renew(room);
  fail_over(room);
}

/* After each refusal: the state is what was saved last. */
static void demand_unchanged(struct room *room, uint32_t effects) {
  struct buf now = {0};
  room->kind->save(room, &now);
  cr_assert(bytes_equal(buf_bytes(&now), buf_bytes(&room->saved)), "a refusal has changed the state");
  cr_assert_eq(room->effects, effects, "a refusal has done something to the room");
  buf_close(&now);
}

static void keep_message(struct room *room, const struct kind_reply *reply) {
  memcpy(room->message, reply->message, sizeof room->message);
}

/* ---- the driver ---- */

struct room *room_open(const struct kind *kind, struct bytes options, uint64_t now_ms, kind_code *code) {
  struct room *room = xcalloc(1, sizeof *room);
  room->kind = kind;
  room->now_ms = now_ms;
  room->state = xcalloc(1, kind->state_size);
  room->events = xcalloc(FAKE_EVENTS_MAX, sizeof *room->events);
  room->asks = xcalloc(FAKE_ASKS_MAX, sizeof *room->asks);
  room->asks_max = FAKE_ASKS_MAX;
  arena_init(&room->arena, 1024, 64u << 20);
  buf_append_bytes(&room->options, options);
  struct kind_reply reply = {.message = ""};
  *code = kind->open(room, buf_bytes(&room->options), &reply);
  keep_message(room, &reply);
  cr_assert_eq(reply.result.len, 0);
  cr_assert(*code == OK || room->effects == 0);
  if (*code == OK) settle(room);
  return room;
}

static void member_free(struct member *member) {
  buf_close(&member->profile);
  free(member);
}

void room_destroy(struct room *room) {
  if (room->kind->close) room->kind->close(room);
  room_forget_events(room);
  for (size_t i = 0; i < room->member_count; i++) member_free(room->members[i]);
  arena_close(&room->arena);
  buf_close(&room->options);
  buf_close(&room->saved);
  for (size_t i = 0; i < room->n_asks; i++) buf_close(&room->asks[i].options);
  free(room->asks);
  free(room->events);
  free(room->state);
  free(room);
}

kind_code room_join(struct room *room, const char *player, const char *name, struct bytes profile) {
  cr_assert_null(room_member(room, player));
  if (room->locked) return HEYA__V1__ERROR__CODE__ROOM_LOCKED;
  if (room->member_count == room_max_members(room)) return HEYA__V1__ERROR__CODE__ROOM_FULL;
  struct member *member = xcalloc(1, sizeof *member);
  snprintf(member->player, sizeof member->player, "%s", player);
  snprintf(member->name, sizeof member->name, "%s", name);
  buf_append_bytes(&member->profile, profile);
  struct kind_reply reply = {.message = ""};
  uint32_t effects = room->effects;
  kind_code code = room->kind->join ? room->kind->join(room, member, &reply) : OK;
  keep_message(room, &reply);
  if (code != OK) {
    demand_unchanged(room, effects);
    member_free(member);
    return code;
  }
  cr_assert_lt(room->member_count, FAKE_MEMBERS_MAX);
  room->members[room->member_count++] = member;
  settle(room);
  return OK;
}

void room_leave(struct room *room, const char *player, Heya__V1__LeaveReason reason) {
  struct member *member = room_member(room, player);
  cr_assert_not_null(member);
  size_t seat = 0;
  while (room->members[seat] != member) seat++;
  room->member_count--;
  memmove(&room->members[seat], &room->members[seat + 1], (room->member_count - seat) * sizeof room->members[0]);
  if (room->kind->leave) room->kind->leave(room, member, reason);
  member_free(member);
  settle(room);
}

kind_code room_command(struct room *room, const char *player, struct bytes payload) {
  struct member *member = room_member(room, player);
  cr_assert_not_null(member);
  /* Exactly sized, so that reading past the end is seen. */
  void *copy = xmalloc(payload.len);
  if (payload.len) memcpy(copy, payload.data, payload.len);
  struct kind_reply reply = {.message = ""};
  uint32_t effects = room->effects;
  kind_code code = room->kind->command(room, member, bytes_of(copy, payload.len), &reply);
  free(copy);
  keep_message(room, &reply);
  buf_close(&reply.result);
  if (code != OK) demand_unchanged(room, effects);
  settle(room);
  return code;
}

static struct fake_timer *timer_due(struct room *room) {
  struct fake_timer *first = NULL;
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++) {
    struct fake_timer *timer = &room->timers[i];
    if (timer->at_ms && timer->at_ms <= room->now_ms && (!first || timer->at_ms < first->at_ms)) first = timer;
  }
  return first;
}

void room_step_time(struct room *room, uint64_t now_ms) {
  if (now_ms > room->now_ms) room->now_ms = now_ms;
  for (struct fake_timer *timer; (timer = timer_due(room));) {
    timer->at_ms = 0;
    room->kind->timer(room, timer->id);
    settle(room);
  }
}

void room_answer(struct room *room, size_t nth, kind_code code) {
  cr_assert_lt(nth, room->n_asks);
  room->kind->opened(room, room->asks[nth].token, room->asks[nth].id, code);
  settle(room);
}

void room_tell_vacancy(struct room *room, const char *id, uint32_t free_seats, bool ended) {
  room->kind->vacancy(room, id, free_seats, ended);
  settle(room);
}

bool room_would_load(struct room *room, struct bytes state) {
  void *mine = room->state;
  void *copy = xmalloc(state.len);
  if (state.len) memcpy(copy, state.data, state.len);
  room->state = xcalloc(1, room->kind->state_size);
  bool loaded = room->kind->load(room, bytes_of(copy, state.len));
  free(copy);
  arena_renew(room);
  if (loaded) { /* whatever it was, it can be used */
    struct buf scratch = {0};
    char value[PROPERTY_VALUE_MAX + 1];
    room->kind->snapshot(room, NULL, &scratch);
    room->kind->save(room, &scratch);
    room_property(room, "", value);
    buf_close(&scratch);
  }
  state_drop(room);
  free(room->state);
  room->state = mine;
  return loaded;
}

void room_snapshot_for(struct room *room, const char *viewer, struct buf *out) {
  room->kind->snapshot(room, room_member(room, viewer), out);
  demand_unchanged(room, room->effects);
}

bool room_property(struct room *room, const char *name, char *out) {
  struct describe describe = {.wanted = name, .out = out};
  if (room->kind->describe) room->kind->describe(room, &describe);
  return describe.found;
}

uint64_t room_timer_at(const struct room *room, uint32_t id) {
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++)
    if (room->timers[i].id == id && room->timers[i].at_ms) return room->timers[i].at_ms;
  return 0;
}

const char *room_result_of(const struct room *room, const char *player) {
  for (size_t i = 0; i < room->result_count; i++)
    if (strcmp(room->results[i].player, player) == 0) return room->results[i].text;
  return NULL;
}

void room_forget_events(struct room *room) {
  for (size_t i = 0; i < room->event_count; i++) buf_close(&room->events[i].payload);
  room->event_count = 0;
}

/* ---- what the kind sees ---- */

const char *room_id(const struct room *room) {
  (void)room;
  return "fake/room";
}

void *room_state(const struct room *room) {
  return room->state;
}

uint64_t room_time_ms(const struct room *room) {
  return room->now_ms;
}

uint32_t room_max_members(const struct room *room) {
  return room->kind->max_members;
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

static struct fake_event *event_add(struct room *room, struct bytes payload) {
  cr_assert_lt(room->event_count, FAKE_EVENTS_MAX);
  room->effects++;
  struct fake_event *event = &room->events[room->event_count++];
  *event = (struct fake_event){.receivers = 0};
  buf_append_bytes(&event->payload, payload);
  return event;
}

static void event_address(struct fake_event *event, const struct member *member) {
  snprintf(event->to[event->receivers++], PLAYER_MAX + 1, "%s", member->player);
}

void room_send_all(struct room *room, struct bytes event) {
  room_send_except(room, NULL, event);
}

void room_send_except(struct room *room, const struct member *except, struct bytes event) {
  struct fake_event *sent = event_add(room, event);
  for (size_t i = 0; i < room->member_count; i++)
    if (room->members[i] != except) event_address(sent, room->members[i]);
}

void room_send_only(struct room *room, struct member *const *members, size_t n, struct bytes event) {
  struct fake_event *sent = event_add(room, event);
  for (size_t i = 0; i < n; i++) event_address(sent, members[i]);
}

void room_send_one(struct room *room, struct member *member, struct bytes event) {
  event_address(event_add(room, event), member);
}

void room_timer_set(struct room *room, uint32_t id, uint64_t at_ms) {
  room_timer_cancel(room, id);
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++) {
    if (room->timers[i].at_ms) continue;
    room->timers[i] = (struct fake_timer){.id = id, .at_ms = at_ms};
    return;
  }
  cr_assert_fail("more timers than a room has");
}

void room_timer_cancel(struct room *room, uint32_t id) {
  room->effects++;
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++)
    if (room->timers[i].id == id) room->timers[i].at_ms = 0;
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

static struct fake_result *result_slot(struct room *room, const char *player) {
  for (size_t i = 0; i < room->result_count; i++)
    if (strcmp(room->results[i].player, player) == 0) return &room->results[i];
  cr_assert_lt(room->result_count, FAKE_RESULTS_MAX);
  struct fake_result *result = &room->results[room->result_count++];
  snprintf(result->player, sizeof result->player, "%s", player);
  return result;
}

void room_result_show(struct room *room, const char *player, const char *format, ...) {
  room->effects++;
  struct fake_result *result = result_slot(room, player);
  va_list args;
  va_start(args, format);
  vsnprintf(result->text, sizeof result->text, format, args);
  va_end(args);
}

void room_results_hide(struct room *room) {
  room->effects++;
  room->result_count = 0;
}

static struct fake_ask *ask_add(struct room *room, const char *id, const struct kind_seats *seats, uint64_t token) {
  cr_assert(seats->keep_ms > 0 && seats->n <= FAKE_MEMBERS_MAX);
  if (room->n_asks == room->asks_max) return NULL;
  struct fake_ask *ask = &room->asks[room->n_asks++];
  room->effects++;
  *ask = (struct fake_ask){.token = token, .n_players = seats->n};
  snprintf(ask->id, sizeof ask->id, "%s", id);
  for (size_t i = 0; i < seats->n; i++) snprintf(ask->players[i], sizeof ask->players[i], "%s", seats->players[i]);
  return ask;
}

bool room_open_elsewhere(struct room *room, const char *id, struct bytes options, uint32_t max_members,
                         const struct kind_seats *seats, uint64_t token) {
  struct fake_ask *ask = ask_add(room, id, seats, token);
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
  snprintf(out, ROOM_ID_MAX + 1, "%s/%s", kind, name);
}

void describe_property(struct describe *describe, const char *name, const char *format, ...) {
  char value[256];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(value, sizeof value, format, args);
  va_end(args);
  cr_assert(property_name_is_valid(name, strlen(name)));
  cr_assert(len >= 0 && (size_t)len < sizeof value && property_value_is_valid(value, (size_t)len));
  if (strcmp(name, describe->wanted) != 0) return;
  memcpy(describe->out, value, (size_t)len + 1);
  describe->found = true;
}
