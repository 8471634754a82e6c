/* The game's side: a kind is one table of functions, and what those may do to their room.
 *
 * A room belongs to exactly one worker and is touched by one thread, one call at a time, in the order of its
 * partition's stream. A kind never sees Redis, sockets or other rooms, reads no clock but room_time_ms, and keeps
 * everything it knows in its state, which is saved after every command and loaded by the next owner when a worker
 * dies. What a kind sends, changes and answers becomes visible all together, once, in the commit that contains the
 * command. That goes also for what it asks of other rooms: a lobby may have rooms opened and seats in them kept, and
 * is told how that went by a callback, once, after a while.
 *
 * A kind with a tick rate is a loop: commands wait in the room's queue, and a frame executes them and then calls
 * `tick`, at a fixed rate. Queue and frame number survive the worker. Such a kind may be lossy: membership is
 * durable, but the state is saved only about once a second, so a crash takes the room back by as much, and the
 * members are told so (ROLLED_BACK, with a snapshot). Everything else here is never taken back.
 *
 * To add a kind: copy worker/kinds/chat.c, write its messages in proto/kinds/, add one row to worker/kinds/registry.c
 * and one to proto/payload.c. Or build it into a shared object with a `const struct kind heya_kind`, for the option
 * --kind of heya-worker. docs/writing-a-kind.md says more.
 */
#ifndef HEYA_WORKER_KIND_H
#define HEYA_WORKER_KIND_H

#include "common/buf.h"
#include "common/bytes.h"
#include "proto/client.pb-c.h"
#include <stdbool.h>
#include <stdint.h>

#define KIND_ABI 4

struct arena;
struct describe;
struct member;
struct room;

/* What a kind adds to its return code. */
struct kind_reply {
  struct buf result; /* of a command that succeeds: an encoded Result; starts empty */
  char message[160]; /* of a refusal: why, for people; the code's default text when left empty */
};
void kind_refuse(struct kind_reply *, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef Heya__V1__Error__Code kind_code; /* HEYA__V1__ERROR__CODE__OK, ... */

/* A frame of a room that ticks. Frame k begins k / rate seconds after the room was made. */
struct kind_tick {
  uint64_t frame;     /* its number, from 1 */
  uint64_t skipped;   /* frames right before it that did not run: a failover, or a worker that was too busy */
  uint64_t length_ns; /* of this frame; those of a second add up to exactly a second */
};
#define KIND_TICK_HZ_MAX 120

struct kind {
  uint32_t abi;               /* KIND_ABI */
  const char *name;           /* [a-z][a-z0-9_]{0,15} */
  uint32_t max_members;       /* of a room that does not say */
  uint32_t max_members_limit; /* a room may not ask for more */
  uint32_t max_spectators;    /* how many may watch; 0: nobody */
  uint32_t empty_ms;          /* an empty room is kept for so long */
  uint32_t away_ms;           /* a disconnected member's seat is kept for so long */
  uint32_t tick_hz;           /* frames a second, up to KIND_TICK_HZ_MAX; 0: commands run as they come */
  bool lossy;                 /* of one that ticks: see below */
  size_t state_size;          /* bytes of room_state, zeroed before open or load */
  const void *data;           /* the kind's own, for kinds that share their functions; see room_kind */

  /* A new room. Check the options (encoded Options, hostile; empty is valid protobuf for all defaults). Anything but
   * OK refuses the room. */
  kind_code (*open)(struct room *, struct bytes options, struct kind_reply *);
  /* Somebody wants to join; member_profile is what he brings, hostile. Not yet among the members. May be NULL. */
  kind_code (*join)(struct room *, struct member *, struct kind_reply *);
  /* He has left and is among the members no more, but `member` is valid during the call. May be NULL. */
  void (*leave)(struct room *, struct member *, Heya__V1__LeaveReason);
  /* A member's command, hostile. Anything but OK must leave the state as it was. */
  kind_code (*command)(struct room *, struct member *, struct bytes payload, struct kind_reply *);
  /* A member wants to be shown with another profile, hostile; member_profile is still the old one. NULL: refused. */
  kind_code (*profile)(struct room *, struct member *, struct bytes profile, struct kind_reply *);
  /* The host is about to do this, and it is sound: anything but OK forbids it, and must leave the state as it was.
   * May be NULL. */
  kind_code (*manage)(struct room *, struct member *host, const Heya__V1__Manage *, struct kind_reply *);
  /* A frame, after the commands that had come were executed. True if it changed anything that is to be saved; what it
   * sends is sent in any case. Needed if tick_hz is set. */
  bool (*tick)(struct room *, const struct kind_tick *);
  /* A timer set with room_timer_set is due: room_time_ms is at or after it. May be NULL if it sets none. */
  void (*timer)(struct room *, uint32_t id);
  /* The answer to room_open_elsewhere or room_reserve_elsewhere of this room: OK, or why none of the seats is kept
   * (ROOM_FULL, ROOM_LOCKED, ROOM_NOT_FOUND, ROOM_CLOSED, UNKNOWN_KIND, INVALID_ARGUMENT ...). May be NULL. */
  void (*opened)(struct room *, uint64_t token, const char *id, kind_code);
  /* A room that this one has opened takes so many newcomers now, beside those who have seats kept (0 as well while it
   * is locked), or is no more. Told when that changes, and when seats were asked for players who had one, after the
   * answers to what was asked before. May be NULL. */
  void (*vacancy)(struct room *, const char *id, uint32_t free, bool ended);
  /* The state as bytes that `load` understands; called after every change. */
  void (*save)(struct room *, struct buf *out);
  /* Instead of open, in a new owner. False if the bytes are not what save wrote: the room is then given up. */
  bool (*load)(struct room *, struct bytes state);
  /* The encoded State that a joining member is shown; viewer NULL: somebody who watches, and sees what nobody's
   * secret is. */
  void (*snapshot)(struct room *, const struct member *viewer, struct buf *out);
  /* What people and listings see of the room: call describe_property. May be NULL. */
  void (*describe)(const struct room *, struct describe *);
  /* The room leaves this process's memory: free what the state points to. Not the place for game logic. May be NULL.
   */
  void (*close)(struct room *);
};

/* ---- what a kind sees of its room ---- */

const char *room_id(const struct room *);
const struct kind *room_kind(const struct room *);
void *room_state(const struct room *);
/* Redis's clock, Unix milliseconds, as of the entry being applied or of the frame's begin; the same for all that one
 * of them causes. It never goes back. */
uint64_t room_time_ms(const struct room *);
uint32_t room_max_members(const struct room *); /* the host may change it */
/* Scratch memory, valid until the current call into the kind returns. */
struct arena *room_arena(struct room *);
/* The options the room was made with; the bytes belong to the room. Changed ones are seen by later joiners. */
struct bytes room_options(const struct room *);
void room_set_options(struct room *, struct bytes options);

/* Members, longest-seated first, away ones included. Pointers are valid until the current call returns. */
size_t room_member_count(const struct room *);
struct member *room_member_at(const struct room *, size_t index);
struct member *room_member(const struct room *, const char *player); /* NULL if he is none */
struct member *room_host(const struct room *);                       /* NULL only while the room is empty */
const char *member_player(const struct member *);
const char *member_name(const struct member *);
struct bytes member_profile(const struct member *);
bool member_is_away(const struct member *);

/* ---- what a kind may do ---- */

/* Send an event (an encoded Event of the kind) to members, away ones included: they read it when they resume. What is
 * for all, or for all but some, goes to those who watch too. */
void room_send_all(struct room *, struct bytes event);
void room_send_except(struct room *, const struct member *, struct bytes event);
void room_send_only(struct room *, struct member *const *members, size_t n, struct bytes event);
void room_send_one(struct room *, struct member *, struct bytes event);

/* Call `timer` before the first entry at or after this stream time is applied, with entries made for it when nobody
 * sends any. A time that is not in the future means the next millisecond. Ids are the kind's; setting one again moves
 * it. At most ROOM_TIMERS_MAX per room. */
#define ROOM_TIMERS_MAX 16
void room_timer_set(struct room *, uint32_t id, uint64_t at_ms);
void room_timer_cancel(struct room *, uint32_t id);

/* From `open` only: this room's own rate, 1 to KIND_TICK_HZ_MAX. Only for kinds that have one. */
void room_set_tick_hz(struct room *, uint32_t hz);
uint32_t room_tick_hz(const struct room *);
uint64_t room_frame(const struct room *); /* number of the last frame that began; 0: none */

/* While locked nobody new may join; members may return. */
void room_lock(struct room *, bool locked);
/* End the room after the current call: members are told with this reason and are out. */
void room_complete(struct room *, Heya__V1__CloseReason);

/* Ask something of another room, which may be anywhere. Both keep a seat for each of the players, all or none, from
 * when they arrive there: it counts as taken for everybody else and lets its player in through a lock, until he has
 * come or keep_ms (up to ten minutes) have passed. `opened` is called with the token. False when the room waits for
 * ROOM_ASKED_MAX answers already, or the arguments make no sense; then nothing is asked. */
#define ROOM_ASKED_MAX     1024
#define ROOM_ASK_SEATS_MAX 256
struct kind_seats {
  const char *const *players; /* different ones */
  size_t n;
  uint64_t keep_ms;
};
/* The room of this id, made with nobody in it if there is none; it waits for its players at least as long as an empty
 * room is kept. max_members 0: its kind's. */
bool room_open_elsewhere(struct room *, const char *id, struct bytes options, uint32_t max_members,
                         const struct kind_seats *, uint64_t token);
bool room_reserve_elsewhere(struct room *, const char *id, const struct kind_seats *, uint64_t token);
/* How many more may be asked now: ROOM_ASKED_MAX less those that wait for an answer. */
uint32_t room_asks_left(const struct room *);
/* The id of a room of this kind that nobody else has or makes: "~" and 26 characters. out holds ROOM_ID_MAX + 1
 * bytes (proto/names.h). */
void room_new_id(struct room *, const char *kind, char *out);

/* For people with redis-cli, and to wake the owner: heya:room:<id>:deadline expires at this time. */
void room_deadline_show(struct room *, uint32_t round, uint64_t deadline_ms);
void room_deadline_hide(struct room *);
/* A readable line per player in heya:room:<id>:results. */
void room_result_show(struct room *, const char *player, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void room_results_hide(struct room *);

/* From `describe` only: a property by which rooms are listed and filtered, [a-z][a-z0-9_]{0,31} and up to 64 bytes.
 */
void describe_property(struct describe *, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
