/* The game's side: a kind is one table of functions, and what those may do to their room.
 *
 * A room belongs to exactly one worker and is touched by one thread, one call at a time, in the order of its
 * partition's stream. A kind never sees Redis, sockets or other rooms, reads no clock but room_time_ms, and keeps
 * everything it knows in its state, which is saved after every command and loaded by the next owner when a worker
 * dies. What a kind sends, changes and answers becomes visible all together, once, in the commit that contains the
 * command.
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

#define KIND_ABI 1

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

struct kind {
  uint32_t abi;               /* KIND_ABI */
  const char *name;           /* [a-z][a-z0-9_]{0,15} */
  uint32_t max_members;       /* of a room that does not say */
  uint32_t max_members_limit; /* a room may not ask for more */
  uint32_t empty_ms;          /* an empty room is kept for so long */
  uint32_t away_ms;           /* a disconnected member's seat is kept for so long */
  size_t state_size;          /* bytes of room_state, zeroed before open or load */

  /* A new room. Check the options (encoded Options, hostile; empty is valid protobuf for all defaults). Anything but
   * OK refuses the room. */
  kind_code (*open)(struct room *, struct bytes options, struct kind_reply *);
  /* Somebody wants to join; member_profile is what he brings, hostile. Not yet among the members. May be NULL. */
  kind_code (*join)(struct room *, struct member *, struct kind_reply *);
  /* He has left and is among the members no more, but `member` is valid during the call. May be NULL. */
  void (*leave)(struct room *, struct member *, Heya__V1__LeaveReason);
  /* A member's command, hostile. Anything but OK must leave the state as it was. */
  kind_code (*command)(struct room *, struct member *, struct bytes payload, struct kind_reply *);
  /* A timer set with room_timer_set is due: room_time_ms is at or after it. May be NULL if it sets none. */
  void (*timer)(struct room *, uint32_t id);
  /* The state as bytes that `load` understands; called after every change. */
  void (*save)(struct room *, struct buf *out);
  /* Instead of open, in a new owner. False if the bytes are not what save wrote: the room is then given up. */
  bool (*load)(struct room *, struct bytes state);
  /* The encoded State that a joining member is shown. */
  void (*snapshot)(struct room *, const struct member *viewer, struct buf *out);
  /* What people and listings see of the room: call describe_property. May be NULL. */
  void (*describe)(const struct room *, struct describe *);
  /* The room leaves this process's memory: free what the state points to. Not the place for game logic. May be NULL.
   */
  void (*close)(struct room *);
};

/* ---- what a kind sees of its room ---- */

const char *room_id(const struct room *);
void *room_state(const struct room *);
/* Redis's clock, Unix milliseconds, as of the entry being applied; the same for all that one entry causes. */
uint64_t room_time_ms(const struct room *);
uint32_t room_max_members(const struct room *);
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

/* Send an event (an encoded Event of the kind) to members, away ones included: they read it when they resume. */
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

/* While locked nobody new may join; members may return. */
void room_lock(struct room *, bool locked);
/* End the room after the current call: members are told with this reason and are out. */
void room_complete(struct room *, Heya__V1__CloseReason);

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
