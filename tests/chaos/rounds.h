/* The rounds of the live rooms, as their players saw them: results are the same for all and come once, every result
 * that was acknowledged counts, and who has none has forfeited. */
#ifndef HEYA_TESTS_CHAOS_ROUNDS_H
#define HEYA_TESTS_CHAOS_ROUNDS_H

#include "proto/kinds/live.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUND_PLAYERS 4

enum submit_fate { SUBMIT_NONE, SUBMIT_SENT, SUBMIT_ACKED, SUBMIT_REFUSED };

struct round_player {
  char name[16];
  uint32_t score; /* submitted */
  enum submit_fate fate;
  bool told;  /* heard the results as an event */
  bool shown; /* got a snapshot after the round had ended */
};

struct round {
  uint32_t room, number;
  struct round_player players[ROUND_PLAYERS];
  unsigned n_players;
  bool ended;
  uint32_t scores[ROUND_PLAYERS]; /* as in the first results heard */
  bool forfeited[ROUND_PLAYERS];
  uint64_t deadline_ms, ended_ms; /* Redis's clock; ours, of the same machine */
};

struct rounds {
  struct round *list;
  size_t n, cap;
  uint64_t differing, repeated; /* faults */
};

/* Found or made. Valid until the next call. */
struct round *rounds_get(struct rounds *rounds, uint32_t room, uint32_t number);
void rounds_started(struct rounds *rounds, uint32_t room, const Heya__Kinds__Live__Started *started);
void rounds_submit(struct rounds *rounds, uint32_t room, uint32_t number, const char *player, uint32_t score,
                   enum submit_fate fate);
/* Heard by this player, as an event or within a snapshot. */
void rounds_results(struct rounds *rounds, uint32_t room, const char *player,
                    const Heya__Kinds__Live__Results *results, bool as_event, uint64_t now_ms);
void rounds_deadline(struct rounds *rounds, uint32_t room, uint32_t number, uint64_t deadline_ms);

struct rounds_result {
  uint64_t played, unfinished, scores, forfeits;
  uint64_t wrong; /* an acknowledged result that does not count, a refused one that does, a forfeit without reason */
  uint64_t differing, repeated;
  uint64_t untold;                      /* players who neither heard the results nor got a snapshot after them */
  uint64_t late_median_ms, late_max_ms; /* results after their deadline, of rounds that ended by it */
};
struct rounds_result rounds_check(const struct rounds *rounds);
void rounds_close(struct rounds *rounds);

#endif
