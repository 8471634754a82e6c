/* Chaos: real processes under load while they are killed, stopped, drained and cut off, and a book of everything that
 * was said and heard, which must add up in the end.
 *
 *   build/chaos --seconds 600 --seed 1
 *
 * All faults come from the seed, though not the moment at which each hits: replaying one shows the same sort of
 * trouble, not the same run. */
#include "tests/chaos/client.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/measure.h"
#include "tests/chaos/truth.h"

#include "common/clock.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_S    60  /* for everybody to be back and answered, after the last fault */
#define CALM_S      0.5 /* for the last events about members to arrive */
#define ROOM_MEAN   4
#define LATE_MAX_MS 15000 /* results after their deadline, with all that may be broken at once */

static const char *const gateway_args[] = {
    "--message-rate", "1000", "--message-burst", "2000", "--gateway-ttl", "5s", NULL};

struct chaos {
  struct ev_loop *loop;
  struct servers servers;
  struct book book;
  struct rounds rounds;
  struct swarm swarm;
  struct faults faults;
  unsigned seed;
  double seconds;
  ev_timer progress;
};

/* ---- parts ---- */

static uint16_t choose_gateway(void *arg, struct client *client, unsigned *index) {
  return servers_any_gateway(arg, &client->swarm->seed, index);
}

static void on_progress(struct ev_loop *loop, ev_timer *timer, int events) {
  struct chaos *chaos = timer->data;
  (void)loop, (void)events;
  printf("\r%8.0f s  %" PRIu32 " in  %" PRIu32 " sent  %" PRIu64 " acked  %" PRIu32 " open  %" PRIu64 " faults ",
         (double)(clock_monotonic_us() - chaos->faults.began_us) / 1e6, swarm_in(&chaos->swarm),
         chaos->book.n_tokens - 1, chaos->swarm.count.acks, swarm_pending(&chaos->swarm), chaos->faults.n);
  fflush(stdout);
}

static bool all_answered(void *arg) {
  struct chaos *chaos = arg;
  return swarm_in(&chaos->swarm) == chaos->swarm.n_clients && swarm_pending(&chaos->swarm) == 0;
}

static bool all_in(void *arg) {
  struct chaos *chaos = arg;
  return swarm_in(&chaos->swarm) == chaos->swarm.n_clients;
}

/* No round runs, and each member of a chat has come as far as the last line that any of them heard. */
static bool has_heard_all(void *arg) {
  const struct chaos *chaos = arg;
  const struct client *clients = chaos->swarm.clients;
  for (uint32_t i = 0; i < chaos->swarm.n_clients; i++) {
    if (clients[i].playing) return false;
    for (uint32_t other = i; other-- > 0 && clients[other].room == clients[i].room;)
      if (position_compare(clients[i].at, clients[other].line_at) < 0 ||
          position_compare(clients[other].at, clients[i].line_at) < 0)
        return false;
  }
  return true;
}

/* Before the nth Redis; it is reached by its name. */
static bool open_proxy(struct chaos *chaos, unsigned nth, const char *socket, char *url, size_t url_size) {
  uint16_t port;
  struct proxy *proxy = proxy_create(chaos->loop, socket, chaos->seed, &port);
  chaos->faults.proxies[nth] = proxy;
  if (proxy) snprintf(url, url_size, "redis://localhost:%u", (unsigned)port);
  return proxy != NULL;
}

static bool start(struct chaos *chaos, uint32_t clients) {
  struct servers *servers = &chaos->servers;
  if (!servers_open(servers, chaos->loop)) return false;
  for (unsigned i = 0; i < servers->shards; i++)
    if (!open_proxy(chaos, i, servers->redis_socket[i], servers->redis_url[i], sizeof servers->redis_url[i]))
      return false;
  servers->gateway_args = gateway_args;
  for (unsigned i = 0; i < servers->shards; i++) servers_start(&servers->redis[i]);
  for (unsigned i = 0; i < 3; i++) servers_start(&servers->workers[i]);
  for (unsigned i = 0; i < 3; i++) servers_start(&servers->gateways[i]);
  book_open(&chaos->book, clients);
  chaos->swarm = (struct swarm){.book = &chaos->book,
                                .rounds = &chaos->rounds,
                                .leaving = true,
                                .quiet = true, /* until all are in: a round that begins shuts the late ones out */
                                .n_live = clients / ROOM_MEAN / 4,
                                .rate = 2,
                                .seed = chaos->seed,
                                .gateway = choose_gateway,
                                .gateway_arg = servers};
  swarm_start(&chaos->swarm, chaos->loop, clients);
  return true;
}

/* ---- the verdict ---- */

struct verdict {
  unsigned passed, failed;
};

static void expect(struct verdict *verdict, bool fine, const char *what, uint64_t n) {
  if (fine)
    verdict->passed++;
  else
    verdict->failed++;
  printf("  %8" PRIu64 " %-40s %s\n", n, what, fine ? "ok" : "FAILED");
}

static struct verdict judge(struct chaos *chaos, bool settled) {
  struct verdict verdict = {0};
  struct book_result book = book_check(&chaos->book);
  struct rounds_result rounds = rounds_check(&chaos->rounds);
  const struct servers *servers = &chaos->servers;
  uint64_t untrue = 0;
  for (unsigned i = 0; i < servers->shards && settled; i++)
    untrue += truth_check(servers->redis_socket[i], i, servers->shards, &chaos->swarm);
  const struct swarm_counters *count = &chaos->swarm.count;
  printf("\nfaults: %" PRIu64 "\n", chaos->faults.n);
  faults_print(&chaos->faults);
  printf("errors that clients were told:\n");
  swarm_print_errors(&chaos->swarm);
  printf("clients: %" PRIu64 " connects, %" PRIu64 " times out of the room and back, %" PRIu64
         " lost connections, %" PRIu64 " goodbyes, %" PRIu64 " resumes, of which %" PRIu64
         " with a snapshot, %" PRIu64 " times no answer for some seconds\n",
         count->connects, count->leaves, count->reconnects, count->goodbyes, count->resumes, count->snapshots,
         count->timeouts);
  printf("commands: %" PRIu64 " sent, %" PRIu64 " acknowledged, %" PRIu64 " applied, %" PRIu64 " refused, %" PRIu64
         " whose session ended before an answer; %" PRIu64 " events heard\n",
         book.sent, book.acked, book.applied, book.refused, book.unknown, book.heard);
  printf("rounds: %" PRIu64 " played, %" PRIu64 " results, %" PRIu64 " forfeits; by deadline: results %" PRIu64
         " ms after it (median), %" PRIu64 " ms at most\n",
         rounds.played, rounds.scores, rounds.forfeits, rounds.late_median_ms, rounds.late_max_ms);
  printf("checks:\n");
  expect(&verdict, settled, "clients back and answered in the end", swarm_in(&chaos->swarm));
  expect(&verdict, book.lost == 0, "acknowledged commands lost", book.lost);
  expect(&verdict, book.doubled == 0, "commands applied twice", book.doubled);
  expect(&verdict, book.ghosts == 0, "refused commands applied", book.ghosts);
  expect(&verdict, book.open == 0, "commands without an answer", book.open);
  expect(&verdict, count->sessions_lost == 0 && book.unknown == 0, "sessions that did not go on",
         count->sessions_lost);
  expect(&verdict, book.missed == 0, "events missed", book.missed);
  expect(&verdict, book.repeated == 0, "events repeated or out of order", book.repeated);
  expect(&verdict, book.misdirected == 0, "events heard that are for others", book.misdirected);
  expect(&verdict, book.contradicted == 0, "numbers with two events", book.contradicted);
  expect(&verdict, rounds.wrong == 0, "wrong results", rounds.wrong);
  expect(&verdict, rounds.differing + rounds.repeated == 0, "results that differ, or came twice",
         rounds.differing + rounds.repeated);
  expect(&verdict, rounds.unfinished == 0 && rounds.played > 0, "rounds without results", rounds.unfinished);
  expect(&verdict, rounds.untold == 0, "players who were not told results", rounds.untold);
  expect(&verdict, rounds.late_max_ms <= LATE_MAX_MS, "ms after its deadline: the latest results",
         rounds.late_max_ms);
  expect(&verdict, untrue == 0, "rooms that Redis knows otherwise", untrue);
  expect(&verdict, swarm_unexplained(&chaos->swarm) == 0, "unexplained errors", swarm_unexplained(&chaos->swarm));
  expect(&verdict, chaos->servers.crashes == 0, "processes that ended by themselves", chaos->servers.crashes);
  return verdict;
}

static int run(struct chaos *chaos, uint32_t clients) {
  chaos->loop = ev_default_loop(0);
  chaos->servers.aof = chaos->faults.redis_kill ? SERVERS_AOF_ALWAYS : SERVERS_AOF_EVERYSEC;
  if (!start(chaos, clients)) {
    fprintf(stderr, "chaos: cannot start: %s\n", chaos->servers.dir);
    return 1;
  }
  chaos->faults.servers = &chaos->servers;
  chaos->faults.seed = chaos->seed;
  chaos->faults.began_us = clock_monotonic_us();
  ev_timer_init(&chaos->progress, on_progress, 1., 1.);
  chaos->progress.data = chaos;
  ev_timer_start(chaos->loop, &chaos->progress);
  bool settled = run_until(chaos->loop, 30, all_in, chaos);
  chaos->swarm.quiet = false;
  if (!settled) printf("\nnot everybody comes in; see %s\n", chaos->servers.dir);
  faults_start(&chaos->faults, chaos->loop);
  run_until(chaos->loop, chaos->seconds, NULL, NULL);
  faults_end(&chaos->faults);
  chaos->swarm.quiet = true;
  settled = run_until(chaos->loop, SETTLE_S, all_answered, chaos) && settled;
  settled = run_until(chaos->loop, SETTLE_S, has_heard_all, chaos) && settled;
  run_until(chaos->loop, CALM_S, NULL, NULL);
  struct verdict verdict = judge(chaos, settled);
  chaos->servers.keep_dir = chaos->servers.keep_dir || verdict.failed;
  swarm_stop(&chaos->swarm);
  for (unsigned i = 0; i < 2; i++) proxy_destroy(chaos->faults.proxies[i]);
  servers_close(&chaos->servers);
  book_close(&chaos->book);
  rounds_close(&chaos->rounds);
  if (verdict.failed)
    printf("again with: build/chaos --seconds %.0f --seed %u%s\n", chaos->seconds, chaos->seed,
           chaos->servers.shards > 1 ? " --shards 2" : "");
  printf("\n%u passed, %u failed\n", verdict.passed, verdict.failed);
  return verdict.failed ? 1 : 0;
}

/* ---- options ---- */

static const char usage[] =
    "usage: build/chaos [--seconds N] [--seed N] [--clients N] [--every S] [--keep]\n"
    "       build/chaos --measure NAME [--times N]\n"
    "\n"
    "Runs Redis, workers and gateways under load, breaks something every few seconds, and checks that nothing is "
    "lost,\n"
    "doubled or wrong. With --measure: how long what takes.\n"
    "\n"
    "  --seconds N   how long things are broken (45)\n"
    "  --seed N      of the faults (the time)\n"
    "  --clients N   in rooms of two to eight, a quarter of which play live rounds (200)\n"
    "  --every S     mean seconds between two faults (3)\n"
    "  --shards N    1 Redis, or 2\n"
    "  --everysec    Redis writes its file once a second, and is not killed with -9\n"
    "  --times N     how often a measurement is made\n"
    "  --keep        keep the directory with the logs\n"
    "\n"
    "HEYA_BIN_DIR says where heya-worker and heya-gateway are. Exit status: 0 all is well, 1 not, 2 bad usage.\n";

int main(int argc, char **argv) {
  static const struct option options[] = {{"seconds", 1, 0, 's'},
                                          {"seed", 1, 0, 'r'},
                                          {"clients", 1, 0, 'c'},
                                          {"every", 1, 0, 'e'},
                                          {"everysec", 0, 0, 'y'},
                                          {"keep", 0, 0, 'k'},
                                          {"measure", 1, 0, 'm'},
                                          {"times", 1, 0, 't'},
                                          {"shards", 1, 0, 'n'},
                                          {"help", 0, 0, 'h'},
                                          {0}};
  static struct chaos chaos;
  uint32_t clients = 200, times = 0;
  const char *measurement = NULL;
  chaos.seconds = 45;
  chaos.seed = (unsigned)clock_wall_ms() % 1000000;
  chaos.faults.mean_s = 3;
  chaos.faults.redis_kill = true;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    switch (c) {
    case 's': chaos.seconds = strtod(optarg, NULL); break;
    case 'r': chaos.seed = (unsigned)strtoul(optarg, NULL, 10); break;
    case 'c': clients = (uint32_t)strtoul(optarg, NULL, 10) / 4 * 4; break;
    case 'e': chaos.faults.mean_s = strtod(optarg, NULL); break;
    case 'y': chaos.faults.redis_kill = false; break;
    case 'k': chaos.servers.keep_dir = true; break;
    case 'n': chaos.servers.shards = strtoul(optarg, NULL, 10) == 2 ? 2 : 1; break;
    case 'm': measurement = optarg; break;
    case 't': times = (uint32_t)strtoul(optarg, NULL, 10); break;
    case 'h': fputs(usage, stdout), puts("Measurements:"), measure_print_names(); return 0;
    default: return fputs(usage, stderr), 2;
    }
  }
  if (optind < argc || chaos.seconds <= 0 || clients < 4 || clients > 10000 || chaos.faults.mean_s <= 0) {
    fputs(usage, stderr);
    return 2;
  }
  if (measurement) return measure(measurement, times, chaos.seed);
  printf("chaos: %.0f s, %u clients, seed %u\n", chaos.seconds, clients, chaos.seed);
  return run(&chaos, clients);
}
