/* See tests/kind_harness.h: the steps. What the kind calls in between is in kind_harness_room.c, time and frames are
 * in kind_harness_time.c, and what comes to the kind beside commands in kind_harness_ask.c. */
#include "tests/kind_harness.h"
#include "tests/kind_harness_impl.h"

#include "common/mem.h"
#include "proto/codec.h"

void harness_doing(struct room *room, const char *what, const char *whom) {
  snprintf(room->doing, sizeof room->doing, "%s%s%s", what, whom ? " " : "", whom ? whom : "");
}

/* ---- between two calls into the kind ---- */

void harness_renew_arena(struct room *room) {
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
  harness_renew_arena(room);
  uint32_t effects = room->effects;
  demand(room, room->kind->load(room, buf_bytes(&before)), "the state saved afterwards does not load");
  demand(room, room->effects == effects, "loading the state does something to the room");
  harness_renew_arena(room);
  state_save(room);
  demand(room, bytes_equal(buf_bytes(&before), buf_bytes(&room->saved)),
         "the state that is loaded afterwards is not the saved one");
  buf_close(&before);
}

void harness_settle(struct room *room) {
  harness_renew_arena(room);
  fail_over(room);
}

bool harness_is_as_saved(struct room *room) {
  struct buf now = {0};
  room->kind->save(room, &now);
  bool equal = bytes_equal(buf_bytes(&now), buf_bytes(&room->saved));
  buf_close(&now);
  return equal;
}

/* After each refusal. */
void harness_demand_unchanged(struct room *room, uint32_t effects) {
  demand(room, harness_is_as_saved(room), "what is refused has changed the state");
  demand(room, room->effects == effects, "what is refused has done something to the room");
}

void harness_keep_message(struct room *room, const struct kind_reply *reply) {
  memcpy(room->message, reply->message, sizeof room->message);
}

/* ---- opening and closing ---- */

static void demand_complete(struct room *room) {
  const struct kind *kind = room->kind;
  demand(room, kind->open && kind->command && kind->save && kind->load && kind->snapshot,
         "it lacks a function that every kind must have");
  demand(room, kind->tick_hz <= KIND_TICK_HZ_MAX && (!kind->tick_hz || kind->tick),
         "tick_hz is too high, or there is no tick");
  demand(room, !kind->lossy || kind->tick_hz, "only a kind that ticks may be lossy");
}

struct room *harness_open(const struct kind *kind, struct bytes options, uint64_t now_ms, kind_code *code) {
  struct room *room = xcalloc(1, sizeof *room);
  room->kind = kind;
  harness_doing(room, "open", NULL);
  demand(room, kind->abi == KIND_ABI, "it was compiled with another version of worker/kind.h");
  demand_complete(room);
  snprintf(room->id, sizeof room->id, "%s/harness", kind->name);
  room->now_ms = now_ms;
  room->max_members = kind->max_members;
  room->asks_max = ROOM_ASKED_MAX;
  room->frames = (struct frames){.hz = kind->tick_hz, .base_ms = now_ms};
  room->state = xcalloc(1, kind->state_size);
  arena_init(&room->arena, 1024, 64u << 20);
  arena_init(&room->event_arena, 1024, ARENA_NO_LIMIT);
  buf_append_bytes(&room->options, options);
  struct kind_reply reply = {.message = ""};
  room->opening = true;
  *code = kind->open(room, buf_bytes(&room->options), &reply);
  room->opening = false;
  harness_keep_message(room, &reply);
  demand(room, reply.result.len == 0, "there is nobody to get a result");
  demand(room, *code == OK || room->effects == 0, "what is refused has done something to the room");
  if (*code == OK) harness_settle(room);
  return room;
}

static void member_free(struct member *member) {
  buf_close(&member->profile);
  free(member);
}

static void ask_close(struct harness_ask *ask) {
  buf_close(&ask->options);
  free(ask->players);
}

void harness_close(struct room *room) {
  if (room->kind->close) room->kind->close(room);
  harness_forget_events(room);
  for (size_t i = 0; i < room->member_count; i++) member_free(room->members[i]);
  for (size_t i = 0; i < room->outcome_count; i++) buf_close(&room->outcomes[i].result);
  for (size_t i = 0; i < room->ask_count; i++) ask_close(&room->asks[i]);
  queue_close(&room->queue);
  arena_close(&room->arena);
  arena_close(&room->event_arena);
  buf_close(&room->options);
  buf_close(&room->saved);
  free(room->outcomes);
  free(room->results);
  free(room->asks);
  free(room->events);
  free(room->state);
  free(room);
}

/* ---- members ---- */

static kind_code ask_kind(struct room *room, struct member *newcomer) {
  struct kind_reply reply = {.message = ""};
  uint32_t effects = room->effects;
  kind_code code = room->kind->join ? room->kind->join(room, newcomer, &reply) : OK;
  harness_keep_message(room, &reply);
  if (code != OK) harness_demand_unchanged(room, effects);
  return code;
}

kind_code harness_join(struct room *room, const char *player, const char *name, struct bytes profile) {
  harness_doing(room, "join of", player);
  demand(room, !room_member(room, player), "he is a member already");
  if (room->locked) return HEYA__V1__ERROR__CODE__ROOM_LOCKED;
  if (room->member_count >= room->max_members) return HEYA__V1__ERROR__CODE__ROOM_FULL;
  struct member *member = xcalloc(1, sizeof *member);
  snprintf(member->player, sizeof member->player, "%s", player);
  snprintf(member->name, sizeof member->name, "%s", name);
  buf_append_bytes(&member->profile, profile);
  kind_code code = ask_kind(room, member);
  if (code != OK) {
    member_free(member);
    return code;
  }
  demand(room, room->member_count < HARNESS_MEMBERS_MAX, "so many members do not fit into this harness");
  if (room->member_count == 0) harness_resume_frames(room);
  room->members[room->member_count++] = member;
  harness_settle(room);
  return OK;
}

struct member *harness_member(struct room *room, const char *player) {
  struct member *member = room_member(room, player);
  demand(room, member, "he is not a member");
  return member;
}

void harness_leave(struct room *room, const char *player, Heya__V1__LeaveReason reason) {
  harness_doing(room, "leave of", player);
  struct member *member = harness_member(room, player);
  size_t seat = 0;
  while (room->members[seat] != member) seat++;
  harness_refuse_waiting(room, player, HEYA__V1__ERROR__CODE__NOT_IN_ROOM);
  room->member_count--;
  memmove(&room->members[seat], &room->members[seat + 1], (room->member_count - seat) * sizeof room->members[0]);
  if (room->kind->leave) room->kind->leave(room, member, reason);
  member_free(member);
  harness_settle(room);
}

void harness_away(struct room *room, const char *player, bool away) {
  harness_doing(room, "away of", player);
  harness_member(room, player)->away = away;
}

/* ---- commands ---- */

void harness_execute(struct room *room, const char *player, struct bytes payload, size_t number) {
  harness_doing(room, "command of", player);
  struct member *member = harness_member(room, player);
  void *copy = xmalloc(payload.len); /* exactly sized, so that reading past the end is seen */
  if (payload.len) memcpy(copy, payload.data, payload.len);
  struct kind_reply reply = {.message = ""};
  uint32_t effects = room->effects;
  kind_code code = room->kind->command(room, member, bytes_of(copy, payload.len), &reply);
  free(copy);
  harness_keep_message(room, &reply);
  if (code != OK) harness_demand_unchanged(room, effects);
  struct harness_outcome *outcome = &room->outcomes[number - 1];
  outcome->done = true;
  outcome->code = code;
  outcome->result = reply.result;
  memcpy(outcome->message, reply.message, sizeof outcome->message);
  harness_settle(room);
}

size_t harness_send(struct room *room, const char *player, struct bytes payload) {
  harness_doing(room, "command of", player);
  harness_member(room, player);
  room->outcomes = xrealloc(room->outcomes, (room->outcome_count + 1) * sizeof *room->outcomes);
  struct harness_outcome *outcome = &room->outcomes[room->outcome_count++];
  uint32_t number = (uint32_t)room->outcome_count;
  *outcome = (struct harness_outcome){.done = false};
  if (!room->frames.hz) {
    harness_execute(room, player, payload, number);
  } else if (!queue_add(&room->queue, player, number, 0, payload)) {
    *outcome = (struct harness_outcome){.done = true, .code = HEYA__V1__ERROR__CODE__BUSY};
  }
  return number;
}

const struct harness_outcome *harness_outcome(const struct room *room, size_t number) {
  demand(room, number >= 1 && number <= room->outcome_count, "no command has this number");
  return &room->outcomes[number - 1];
}

kind_code harness_command(struct room *room, const char *player, struct bytes payload) {
  size_t number = harness_send(room, player, payload);
  if (room->frames.hz) harness_frame(room);
  return harness_outcome(room, number)->code;
}

struct buf harness_packed(const ProtobufCMessage *message) {
  struct buf out = {0};
  out.len = protobuf_c_message_pack(message, buf_reserve(&out, protobuf_c_message_get_packed_size(message)));
  return out;
}

size_t harness_queue(struct room *room, const char *player, const ProtobufCMessage *message) {
  struct buf bytes = harness_packed(message);
  size_t number = harness_send(room, player, buf_bytes(&bytes));
  buf_close(&bytes);
  return number;
}

kind_code harness_give(struct room *room, const char *player, const ProtobufCMessage *message) {
  struct buf bytes = harness_packed(message);
  kind_code code = harness_command(room, player, buf_bytes(&bytes));
  buf_close(&bytes);
  return code;
}

/* ---- looking ---- */

bool harness_would_load(struct room *room, struct bytes state) {
  void *mine = room->state;
  void *copy = xmalloc(state.len);
  harness_doing(room, "load of foreign bytes", NULL);
  if (state.len) memcpy(copy, state.data, state.len);
  room->state = xcalloc(1, room->kind->state_size);
  bool loaded = room->kind->load(room, bytes_of(copy, state.len));
  free(copy);
  harness_renew_arena(room);
  if (loaded) { /* whatever it was, it can be used */
    struct buf scratch = {0};
    char value[PROPERTY_VALUE_MAX + 1];
    room->kind->snapshot(room, NULL, &scratch);
    room->kind->save(room, &scratch);
    harness_property(room, "", value);
    buf_close(&scratch);
  }
  state_drop(room);
  free(room->state);
  room->state = mine;
  return loaded;
}

void harness_snapshot(struct room *room, const char *viewer, struct buf *out) {
  harness_doing(room, "snapshot for", viewer);
  room->kind->snapshot(room, room_member(room, viewer), out);
  harness_demand_unchanged(room, room->effects);
}

uint64_t harness_timer_at(const struct room *room, uint32_t id) {
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++)
    if (room->timers[i].id == id && room->timers[i].at_ms) return room->timers[i].at_ms;
  return 0;
}

const char *harness_result_of(const struct room *room, const char *player) {
  for (size_t i = 0; i < room->result_count; i++)
    if (strcmp(room->results[i].player, player) == 0) return room->results[i].text;
  return NULL;
}

const void *harness_event(struct room *room, size_t index, const ProtobufCMessageDescriptor *descriptor) {
  ProtobufCMessage *message = NULL;
  harness_doing(room, "looking at an event", NULL);
  demand(room, index < room->event_count, "so many events were not sent");
  struct bytes bytes = buf_bytes(&room->events[index].payload);
  enum codec_result result =
      codec_unpack(&codec_limits_internal, descriptor, &room->event_arena, bytes.data, bytes.len, &message);
  demand(room, result == CODEC_OK, codec_result_text(result));
  return message;
}

bool harness_heard(const struct room *room, size_t index, const char *player) {
  demand(room, index < room->event_count, "so many events were not sent");
  for (size_t i = 0; i < room->events[index].receivers; i++)
    if (strcmp(room->events[index].to[i], player) == 0) return true;
  return false;
}

void harness_forget_events(struct room *room) {
  for (size_t i = 0; i < room->event_count; i++) {
    buf_close(&room->events[i].payload);
    free(room->events[i].to);
  }
  room->event_count = 0;
  arena_reset(&room->event_arena);
}
