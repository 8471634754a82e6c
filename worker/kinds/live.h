/* What a `live` room knows, shared by its rules (live.c) and their messages (live_state.c); nobody else includes it.
 *
 * A plain value without pointers. The phase is not stored: a round is being played iff running.number is not 0.
 */
#ifndef HEYA_WORKER_KINDS_LIVE_H
#define HEYA_WORKER_KINDS_LIVE_H

#include "common/buf.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/names.h"
#include "worker/kind.h"

#define LIVE_PLAYERS_MAX         4
#define LIVE_DEADLINE_MS_DEFAULT 10000 /* from the first result of a round */
#define LIVE_DEADLINE_MS_MIN     100
#define LIVE_DEADLINE_MS_MAX     120000
#define LIVE_SCORE_MAX           1000000000 /* more is no score of any song */
#define LIVE_NOTES_MAX           100000     /* judged in one song, all five judgements together */

struct live_judge {
  uint32_t perfect, great, good, bad, miss;
};

/* One player of a round. */
struct live_seat {
  char player[PLAYER_MAX + 1];
  char name[DISPLAY_NAME_MAX + 1]; /* as it was when the round started */
  bool submitted;                  /* false in a round that has ended: forfeited */
  bool left;                       /* the room while the round ran: no result can come any more */
  uint32_t score;                  /* 0 unless submitted, as is the judge */
  struct live_judge judge;
};

struct live_round {
  uint32_t number; /* 1 and up; 0: there is no such round, and all else is 0 */
  uint32_t live_id;
  uint64_t deadline_ms; /* the last stream time at which a result counts; 0 until somebody has submitted */
  uint32_t seat_count;
  struct live_seat seats[LIVE_PLAYERS_MAX]; /* in the order in which they sat when the round started */
};

struct live {
  uint32_t live_id;     /* the chosen song, 1 and up */
  uint32_t deadline_ms; /* from a round's first result; never 0 */
  struct live_round running;
  struct live_round last; /* that has ended; its number + 1 is the next one's */
};

/* NULL if he was not in the round when it started. */
struct live_seat *live_seat_find(struct live_round *round, const char *player);
/* Everybody has submitted or left: the round waits for nobody. */
bool live_round_is_settled(const struct live_round *round);
bool live_score_is_sane(uint32_t score, const struct live_judge *judge);
bool live_deadline_is_sane(uint32_t deadline_ms);

/* Appends the encoded message. */
void live_pack(struct buf *out, const ProtobufCMessage *message);
struct live_judge live_judge_of(const Heya__Kinds__Live__Judge *judge); /* NULL: all 0, as proto3 means it */

/* A Results message with its parts beside it: it points into itself and into the round, so neither may move. */
struct live_results {
  Heya__Kinds__Live__Results message;
  Heya__Kinds__Live__Score *list[LIVE_PLAYERS_MAX];
  Heya__Kinds__Live__Score scores[LIVE_PLAYERS_MAX];
  Heya__Kinds__Live__Judge judges[LIVE_PLAYERS_MAX];
};
void live_results_of(struct live_round *round, struct live_results *results);

/* These are the functions of the kind's table. */
void live_save(struct room *room, struct buf *out);
bool live_load(struct room *room, struct bytes bytes);
void live_snapshot(struct room *room, const struct member *viewer, struct buf *out);

#endif
