/* A room without a worker: steps a kind through its table and records what it does to the room.
 *
 * It implements the room's half of worker/kind.h, so the kinds' test binary links no worker/room.c. It is stricter
 * than a real room. After every call into the kind it
 *   - saves the state, loads it into a fresh one, saves that and demands the same bytes, then goes on with the loaded
 *     state and forgets the old: each test is also a test of a failover at every step;
 *   - demands that a refused call has changed and sent nothing;
 *   - frees the arena and the members' old memory, for a sanitizer to notice who still points there.
 * Time only moves by room_step_time, which fires timers as the stream would.
 */
#ifndef HEYA_TESTS_KINDS_FAKE_ROOM_H
#define HEYA_TESTS_KINDS_FAKE_ROOM_H

#include "common/buf.h"
#include "proto/arena.h"
#include "proto/names.h"
#include "worker/kind.h"

#define FAKE_MEMBERS_MAX 64
#define FAKE_EVENTS_MAX  512
#define FAKE_RESULTS_MAX 8
#define FAKE_ASKS_MAX    512

struct member {
  char player[PLAYER_MAX + 1];
  char name[DISPLAY_NAME_MAX + 1];
  struct buf profile;
  bool away;
};

struct fake_event {
  struct buf payload;
  size_t receivers;
  char to[FAKE_MEMBERS_MAX][PLAYER_MAX + 1];
};

struct fake_timer {
  uint32_t id;
  uint64_t at_ms; /* 0: none */
};

struct fake_result {
  char player[PLAYER_MAX + 1];
  char text[160];
};

/* What the kind has asked of another room. */
struct fake_ask {
  bool open; /* else it reserves */
  char id[ROOM_ID_MAX + 1];
  uint32_t max_members;
  uint64_t token;
  struct buf options;
  size_t n_players;
  char players[FAKE_MEMBERS_MAX][PLAYER_MAX + 1];
};

struct room {
  const struct kind *kind;
  void *state;
  struct buf saved; /* what save gave after the last call */
  uint64_t now_ms;
  struct arena arena;
  struct buf options;
  struct member *members[FAKE_MEMBERS_MAX]; /* longest-seated first; the first is the host */
  size_t member_count;
  struct fake_event *events; /* all since the last room_forget_events */
  size_t event_count;
  struct fake_timer timers[ROOM_TIMERS_MAX];
  bool locked;
  bool completed;
  Heya__V1__CloseReason close_reason;
  uint32_t deadline_round;
  uint64_t deadline_ms; /* as shown; 0: hidden */
  struct fake_result results[FAKE_RESULTS_MAX];
  size_t result_count;
  struct fake_ask *asks;   /* all of them */
  size_t n_asks, asks_max; /* beyond it none is taken */
  uint32_t ids_made;
  uint32_t effects;  /* every use of the room's second half counts */
  char message[160]; /* of the last refusal */
};

/* A room of this kind at stream time now_ms, opened with these options; *code is what the kind says to them. Only a
 * room that was opened with OK may be stepped; each is destroyed. */
struct room *room_open(const struct kind *kind, struct bytes options, uint64_t now_ms, kind_code *code);
void room_destroy(struct room *room);

/* Refused by the fake itself with ROOM_LOCKED and ROOM_FULL, else by the kind. */
kind_code room_join(struct room *room, const char *player, const char *name, struct bytes profile);
void room_leave(struct room *room, const char *player, Heya__V1__LeaveReason reason);
kind_code room_command(struct room *room, const char *player, struct bytes payload);

/* Moves the time and fires what is due, the earliest first. The time stays when now_ms is not later. */
void room_step_time(struct room *room, uint64_t now_ms);

/* What a new owner would make of these bytes, in a room like this one; the room stays as it is. */
bool room_would_load(struct room *room, struct bytes state);

/* Another room answers the nth question, or says how it is. */
void room_answer(struct room *room, size_t nth, kind_code code);
void room_tell_vacancy(struct room *room, const char *id, uint32_t free, bool ended);

void room_snapshot_for(struct room *room, const char *viewer, struct buf *out);
/* A described property in out[PROPERTY_VALUE_MAX + 1], or false. */
bool room_property(struct room *room, const char *name, char *out);
/* The time at which this timer fires; 0: not set. */
uint64_t room_timer_at(const struct room *room, uint32_t id);
/* His line among the results; NULL: none. */
const char *room_result_of(const struct room *room, const char *player);
void room_forget_events(struct room *room);

#endif
