/* A room's context: members, host, state of its kind, timers, and what of it has changed since the last commit.
 *
 * Lives in its partition's repository. worker/apply.c calls it for entries, worker/record.c turns it into what Redis
 * gets, worker/image.h saves and loads it. Everything that happens here happens in stream order, at a stream time, in
 * one thread; what it says goes into the partition's effects.
 */
#ifndef HEYA_WORKER_ROOM_H
#define HEYA_WORKER_ROOM_H

#include "common/buf.h"
#include "proto/names.h"
#include "worker/backlog.h"
#include "worker/config.h"
#include "worker/effects.h"
#include "worker/frames.h"
#include "worker/kind.h"
#include "worker/member.h"
#include "worker/queue.h"
#include "worker/seats.h"
#include "worker/timers.h"
#include <stdarg.h>
#include <uthash.h>

#define INCARNATION_MAX 48

struct room_timer {
  uint32_t id;
  uint64_t at_ms;
};

struct room_result {
  char player[PLAYER_MAX + 1];
  char text[160];
};

/* What the next commit has to write of the room, besides its image. */
struct room_changes {
  bool whole;   /* everything, after deleting every key */
  bool facts;   /* the readable fields */
  bool results; /* all result lines */
  enum commit_deadline deadline;
  uint64_t described;              /* set by the record when it writes the properties; 0: it does not */
  char (*removed)[PLAYER_MAX + 1]; /* member lines to delete */
  size_t n_removed, cap_removed;
};

struct room {
  const struct kind *kind;
  struct effects *effects; /* of its partition */
  char id[ROOM_ID_MAX + 1];
  char incarnation[INCARNATION_MAX];
  uint64_t created_ms;
  uint64_t seq;         /* of its last event */
  uint64_t event_epoch; /* in which that was; while there was none, in which the room was made */
  uint32_t max_members;
  bool derived;     /* made by create: leaves a tomb */
  bool locked;      /* by its kind */
  bool host_locked; /* by its host: each of the two keeps newcomers out */
  bool is_shell;    /* without a state: its kind is not to be called any more */
  bool completing;  /* ends after the current call into the kind */
  Heya__V1__CloseReason close_reason;
  uint64_t expire_at_ms; /* stream time; 0 while anyone is in the room */
  struct config config;
  char (*banned)[PLAYER_MAX + 1]; /* by its host; at most ROOM_BANNED_MAX */
  size_t n_banned;
  struct buf options;
  void *state;
  struct member **members; /* longest-seated first; the host is among them */
  size_t n_members, cap_members;
  struct member *by_player;
  struct member *host;         /* NULL while empty */
  struct seats seats;          /* kept for players who are not members yet */
  char lobby[ROOM_ID_MAX + 1]; /* a room that is told how many seats are free; "": none */
  uint32_t told_free;          /* what it was told last */
  bool tell_again;             /* now, though that has not changed: it believes something else */
  uint32_t asked;              /* questions to other rooms that were not answered yet */
  struct member **spectators;  /* connected, without a seat: see worker/spectators.h */
  size_t n_spectators;
  struct room_timer timers[ROOM_TIMERS_MAX];
  size_t n_timers;
  struct room_result *results;
  size_t n_results;
  uint64_t deadline_ms; /* shown; 0: none */
  uint32_t round;
  struct backlog backlog;
  struct timer_node due;
  struct frames frames;        /* hz 0: it does not tick, and commands run as they come */
  struct queue queue;          /* of a room that ticks */
  struct timer_node frame_due; /* the next frame, in microseconds of Redis's clock */
  uint64_t saved_ms;           /* of a lossy kind: when it was saved last */
  bool unsaved;                /* likewise: it has changed since */
  bool approximate;            /* likewise: it was loaded, and its last owner went on after saving it */
  uint64_t clock_ms;           /* what room_time_ms has said; it never goes back */
  struct room_changes changes;
  uint64_t described; /* hash of the properties as last written */
  bool is_changed;    /* listed in effects->changed */
  UT_hash_handle hh;  /* in the repository */
};

#define ROOM_BANNED_MAX 256

struct room *room_create(const struct kind *, struct effects *, const struct room_id *);
void room_destroy(struct room *);

/* It differs from what Redis has: to be called by whatever changes it. */
void room_touch(struct room *);
/* The same, and its readable fields too. */
void room_touch_facts(struct room *);
/* Whether its changes are to be in the next commit: those of a lossy kind's state may wait. */
#define ROOM_LOSSY_SAVE_MS 1000
bool room_saves_now(const struct room *);
/* After a freeze. */
void room_changes_clear(struct room *);

Heya__V1__Status room_status(const struct room *);
bool room_is_locked(const struct room *); /* by its host or its kind */
bool room_bans(const struct room *, const char *player);
/* False: he is banned already, or so many are. He stays where he is. */
bool room_ban(struct room *, const char *player);
void room_unban(struct room *, const char *player);
/* When it wants room_fire in stream time; 0: never. */
uint64_t room_next_due_ms(const struct room *);
/* Does what is due at the partition's time. The room may have ended afterwards (room_has_ended). */
void room_fire(struct room *);
bool room_has_ended(const struct room *);

/* Members. A newcomer takes the last seat; in an empty room he becomes the host and the room is written whole. */
void room_seat(struct room *, struct member *);
void room_unseat(struct room *, struct member *, Heya__V1__LeaveReason);
/* His connection is gone; the seat is kept for the kind's away time. */
void room_set_away(struct room *, struct member *);

/* A room that was made with nobody in it: it is written, and waits for those who have seats. */
void room_await(struct room *);
/* Keeps a seat for a player until a stream time; an empty room waits for him. Whether there is one is up to the
 * caller. */
void room_keep_seat(struct room *, const char *player, uint64_t until_ms);
/* Out he goes, and his connection is told why (PLAYER_KICKED). */
void room_kick(struct room *, struct member *);
/* Nobody else is host any more; all are told. */
void room_hand_over(struct room *, struct member *host);

/* Tells everybody that it has ended, detaches their connections, and leaves a tomb if it was derived. */
void room_end(struct room *, Heya__V1__CloseReason);

/* A timer id, an "entry id and index" text that is unique: for sessions and incarnations. */
void room_stamp(const struct effects *, char *out, size_t size);

/* What a kind says in text. Cut between characters where it does not fit, and before bad UTF-8: it goes into messages
 * and images, whose reader refuses the whole for half a character. */
void room_print_text(char *out, size_t size, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* As clients see it; the proto's memory is the scratch arena. `viewer` decides what of the state is shown; NULL:
 * somebody who only watches. */
Heya__V1__Snapshot *room_snapshot(struct room *, const struct member *viewer);
/* What its host may have changed; likewise. */
Heya__V1__Facts *room_facts(struct room *);
void room_tell_facts(struct room *);
/* A word of those who run the server, to all who are there. `text` is one of UTF-8. */
void room_notice(struct room *, const char *text);

#define TOMB_MS (10 * 60 * 1000)
/* How much longer its key lives: longer than a failover, so that the next owner finds it in time. */
#define TOMB_MARGIN_MS 30000

#endif
