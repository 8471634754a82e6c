/* Runs many seeds: `sim [-n SEEDS] [-s FIRST] [-j JOBS] [-p PLANT] [-l] [-t] [-1]`.
 *
 * Each job is a child process that takes the next seed from memory shared with the parent, so that a crash or an
 * endless loop in product code is one failed seed and not the end. The parent reports, and says how to see it again.
 */
#include "tests/sim/sim.h"

#include "common/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX     16
#define FAILURES_MAX 20 /* that are told; more of the same help nobody */
#define SEED_SECONDS 60 /* of real time; longer means an endless loop */
#define TWICE_EVERY  50 /* so many seeds, one is run twice, to see that nothing but the seed decides */
#define REPORT_US    5000000
#define LOOK_NS      20000000 /* for failures to tell of */

struct failure {
  uint64_t seed;
  char invariant[48], text[400];
};

/* In shared memory. */
struct board {
  _Atomic uint64_t next, passed, failed, steps, virtual_ms, seen[SEEN_KINDS];
  _Atomic uint64_t running[JOBS_MAX]; /* the seed; UINT64_MAX: none */
  _Atomic bool stop;                  /* the first failure is enough */
  struct failure failures[FAILURES_MAX];
};

struct options {
  uint64_t first, seeds;
  unsigned jobs;
  enum sim_plant plant;
  bool tracing, until_first;
};

static void note_failure(struct board *board, const struct options *options, uint64_t seed, const char *invariant,
                         const char *text) {
  uint64_t n = atomic_fetch_add(&board->failed, 1);
  if (options->until_first) atomic_store(&board->stop, true);
  if (n >= FAILURES_MAX) return;
  board->failures[n].seed = seed;
  snprintf(board->failures[n].invariant, sizeof board->failures[n].invariant, "%s", invariant);
  snprintf(board->failures[n].text, sizeof board->failures[n].text, "%s", text);
}

/* ---- in a job ---- */

static void play(struct sim *sim, struct board *board, const struct options *options, uint64_t seed) {
  alarm(SEED_SECONDS);
  bool good = sim_play(sim, seed, options->plant, options->tracing);
  uint64_t hash = sim->hash;
  if (good && seed % TWICE_EVERY == 0) {
    good = sim_play(sim, seed, options->plant, false);
    if (good && sim->hash != hash) {
      good = false;
      sim_fail(sim, "deterministic", "the same seed went another way");
    }
  }
  alarm(0);
  if (!good) {
    note_failure(board, options, seed, sim->invariant, sim->failure);
    return;
  }
  atomic_fetch_add(&board->passed, 1);
  atomic_fetch_add(&board->steps, sim->steps);
  for (enum sim_seen i = 0; i < SEEN_KINDS; i++) atomic_fetch_add(&board->seen[i], sim->seen[i]);
  atomic_fetch_add(&board->virtual_ms, sim->now_us / 1000);
}

static void work(struct board *board, const struct options *options, unsigned job) {
  struct sim sim = {0};
  uint64_t seed;
  while (!atomic_load(&board->stop) && (seed = atomic_fetch_add(&board->next, 1)) < options->first + options->seeds) {
    atomic_store(&board->running[job], seed);
    play(&sim, board, options, seed);
    atomic_store(&board->running[job], UINT64_MAX);
  }
  sim_close(&sim);
}

static pid_t start_job(struct board *board, const struct options *options, unsigned job) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid != 0) return pid;
  work(board, options, job);
  fflush(stdout);
  exit(0);
}

/* ---- the parent ---- */

static void say(const struct board *board, const struct options *options, uint64_t begin_us, bool whole) {
  double seconds = (double)(clock_monotonic_us() - begin_us) / 1e6;
  uint64_t done = board->passed + board->failed;
  printf("%" PRIu64 " of %" PRIu64 " seeds in %.1f s, %.0f a second, %" PRIu64 " failed\n", done, options->seeds,
         seconds, (double)done / seconds, board->failed);
  if (whole && board->passed) {
    printf("%" PRIu64 " virtual seconds, %" PRIu64 " steps", board->virtual_ms / 1000, board->steps);
    for (enum sim_seen i = 0; i < SEEN_KINDS; i++) {
      printf("%s%s %" PRIu64, i % 5 ? ", " : "\n  ", sim_seen_names[i], board->seen[i]);
    }
    printf("\n");
  }
  fflush(stdout);
}

static void say_failures(const struct board *board, uint64_t *told) {
  for (; *told < board->failed && *told < FAILURES_MAX; ++*told) {
    const struct failure *failure = &board->failures[*told];
    printf("seed %" PRIu64 " fails: %s: %s\n  make sim SEED=%" PRIu64 " TRACE=1\n", failure->seed, failure->invariant,
           failure->text, failure->seed);
  }
}

/* A job has ended: of itself, or with a seed in its hands, which has failed then. */
static bool reap(struct board *board, const struct options *options, unsigned job, int status) {
  uint64_t seed = board->running[job];
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return false;
  char text[80];
  if (WIFSIGNALED(status))
    snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
  else
    snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
  bool hang = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
  note_failure(board, options, seed, hang ? "hang" : "crash", text);
  atomic_store(&board->running[job], UINT64_MAX);
  return seed != UINT64_MAX && !options->tracing;
}

/* Until a job ends, or for a moment. */
static void await_job(void) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGCHLD);
  sigtimedwait(&ends, NULL, &(struct timespec){.tv_nsec = LOOK_NS});
}

static int run_all(const struct options *options) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ends, NULL); /* taken by await_job */
  struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED) return 2;
  pid_t jobs[JOBS_MAX];
  unsigned alive = options->jobs;
  uint64_t begin_us = clock_monotonic_us(), said_us = begin_us, told = 0;
  atomic_store(&board->next, options->first);
  for (unsigned i = 0; i < JOBS_MAX; i++) atomic_store(&board->running[i], UINT64_MAX);
  for (unsigned i = 0; i < options->jobs; i++) jobs[i] = start_job(board, options, i);
  while (alive) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid == 0) {
      await_job();
      say_failures(board, &told);
      if (clock_monotonic_us() - said_us < REPORT_US) continue;
      said_us = clock_monotonic_us();
      say(board, options, begin_us, false);
      continue;
    }
    for (unsigned i = 0; i < options->jobs; i++) {
      if (jobs[i] != pid) continue;
      jobs[i] = -1;
      if (reap(board, options, i, status)) {
        jobs[i] = start_job(board, options, i);
      } else {
        alive--;
      }
    }
  }
  say_failures(board, &told);
  say(board, options, begin_us, true);
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", board->passed, board->failed);
  return board->failed || !board->passed ? 1 : 0;
}

/* ---- options ---- */

static bool find_plant(const char *name, enum sim_plant *plant) {
  for (*plant = PLANT_NONE; *plant < PLANTS; ++*plant) {
    if (strcmp(sim_plant_names[*plant], name) == 0) return true;
  }
  return false;
}

static int usage(void) {
  fprintf(stderr, "usage: sim [-n SEEDS] [-s FIRST] [-j JOBS] [-p PLANT] [-l] [-t] [-1]\n"
                  "  -l list plants of the model   -t trace   -1 stop at the first failure\n");
  return 2;
}

int main(int argc, char **argv) {
  struct options options = {.first = 1, .seeds = 1000, .jobs = 1};
  int c;
  while ((c = getopt(argc, argv, "n:s:j:p:lt1")) != -1) {
    switch (c) {
    case 'n': options.seeds = strtoull(optarg, NULL, 10); break;
    case 's': options.first = strtoull(optarg, NULL, 10); break;
    case 'j': options.jobs = (unsigned)strtoul(optarg, NULL, 10); break;
    case 'p':
      if (!find_plant(optarg, &options.plant)) return usage();
      break;
    case 'l':
      for (enum sim_plant plant = PLANT_NONE + 1; plant < PLANTS; plant++) puts(sim_plant_names[plant]);
      return 0;
    case 't': options.tracing = true; break;
    case '1': options.until_first = true; break;
    default: return usage();
    }
  }
  if (options.jobs < 1 || options.jobs > JOBS_MAX || options.seeds == 0) return usage();
  mallopt(M_MMAP_THRESHOLD, 1 << 30); /* cores allocate their arenas anew for every process of every run */
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  return run_all(&options);
}
