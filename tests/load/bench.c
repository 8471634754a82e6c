/* See tests/load/bench.h. A new scenario is a file and a row of `scenarios`. */
#include "tests/load/bench.h"

#include "common/clock.h"
#include "tests/load/dialect.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARE_FILES   100
#define SMOKE_WORKERS 2

struct scenario {
  const char *name;
  bool (*run)(struct bench *);
  const char *what;
  struct shape usual, small; /* small: for smoke */
  unsigned workers;          /* as many at least */
  bool any_dialect;          /* else it is of Heya only */
};

static const struct scenario scenarios[] = {
    {"broadcast",
     scenario_broadcast,
     "lines in many chat rooms, each heard by all members",
     {1000, 4, 0, 5000, 10000, 1000},
     {50, 4, 0, 1000, 1500, 300},
     1,
     true},
    {"idle",
     scenario_idle,
     "one room of two and nothing else: command to ack",
     {1, 2, 0, 100, 8000, 1000},
     {1, 2, 0, 100, 1000, 300},
     1,
     true},
    {"churn",
     scenario_churn,
     "connect, hello, join or create, leave, close; one loop each, over a few names",
     {32, 1, 64, 0, 5000, 1000},
     {8, 1, 16, 0, 1000, 300},
     1,
     true},
    {"hold",
     scenario_hold,
     "memory for each member who is in a room and silent",
     {1000, 4, 0, 0, 6000, 1000},
     {50, 4, 0, 0, 500, 300},
     1,
     true},
    {"live",
     scenario_live,
     "whole live rounds: create, four join, start, four results, results to all, leave",
     {0, 4, 64, 0, 10000, 1000},
     {0, 4, 8, 0, 1500, 300},
     1,
     false},
    {"arena",
     scenario_arena,
     "fighters who run to and fro: frames to all of them, commands at the next frame",
     {100, 4, 0, 400, 10000, 1000},
     {10, 4, 0, 40, 1500, 1200},
     1,
     false},
    {"chat1000",
     scenario_chat1000,
     "one chat room of a thousand",
     {1, 1000, 0, 20, 10000, 1000},
     {1, 200, 0, 20, 1500, 300},
     1,
     true},
    {"failover",
     scenario_failover,
     "broadcast, and a worker is killed with -9 under it: latency before and after",
     {250, 4, 0, 1000, 8000, 1000},
     {50, 4, 0, 400, 2500, 300},
     2,
     false},
};
#define N_SCENARIOS (sizeof scenarios / sizeof *scenarios)

void bench_print_scenarios(void) {
  printf("\nScenarios\n");
  for (size_t i = 0; i < N_SCENARIOS; i++) {
    const struct shape *usual = &scenarios[i].usual;
    printf("  %-12s %s\n  %-12s (", scenarios[i].name, scenarios[i].what, "");
    if (usual->rooms) printf("--rooms %u ", usual->rooms);
    if (usual->members > 1) printf("--members %u ", usual->members);
    if (usual->at_once) printf("--at-once %u ", usual->at_once);
    if (usual->rate > 0) printf("--rate %.0f ", usual->rate);
    if (usual->warm_up_ms) printf("--warm-up %.0fs ", (double)usual->warm_up_ms / 1000);
    printf("--duration %.0fs)\n", (double)usual->duration_ms / 1000);
  }
  printf("  %-12s each of them, small, on the same servers: a test that they work\n", "smoke");
}

bool bench_until(struct bench *bench, double seconds, bool (*condition)(void *), void *arg) {
  uint64_t end_us = clock_monotonic_us() + (uint64_t)(seconds * 1e6);
  bool is = false;
  /* In short pieces, so that a signal is seen; run_until looks at the condition after each turn of the loop. */
  while (!is && !bench->stopped) {
    uint64_t now_us = clock_monotonic_us();
    if (now_us >= end_us) break;
    double left_s = (double)(end_us - now_us) / 1e6;
    is = run_until(bench->loop, left_s < 0.1 ? left_s : 0.1, condition, arg);
  }
  return is;
}

/* ---- one scenario ---- */

static struct shape shape_of(const struct scenario *scenario, const struct load_options *options) {
  struct shape shape = scenario->usual;
  if (options->rooms) shape.rooms = (uint32_t)options->rooms;
  if (options->members) shape.members = (uint32_t)options->members;
  if (options->at_once) shape.at_once = (uint32_t)options->at_once;
  if (options->rate) shape.rate = (double)options->rate;
  if (options->duration_ms) shape.duration_ms = options->duration_ms;
  if (options->warm_up_ms) shape.warm_up_ms = options->warm_up_ms;
  return shape;
}

static void report_site(struct bench *bench) {
  static const char *const aof[] = {
      [SERVERS_AOF_EVERYSEC] = "everysec", [SERVERS_AOF_ALWAYS] = "always", [SERVERS_AOF_NO] = "no"};
  const struct site *site = &bench->site;
  unsigned workers = 0;
  report_json(&bench->report, "dialect", json_string(dialect_names[bench->options->dialect]));
  if (!site->own) {
    report_json(&bench->report, "servers", json_string("running"));
    return;
  }
  for (unsigned i = 0; i < SERVERS_MAX; i++) workers += site->servers.workers[i].state == SERVER_UP;
  report_json(&bench->report, "servers",
              json_pack("{s:i, s:i, s:i, s:s}", "workers", workers, "gateways", site->n_gateways, "shards",
                        site->n_redis, "aof", aof[bench->options->aof]));
  report_say(&bench->report, "  %u workers, %u gateways, %u Redis with AOF %s", workers, site->n_gateways,
             site->n_redis, aof[bench->options->aof]);
}

/* Whether all was well. */
static bool run(struct bench *bench, const struct scenario *scenario, bool text) {
  report_open(&bench->report, scenario->name, text);
  report_say(&bench->report, "%s: %s", scenario->name, scenario->what);
  report_site(bench);
  bool fine = scenario->run(bench);
  progress_stop(&bench->progress, bench->loop);
  if (!fine) report_wrong(&bench->report, "could not be measured");
  if (bench->stopped) report_wrong(&bench->report, "stopped by a signal");
  if (bench->site.own && bench->site.servers.crashes) report_wrong(&bench->report, "a server ended by itself");
  return !bench->report.wrong;
}

/* ---- all ---- */

/* With running servers nobody is killed unless --victim says who. */
static bool can_run(const struct bench *bench, const struct scenario *scenario) {
  if (bench->options->dialect != DIALECT_HEYA && !scenario->any_dialect) return false;
  return scenario->workers == 1 || bench->site.own || bench->options->victim;
}

static int smoke(struct bench *bench) {
  unsigned passed = 0, failed = 0;
  for (size_t i = 0; i < N_SCENARIOS && !bench->stopped; i++) {
    if (!can_run(bench, &scenarios[i])) continue;
    uint64_t began_us = clock_monotonic_us();
    bench->shape = scenarios[i].small;
    bool fine = run(bench, &scenarios[i], !bench->options->json);
    if (bench->options->json) report_print_json(&bench->report);
    report_say(&bench->report, "%s %s, %.1f s\n", fine ? "ok    " : "FAILED", scenarios[i].name,
               (double)(clock_monotonic_us() - began_us) / 1e6);
    report_close(&bench->report);
    fine ? passed++ : failed++;
  }
  if (!bench->options->json) printf("%u passed, %u failed\n", passed, failed);
  return failed || !passed;
}

static int one(struct bench *bench, const struct scenario *scenario) {
  bench->shape = shape_of(scenario, bench->options);
  bool fine = run(bench, scenario, !bench->options->json);
  if (bench->options->json) report_print_json(&bench->report);
  report_close(&bench->report);
  return fine ? 0 : 1;
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int events) {
  struct bench *bench = signal->data;
  (void)loop, (void)events;
  bench->stopped = true;
}

/* Descriptors for all of them; servers inherit the limit, and hold as many. False, with a word on standard error,
 * when this user may not have so many. */
static bool raise_limit(const struct shape *shape) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t)shape->rooms * shape->members + shape->at_once * UINT64_C(4) + SPARE_FILES;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;
  rlim_t most = limit.rlim_max;
  if (most < wanted) limit.rlim_max = wanted; /* root may */
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
  limit.rlim_cur = limit.rlim_max = most;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (most >= wanted) return true;
  fprintf(stderr, "heya-bench: this takes %llu descriptors, and ulimit -Hn is %llu\n", (unsigned long long)wanted,
          (unsigned long long)most);
  return false;
}

/* Whether the options fit the scenario, which is NULL for smoke. */
static bool is_possible(const struct load_options *options, const struct scenario *scenario) {
  const char *why = NULL;
  if ((options->find || options->rates.count) && (!scenario || scenario->run != scenario_broadcast))
    why = "--find and --rates are of broadcast only";
  else if (options->find && options->rates.count)
    why = "--find looks for a rate, --rates gives them";
  else if (options->dialect != DIALECT_HEYA && !options->at.count)
    why = "only Heya's servers are started; where do the others run? --gateway HOST:PORT";
  else if (options->dialect != DIALECT_HEYA && scenario && !scenario->any_dialect)
    why = "this scenario is of Heya only (--dialect heya)";
  for (size_t i = 0; i < options->rates.count && !why; i++)
    if (broadcast_rate(options, i) <= 0) why = "--rates are commands a second, above 0";
  if (why) fprintf(stderr, "heya-bench: %s\n", why);
  return !why;
}

int bench_main(const char *name, const struct load_options *options) {
  static struct bench bench;
  const struct scenario *scenario = NULL;
  bool bad_usage = false, all = strcmp(name, "smoke") == 0;
  for (size_t i = 0; i < N_SCENARIOS; i++)
    if (strcmp(scenarios[i].name, name) == 0) scenario = &scenarios[i];
  if (!scenario && !all) {
    fprintf(stderr, "heya-bench: no scenario '%s' (--help names them)\n", name);
    return 2;
  }
  if (!is_possible(options, scenario)) return 2;
  bench = (struct bench){.loop = ev_default_loop(0),
                         .options = options,
                         .dialect = dialects[options->dialect],
                         .tag = (uint32_t)clock_wall_ms()};
  for (unsigned i = 0; i < 2; i++) {
    ev_signal_init(&bench.signals[i], on_signal, i ? SIGTERM : SIGINT);
    bench.signals[i].data = &bench;
    ev_signal_start(bench.loop, &bench.signals[i]);
    ev_unref(bench.loop);
  }
  progress_open(&bench.progress,
                options->progress == PROGRESS_ON || (options->progress == PROGRESS_AUTO && isatty(2)));
  if (scenario) bench.shape = shape_of(scenario, options);
  if (!raise_limit(&bench.shape)) return 1;
  int status = 1;
  if (site_open(&bench.site, bench.loop, options, all ? SMOKE_WORKERS : scenario->workers, &bad_usage)) {
    if (scenario && !can_run(&bench, scenario)) {
      fprintf(stderr, "heya-bench: whom to kill? --victim NAME of a --pid\n");
      bad_usage = true;
    } else {
      status = all ? smoke(&bench) : one(&bench, scenario);
    }
  }
  site_close(&bench.site, options->keep || (status && !bad_usage && bench.site.n_processes));
  return bad_usage ? 2 : status;
}
