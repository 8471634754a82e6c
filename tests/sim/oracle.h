/* What must be true, judged from outside: from what Redis accepted (claims, appends, commits) and from what clients
 * hear. It knows no more than that and shares no code with what it judges, but the encodings.
 *
 *   oracle.c         ownership and checkpoints; what a commit's images may say
 *   oracle_tokens.c  commands, each of which is applied once or answered with an error
 *   oracle_events.c  every event of every incarnation, and who must hear which
 *   oracle_poison.c  rooms that kill: how many deaths they may cost, and who may be closed for it
 *   oracle_failed.c  what their members, and whoever sent something to them, are told
 *   oracle_live.c    rounds: who was in time, and what the results must say
 *   oracle_frames.c  rooms that tick: frames, queues
 *   oracle_lossy.c   rooms that may go back: when, by how much, and who is told
 *   oracle_outbox.c  what partitions say to those of another Redis
 *   oracle_lobby.c   who waits for a game, rooms opened elsewhere, kept seats
 *   oracle_end.c     the full account, when everything has settled
 */
#ifndef HEYA_TESTS_SIM_ORACLE_H
#define HEYA_TESTS_SIM_ORACLE_H

#include "proto/client.pb-c.h"
#include "proto/image.pb-c.h"
#include "proto/names.h"
#include "tests/sim/ledger.h"
#include "tests/sim/model.h"
#include "worker/scene.h"

#define ORACLE_ROUNDS_MAX 128

struct oracle_event {
  uint64_t epoch, seq;
  struct bytes to, message;
};

/* An acknowledged command, with its place in the ledger. */
struct oracle_ack {
  uint64_t token;
  uint32_t place;
};

struct oracle_session {
  const char *id;
  struct oracle_session *next;
};

struct oracle_round {
  bool submitted;       /* somebody has */
  uint64_t deadline_ms; /* as told with the first result */
  struct bytes results; /* encoded; .data NULL until they are out */
};

/* One life of a room, between being made and its end. */
struct oracle_life {
  struct oracle_room *room;
  char incarnation[48];
  bool ended;
  bool rumour; /* it ended in the commit that began it: known from its deliveries only */
  uint64_t expire_at_ms, seq, event_epoch;
  uint64_t *tokens; /* its ledger */
  size_t n_tokens, cap_tokens;
  uint32_t timers_set, timers_fired;
  struct oracle_event *events;
  size_t n_events, cap_events;
  const Heya__Image__Room *image;                /* the last one; of the run's memory */
  struct oracle_round rounds[ORACLE_ROUNDS_MAX]; /* of a live room; by number */
  uint32_t running;                              /* of them; 0: none */
  struct oracle_life *next;                      /* an older one */
  uint64_t image_epoch;                          /* in which that was written */
  uint64_t frame_told;                           /* the last one that spoke; 0: none */
  /* of a lossy room, see oracle_lossy.c */
  struct oracle_life *later; /* it has gone back, and goes on as this one; NULL: it has not */
  bool ends_unheard;         /* in a commit that says something of the next one too: nobody knows which is whose */
  uint64_t back_epoch;       /* in which this one began so; 0: it did not */
  struct oracle_session *sessions; /* that were told of it */
  struct oracle_ack *acks;         /* that were heard, and not saved since */
  size_t n_acks, cap_acks;
};

struct oracle_room {
  char id[ROOM_ID_MAX + 1];
  bool live, lobby, ticks, lossy;
  bool has_failed;           /* has been condemned, once at least */
  struct oracle_life *life;  /* the last one that was written; NULL: none yet */
  struct oracle_life *lives; /* all that were heard of */
};

struct oracle_token {
  struct oracle_life *life; /* where it is in the ledger; NULL: nowhere */
  uint32_t place;           /* in it, from 1 */
  bool refused, acked;
  bool given_up; /* its room failed: it may have been applied, and will not be any more */
};

/* A result that somebody submits, named by its score, which is a token. */
struct oracle_submit {
  uint32_t score, round;
  char room[ROOM_ID_MAX + 1], player[PLAYER_MAX + 1];
  uint32_t instances; /* in the stream so far */
  uint64_t first_ms;  /* of the earliest one */
  struct oracle_life *acked_in;
};

/* Who is to be blamed for the deaths of owners. */
struct oracle_blames {
  struct store_blame items[STORE_BLAMES_MAX];
  size_t n;
};

struct oracle_partition {
  char worker[PROCESS_ID_MAX + 1]; /* "": free */
  uint64_t epoch, spoken_epoch;    /* of the last commit */
  struct stream_id done;
  /* at its claim */
  uint64_t connections; /* of its owner, so far */
  uint64_t claimed_ms;
  struct stream_id claimed_done, tail;
  uint32_t losses; /* owners before it that lost it in a row, each soon and with nothing done */
  uint64_t row;    /* the epoch of the first of them */
  struct oracle_blames told;
  struct oracle_life *doomed[STORE_BLAMES_MAX]; /* the lives that these are to end; NULL: none, or done */
  /* since then */
  struct oracle_blames guilty; /* to be told to the next one, while what they did is not done */
  bool others_died;            /* its owner did, cautiously, of another partition's room */
};

/* A command that kills. */
struct oracle_poison {
  uint64_t token;
  char room[ROOM_ID_MAX + 1]; /* in which it has killed; "": nobody yet */
  struct oracle_life *life;   /* of that room; NULL: not known to Redis */
  bool condemned;             /* the room, since then */
  uint64_t row;               /* of the partition, when it killed last */
  uint32_t deaths;            /* in that row */
};
#define ORACLE_POISONS_MAX 8

struct oracle {
  struct sim *sim;
  struct oracle_partition partitions[SIM_PARTITIONS_MAX];
  struct oracle_poison poisons[ORACLE_POISONS_MAX];
  size_t n_poisons;
  struct oracle_room *rooms[MODEL_ROOMS_MAX];
  size_t n_rooms;
  struct oracle_token *tokens;
  size_t n_tokens, cap_tokens;
  struct sim_queue posted[SIM_PARTITIONS_MAX][SIM_PARTITIONS_MAX]; /* of struct bytes: from, to */
  struct oracle_submit *submits;
  size_t n_submits, cap_submits;
};

void oracle_create(struct sim *);

/* ---- from the model of Redis ---- */
void oracle_claimed(struct sim *, uint32_t partition, const char *worker, const struct store_claimed *);
void oracle_released(struct sim *, uint32_t partition);
void oracle_appended(struct sim *, uint32_t partition, struct stream_id, struct bytes batch);
void oracle_committed(struct sim *, const char *worker, const struct commit_segment *); /* before it is written */
void oracle_written(struct sim *, const struct commit_segment *);
/* A commit of `from` has a parcel for `to`; `to` has taken it. */
void oracle_posted(struct sim *, uint32_t from, uint32_t to, struct bytes batch);
void oracle_forwarded(struct sim *, uint32_t from, uint32_t to, struct bytes batch);

void oracle_blamed(struct sim *, uint32_t partition, uint64_t epoch, const struct store_blame *);

/* ---- from workers, as they call a kind ---- */
void oracle_kind_called(struct sim *, const char *worker, const struct scene *, const char *room);
/* It dies in that call, of this command. */
void oracle_struck(struct sim *, const char *worker, const struct scene *, uint64_t token);

/* ---- from clients ---- */
uint64_t oracle_new_token(struct sim *);
/* Whoever has this session is in it. NULL, and a failure, if Redis never had it. */
struct oracle_life *oracle_life_of(struct sim *, const char *room, const char *incarnation, const char *session);
/* The one that goes on where this one has gone back; NULL if it has not. */
struct oracle_life *oracle_life_after(struct oracle_life *, const char *session);
/* `place`: as the room answered. */
void oracle_acked(struct sim *, const char *who, struct oracle_life *, uint64_t token, uint32_t place);
void oracle_refused(struct sim *, const char *who, uint64_t token);
void oracle_given_up(struct sim *, uint64_t token);
/* Somebody is told that this room has failed. */
void oracle_failure_heard(struct sim *, const char *who, const char *room);
void oracle_poison_made(struct sim *, uint64_t token);
/* The ledger that a snapshot shows must be one that the room has had. */
void oracle_ledger_shown(struct sim *, const char *who, const struct oracle_life *, const struct ledger *);

/* The index of the first event after number `seq`. */
size_t oracle_position(const struct oracle_life *, uint64_t seq);
/* This player (NULL: somebody who watches) has heard everything up to *position and hears this message now: moves
 * *position behind it. */
void oracle_heard(struct sim *, const char *who, const struct oracle_life *, const char *player, size_t *position,
                  const Heya__V1__Event *, struct bytes message);
/* Whether anything for him is left from `position` on. */
const struct oracle_event *oracle_unheard(const struct oracle_life *, const char *player, size_t position);

/* `played`: the last round that he was in from its beginning, and never out of. */
void oracle_submit_answered(struct sim *, const char *who, struct oracle_life *, uint32_t score,
                            Heya__V1__Error__Code, uint32_t played);

/* ---- between the files ---- */
struct oracle_room *oracle_room_of(struct sim *, const char *id);
struct oracle_life *oracle_newest_life(struct oracle_room *, const char *incarnation); /* NULL: unknown */
void oracle_put_token(struct sim *, struct oracle_life *, uint64_t token);
/* The ledger of an image. */
void oracle_ledger_committed(struct sim *, struct oracle_life *, const Heya__Image__Room *);
/* At its number. */
void oracle_put_event(struct sim *, struct oracle_life *, const struct oracle_event *);
static inline struct bytes oracle_bytes(ProtobufCBinaryData data) {
  return bytes_of(data.data, data.len);
}
/* Whether something of it is still on its way. */
bool oracle_unforwarded(const struct sim *, uint32_t from);
void oracle_told(struct sim *, uint32_t partition, const char *worker, const struct store_claimed *);
void oracle_failed_committed(struct sim *, const struct commit_segment *);
/* A room that has killed and is not condemned, NULL: none. */
const char *oracle_unpunished(const struct sim *);
void oracle_events_committed(struct sim *, struct oracle_life *, uint64_t epoch, const struct commit_room *);
void oracle_last_words(struct sim *, struct oracle_life *, const struct commit_segment *);
/* Before the image becomes the life's, after its ledger has. `quiet`: nothing came to its partition since the last
 * commit. */
void oracle_frames_committed(struct sim *, const struct oracle_life *, const Heya__Image__Room *,
                             const struct commit_room *, bool quiet);
/* Likewise, of a lobby, and of any room; at this stream time. */
void oracle_lobby_committed(struct sim *, const struct oracle_life *, const Heya__Image__Room *,
                            const struct commit_room *, uint64_t now_ms);
void oracle_seats_committed(struct sim *, const struct oracle_life *, const Heya__Image__Room *,
                            const struct commit_room *, uint64_t now_ms);
/* What a lobby has still to do; NULL: nothing. */
const char *oracle_lobby_unsettled(struct sim *, const struct oracle_life *);
bool oracle_event_is_for(const struct oracle_event *, const char *player);
void oracle_frame_told(struct sim *, struct oracle_life *, struct bytes message);
/* The life that is written now, or ends (NULL): another one, if the room has gone back. */
struct oracle_life *oracle_lossy_goes_on(struct sim *, struct oracle_life *, const struct commit_segment *,
                                         const Heya__Image__Room *);
void oracle_lossy_ends(struct sim *, struct oracle_room *, const struct commit_segment *);
void oracle_lossy_committed(struct sim *, const struct commit_segment *);
uint64_t oracle_connections(const struct sim *, const char *worker, uint32_t partition);
void oracle_lossy_released(struct sim *, uint32_t partition);
void oracle_lossy_acked(struct sim *, struct oracle_life *, uint64_t token, uint32_t place);
void oracle_lossy_saved(struct sim *, struct oracle_life *);
struct oracle_life *oracle_life_with(struct oracle_life *newest, const char *session);
void oracle_live_event(struct sim *, struct oracle_life *, struct bytes message);
void oracle_live_appended(struct sim *, const char *room, const char *player, struct stream_id, struct bytes payload);

/* ---- at the end: what has not settled yet, "" if all has; then the failures ---- */
bool oracle_has_settled(struct sim *);
void oracle_check_settled(struct sim *);
bool oracle_all_empty(struct sim *); /* nobody is in any room */
bool oracle_has_vanished(struct sim *);
void oracle_check_vanished(struct sim *);

#endif
