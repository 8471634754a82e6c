/* See tests/chaos/stage.h. */
#include "tests/chaos/stage.h"

#include "common/clock.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_S 30

static bool fails(const char *what) {
  fprintf(stderr, "chaos: %s within %d s\n", what, PATIENCE_S);
  return false;
}

/* ---- servers ---- */

bool stage_wait_for_server(struct stage *stage, struct server *server) {
  (void)stage;
  return servers_wait_for(server);
}

void stage_owners(struct stage *stage, struct servers_owner owners[SERVERS_PARTITIONS]) {
  servers_owners(&stage->servers, &stage->redis, owners);
}

bool stage_balance(struct stage *stage) {
  return servers_balance(&stage->servers, &stage->redis);
}

bool stage_open(struct stage *stage) {
  *stage = (struct stage){.loop = ev_default_loop(0)};
  return servers_open(&stage->servers, stage->loop) || fails("no temporary directory");
}

bool stage_start(struct stage *stage, unsigned workers, unsigned gateways) {
  return servers_begin(&stage->servers, workers, gateways, &stage->redis);
}

/* ---- clients ---- */

static uint16_t any_gateway(void *arg, struct client *client, unsigned *index) {
  return servers_any_gateway(arg, &client->swarm->seed, index);
}

static bool all_in(void *arg) {
  struct stage *stage = arg;
  return swarm_in(&stage->swarm) == stage->swarm.n_clients;
}

bool stage_wait_for_clients(struct stage *stage) {
  return run_until(stage->loop, PATIENCE_S, all_in, stage) || fails("clients do not get into their rooms");
}

bool stage_populate(struct stage *stage, uint32_t clients, double rate, unsigned seed) {
  book_open(&stage->book, clients);
  stage->swarm = (struct swarm){.book = &stage->book,
                                .rounds = &stage->rounds,
                                .room_size = 4,
                                .rate = rate,
                                .seed = seed,
                                .gateway = any_gateway,
                                .gateway_arg = &stage->servers};
  swarm_start(&stage->swarm, stage->loop, clients);
  if (!stage_wait_for_clients(stage)) return false;
  run_until(stage->loop, 2, NULL, NULL); /* the load is there */
  return true;
}

static bool all_answered(void *arg) {
  struct stage *stage = arg;
  return all_in(arg) && swarm_pending(&stage->swarm) == 0;
}

bool stage_check(struct stage *stage) {
  stage->swarm.quiet = true;
  bool answered = run_until(stage->loop, PATIENCE_S, all_answered, stage);
  run_until(stage->loop, 0.5, NULL, NULL); /* the last events */
  struct book_result book = book_check(&stage->book);
  const struct swarm_counters *count = &stage->swarm.count;
  printf("  %" PRIu64 " commands sent, %" PRIu64 " acknowledged, %" PRIu64 " events heard; lost %" PRIu64
         ", doubled %" PRIu64 ", events missed %" PRIu64 ", repeated %" PRIu64 "; %" PRIu64
         " connections lost, %" PRIu64 " sessions lost, errors:\n",
         book.sent, book.acked, book.heard, book.lost, book.doubled, book.missed, book.repeated, count->reconnects,
         count->sessions_lost);
  swarm_print_errors(&stage->swarm);
  return answered && !book.lost && !book.doubled && !book.ghosts && !book.missed && !book.repeated &&
         !book.contradicted && !book.misdirected && !count->sessions_lost && !swarm_unexplained(&stage->swarm) &&
         !stage->servers.crashes;
}

void stage_close(struct stage *stage) {
  if (stage->swarm.clients) {
    swarm_stop(&stage->swarm);
    book_close(&stage->book);
    rounds_close(&stage->rounds);
  }
  if (stage->redis) redisFree(stage->redis);
  servers_close(&stage->servers);
}
