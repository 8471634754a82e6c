/* See tests/chaos/rounds.h. */
#include "tests/chaos/rounds.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct round *rounds_get(struct rounds *rounds, uint32_t room, uint32_t number) {
  for (size_t i = rounds->n; i-- > 0;)
    if (rounds->list[i].room == room && rounds->list[i].number == number) return &rounds->list[i];
  if (rounds->n == rounds->cap) {
    rounds->cap = rounds->cap ? rounds->cap * 2 : 64;
    rounds->list = xrealloc(rounds->list, rounds->cap * sizeof *rounds->list);
  }
  struct round *round = &rounds->list[rounds->n++];
  *round = (struct round){.room = room, .number = number};
  return round;
}

static struct round_player *player_of(struct round *round, const char *name) {
  for (unsigned i = 0; i < round->n_players; i++)
    if (strcmp(round->players[i].name, name) == 0) return &round->players[i];
  if (round->n_players == ROUND_PLAYERS) return NULL;
  struct round_player *player = &round->players[round->n_players++];
  snprintf(player->name, sizeof player->name, "%s", name);
  return player;
}

void rounds_started(struct rounds *rounds, uint32_t room, const Heya__Kinds__Live__Started *started) {
  struct round *round = rounds_get(rounds, room, started->round);
  for (size_t i = 0; i < started->n_players; i++) player_of(round, started->players[i]);
}

void rounds_submit(struct rounds *rounds, uint32_t room, uint32_t number, const char *player, uint32_t score,
                   enum submit_fate fate) {
  struct round_player *found = player_of(rounds_get(rounds, room, number), player);
  if (!found) return;
  found->score = score;
  found->fate = fate;
}

void rounds_deadline(struct rounds *rounds, uint32_t room, uint32_t number, uint64_t deadline_ms) {
  rounds_get(rounds, room, number)->deadline_ms = deadline_ms;
}

/* Whose snapshot has the results of this round needs none of those before. */
static void show(struct rounds *rounds, uint32_t room, uint32_t last, const char *player) {
  for (size_t i = 0; i < rounds->n; i++) {
    struct round *round = &rounds->list[i];
    if (round->room != room || round->number > last) continue;
    for (unsigned j = 0; j < round->n_players; j++)
      if (strcmp(round->players[j].name, player) == 0) round->players[j].shown = true;
  }
}

void rounds_results(struct rounds *rounds, uint32_t room, const char *player,
                    const Heya__Kinds__Live__Results *results, bool as_event, uint64_t now_ms) {
  struct round *round = rounds_get(rounds, room, results->round);
  struct round_player *self = player_of(round, player);
  if (as_event && self && self->told) {
    rounds->repeated++;
    printf("FAULT results twice: room %" PRIu32 " round %" PRIu32 " to %s\n", room, results->round, player);
  }
  if (as_event && self) self->told = true;
  if (!as_event) show(rounds, room, results->round, player);
  for (size_t i = 0; i < results->n_scores; i++) {
    struct round_player *other = player_of(round, results->scores[i]->player);
    if (!other) continue;
    size_t at = (size_t)(other - round->players);
    if (!round->ended) {
      round->scores[at] = results->scores[i]->score;
      round->forfeited[at] = results->scores[i]->forfeited;
    } else if (round->scores[at] != results->scores[i]->score ||
               round->forfeited[at] != results->scores[i]->forfeited) {
      rounds->differing++;
      printf("FAULT results differ: room %" PRIu32 " round %" PRIu32 ", %s of %s\n", room, results->round, player,
             other->name);
    }
  }
  if (!round->ended) round->ended_ms = now_ms;
  round->ended = true;
}

static bool is_right(const struct round *round, unsigned i) {
  const struct round_player *player = &round->players[i];
  bool counted = !round->forfeited[i] && round->scores[i] == player->score;
  switch (player->fate) {
  case SUBMIT_ACKED: return counted;
  case SUBMIT_SENT: return counted || round->forfeited[i]; /* its session ended before the answer */
  default: return round->forfeited[i] && round->scores[i] == 0;
  }
}

static int compare_u64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

struct rounds_result rounds_check(const struct rounds *rounds) {
  struct rounds_result result = {.differing = rounds->differing, .repeated = rounds->repeated};
  uint64_t *late = xcalloc(rounds->n + 1, sizeof *late);
  size_t n_late = 0;
  for (size_t r = 0; r < rounds->n; r++) {
    const struct round *round = &rounds->list[r];
    if (!round->ended) {
      result.unfinished++;
      continue;
    }
    result.played++;
    unsigned forfeits = 0;
    for (unsigned i = 0; i < round->n_players; i++) {
      forfeits += round->forfeited[i];
      result.scores += !round->forfeited[i];
      if (!round->players[i].told && !round->players[i].shown) {
        result.untold++;
        printf("FAULT not told: room %" PRIu32 " round %" PRIu32 " %s\n", round->room, round->number,
               round->players[i].name);
      }
      if (is_right(round, i)) continue;
      result.wrong++;
      printf("FAULT wrong result: room %" PRIu32 " round %" PRIu32 " %s submitted %" PRIu32 " (%s), has %" PRIu32
             "%s\n",
             round->room, round->number, round->players[i].name, round->players[i].score,
             round->players[i].fate == SUBMIT_ACKED ? "acknowledged" : "not acknowledged", round->scores[i],
             round->forfeited[i] ? " forfeited" : "");
    }
    result.forfeits += forfeits;
    if (forfeits && round->deadline_ms && round->ended_ms > round->deadline_ms)
      late[n_late++] = round->ended_ms - round->deadline_ms;
  }
  if (n_late) qsort(late, n_late, sizeof *late, compare_u64);
  if (n_late) {
    result.late_median_ms = late[n_late / 2];
    result.late_max_ms = late[n_late - 1];
  }
  free(late);
  return result;
}

void rounds_close(struct rounds *rounds) {
  free(rounds->list);
}
