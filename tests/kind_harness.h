/* A room without a worker: steps a kind through its table, call by call and frame by frame, and records what it does.
 * For the tests of kinds, in this repository and out of it (docs/writing-a-kind.md): no Redis, no server, no clock.
 *
 *   kind_code code;
 *   struct room *room = harness_open(&heya_kind, bytes_of(NULL, 0), 1000000, &code);
 *   harness_join(room, "ann", "Ann", bytes_of(NULL, 0));
 *   code = harness_give(room, "ann", &command.base);
 *   harness_close(room);
 *
 * It implements worker/kind.h, so what links it links no part of the worker. It is stricter than a real room. After
 * every call into the kind it
 *   - saves the state, loads it into a fresh one, saves that and demands the same bytes, then goes on with the loaded
 *     state and forgets the old: each test is also a test of a failover at every step;
 *   - demands that a refused call has changed and sent nothing, and that so has the state in a frame whose tick says
 *     that nothing has changed;
 *   - frees the arena and the members' old memory, for a sanitizer to notice who still points there.
 * A demand that is not met ends in harness_failed, with a sentence that says what was being done.
 *
 * Time moves only by harness_time and by frames.
 */
#ifndef HEYA_TESTS_KIND_HARNESS_H
#define HEYA_TESTS_KIND_HARNESS_H

#include "common/buf.h"
#include "proto/arena.h"
#include "proto/names.h"
#include "worker/frames.h"
#include "worker/kind.h"
#include "worker/queue.h"

#define HARNESS_MEMBERS_MAX 256

struct member {
  char player[PLAYER_MAX + 1];
  char name[DISPLAY_NAME_MAX + 1];
  struct buf profile;
  bool away;
};

struct harness_event {
  struct buf payload;
  size_t receivers;
  char (*to)[PLAYER_MAX + 1]; /* owned */
};

struct harness_timer {
  uint32_t id;
  uint64_t at_ms; /* 0: none */
};

struct harness_result {
  char player[PLAYER_MAX + 1];
  char text[160];
};

/* What the kind has asked of another room. */
struct harness_ask {
  bool open; /* false: it reserves */
  char id[ROOM_ID_MAX + 1];
  struct buf options; /* those of open, as max_members */
  uint32_t max_members;
  uint64_t token;
  uint64_t keep_ms;
  size_t player_count;
  char (*players)[PLAYER_MAX + 1]; /* owned */
  bool answered;
};

/* What became of a command. */
struct harness_outcome {
  bool done; /* false: it waits for the next frame */
  kind_code code;
  char message[160];
  struct buf result;
};

/* A test may read everything here, and write what a comment allows it to. */
struct room {
  const struct kind *kind;
  char id[ROOM_ID_MAX + 1];
  void *state;
  struct buf saved; /* what save gave after the last call */
  uint64_t now_ms;
  uint32_t max_members; /* may be set; the kind's own at first */
  struct arena arena;
  struct buf options;
  struct member *members[HARNESS_MEMBERS_MAX]; /* longest-seated first; the first is the host */
  size_t member_count;
  struct harness_event *events; /* all since the last harness_forget_events */
  size_t event_count, event_cap;
  struct arena event_arena; /* of harness_event */
  struct harness_outcome *outcomes;
  size_t outcome_count;
  struct frames frames; /* hz 0: it does not tick */
  uint64_t skipped;     /* frames since the last one that ran */
  struct queue queue;
  struct harness_timer timers[ROOM_TIMERS_MAX];
  bool locked;
  bool completed; /* it has ended: its kind is not to be called any more */
  Heya__V1__CloseReason close_reason;
  uint32_t deadline_round;
  uint64_t deadline_ms; /* as shown; 0: hidden */
  struct harness_result *results;
  size_t result_count;
  struct harness_ask *asks; /* all of them, in their order */
  size_t ask_count, ask_cap;
  size_t asks_max; /* so many wait for an answer at most; may be set, ROOM_ASKED_MAX at first */
  uint32_t ids_made;
  uint32_t effects;  /* every use of the room's second half counts */
  char message[160]; /* of the last refusal */
  char doing[160];   /* the call into the kind, for messages */
  bool opening;
};

/* A room of this kind at stream time now_ms, opened with these options; *code is what the kind says to them. Only a
 * room that was opened with OK may be stepped; each is closed. */
struct room *harness_open(const struct kind *, struct bytes options, uint64_t now_ms, kind_code *code);
void harness_close(struct room *);

/* Refused by the room itself with ROOM_LOCKED and ROOM_FULL, else by the kind. */
kind_code harness_join(struct room *, const char *player, const char *name, struct bytes profile);
void harness_leave(struct room *, const char *player, Heya__V1__LeaveReason);
/* He loses his connection, or comes back: no call into the kind. */
void harness_away(struct room *, const char *player, bool away);

/* A member's command: executed at once, or queued for the next frame if the kind ticks. Returns its number, from 1,
 * for harness_outcome; that is valid until the next command. */
size_t harness_send(struct room *, const char *player, struct bytes payload);
const struct harness_outcome *harness_outcome(const struct room *, size_t number);
/* Sends one and returns its code; if the kind ticks, the next frame is run for it. */
kind_code harness_command(struct room *, const char *player, struct bytes payload);
/* A message as bytes, for options and profiles; closed by the caller. */
struct buf harness_packed(const ProtobufCMessage *);
/* The two above with the message that the payload is. */
size_t harness_queue(struct room *, const char *player, const ProtobufCMessage *);
kind_code harness_give(struct room *, const char *player, const ProtobufCMessage *);

/* Moves the time, runs the frames that begin until then, and fires the timers that are due, the earliest first. The
 * time stays when now_ms is not later. */
void harness_time(struct room *, uint64_t now_ms);

/* Runs the next frame at its time: timers due until then, the commands that wait, tick. What tick said; false also of
 * a room that is empty or ended, which stands still while the time passes. */
bool harness_frame(struct room *);
/* Runs so many; in how many tick said true. */
size_t harness_frames(struct room *, size_t n);
/* The next n do not run: nobody owns the room, or its worker is too busy. The one after them is told. */
void harness_skip(struct room *, size_t n);

/* He wants to be shown with another profile. */
kind_code harness_profile(struct room *, const char *player, struct bytes profile);
/* The host is about to do this: the kind is asked whether he may, and it is not done. */
kind_code harness_manage(struct room *, const Heya__V1__Manage *);

/* The room that was asked answers question `nth`, from 0; once, unless a test wants to see what a second one does. */
void harness_answer(struct room *, size_t nth, kind_code code);
/* A room that this one has opened says how it is. */
void harness_vacancy(struct room *, const char *id, uint32_t free_seats, bool ended);

/* What a new owner would make of these bytes, in a room like this one; the room stays as it is. */
bool harness_would_load(struct room *, struct bytes state);

void harness_snapshot(struct room *, const char *viewer, struct buf *out);
/* A described property in out[PROPERTY_VALUE_MAX + 1], or false. */
bool harness_property(struct room *, const char *name, char *out);
/* The time at which this timer fires; 0: not set. */
uint64_t harness_timer_at(const struct room *, uint32_t id);
/* His line among the results; NULL: none. */
const char *harness_result_of(const struct room *, const char *player);

/* The event of this index, unpacked; the room's, until events are forgotten. */
const void *harness_event(struct room *, size_t index, const ProtobufCMessageDescriptor *);
bool harness_heard(const struct room *, size_t index, const char *player);
void harness_forget_events(struct room *);

/* For a test's own demands. */
#define harness_check(condition) ((condition) ? (void)0 : harness_fail(__FILE__, __LINE__, "%s", #condition))
_Noreturn void harness_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Where a failure ends: prints the sentence. A program that defines this function itself has it called instead, to
 * tell its test framework; the process aborts when it returns. */
void harness_failed(const char *sentence);

#endif
