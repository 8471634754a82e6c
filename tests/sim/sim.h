/* A deployment in one process and in virtual time: real gateways and workers, a model of Redis behind their stores,
 * and clients that behave as docs/protocol.md says. Everything that happens follows from a seed, so a failing seed
 * fails again, step by step.
 *
 *   sim.c          the world: time, chance, events in order, trace, the first failure
 *   plan.c         what a seed chooses: sizes, times, how often which fault strikes
 *   model*.c       the model of Redis, function by function as in proto/heya.lua
 *   store.c        struct store_ops over two connections with delays and breaks
 *   process.c      gateways and workers that run, stall, die and come back; faults.c: when
 *   client.c       players; wire.c: their connections
 *   ledger*.c      a kind whose state is the list of commands applied to it; with frames, and lossy as well
 *   poison.c       commands of it that kill the worker
 *   oracle_*.c     what must be true after every step, known from the commits alone
 *   main.c         many seeds; stage.c: one of them, from start to full account
 *
 * A part of the runs have several Redis (shards): each stalls, restarts and loses connections by itself.
 *
 * Faults are kills, stalls, drains and newcomers among gateways and workers; breaks of any connection; stalls and
 * restarts of Redis; clients that vanish; commands that kill whoever runs them, and kills between a note and its
 * step.
 *
 * All memory of a run comes from one arena that is emptied before the next one, except what product code allocates.
 */
#ifndef HEYA_TESTS_SIM_SIM_H
#define HEYA_TESTS_SIM_SIM_H

#include "common/bytes.h"
#include "proto/arena.h"
#include <stdbool.h>
#include <stdint.h>

#define SIM_PROCESSES_MAX  64
#define SIM_CLIENTS_MAX    8
#define SIM_PARTITIONS_MAX 8
#define SIM_SHARDS_MAX     3
#define SIM_EPOCH_MS       1700000000000 /* Redis's clock when a run begins */

struct kind_registry;
struct model;
struct oracle;
struct sim_client;
struct sim_process;

/* Mistakes the model of Redis can be told to make, to show that they are found. */
enum sim_plant {
  PLANT_NONE,
  PLANT_NO_FENCING,        /* a commit is applied whoever owns the partition */
  PLANT_APPEND_UNCHECKED,  /* an append is taken whatever its number and generation; either check alone hides it */
  PLANT_CHECKPOINT_LATE,   /* `done` is written by the next commit, not with its effects */
  PLANT_EXPIRY_FORGOTTEN,  /* keys made anew in an expiring room have no time to live */
  PLANT_GHOST_DELIVERY,    /* what a fenced segment says is delivered all the same */
  PLANT_NOTES_CONVICT,     /* a note convicts its room though its writer lives, or let go */
  PLANT_DEATHS_FOR_EVER,   /* deaths are counted as in a row, whatever was done between them */
  PLANT_ONE_BLAME,         /* of several rooms that killed owners the last one is remembered */
  PLANT_FORWARD_UNCHECKED, /* what is brought from another Redis is taken whatever its number */
  PLANTS
};
extern const char *const sim_plant_names[PLANTS];

/* What a run has been through; a kind of trouble that never occurs is not tested. */
enum sim_seen {
  SEEN_FAULTS,
  SEEN_COMMANDS,
  SEEN_JOINS,
  SEEN_COMMITS,
  SEEN_FENCED,     /* segments that were refused */
  SEEN_LATE_BYTES, /* calls executed after their connection was gone */
  SEEN_CLAIMS,
  SEEN_GATEWAY_IDS,
  SEEN_RESUMED,      /* with events */
  SEEN_SNAPSHOTS,    /* resumed, with a snapshot */
  SEEN_NEW_SESSIONS, /* to be resumed, and over */
  SEEN_RESENT,       /* commands */
  SEEN_BUSY,
  SEEN_GAPS,
  SEEN_REPLACED, /* by another client of the same player */
  SEEN_LIVES,    /* of rooms */
  SEEN_REVIVED,
  SEEN_ROUNDS,
  SEEN_TOO_LATE,
  SEEN_POISONED,  /* workers that died in a kind's code */
  SEEN_WORDS,     /* of them, taken by Redis */
  SEEN_CAUTIOUS,  /* claims after two deaths in a row */
  SEEN_NOTES,     /* before a step */
  SEEN_CONDEMNED, /* rooms, told to who claims */
  SEEN_INNOCENT,  /* of them, by a note of who was killed for no fault of theirs */
  SEEN_FRAMES,
  SEEN_SKIPPED,     /* frames */
  SEEN_QUEUED,      /* commands, found in an image */
  SEEN_ROLLED_BACK, /* rooms */
  SEEN_TAKEN_BACK,  /* commands of them that had been acknowledged */
  SEEN_WATCHING,
  SEEN_WATCHED_OUT, /* commands of those who watch, refused */
  SEEN_NO_ROOM,     /* to watch */
  SEEN_OPENED,      /* rooms, for quick */
  SEEN_MATCHED,     /* players, who hear of it */
  SEEN_SEATS,       /* kept, in images */
  SEEN_TAKEN,       /* of them by their players */
  SEEN_PARCELS,     /* to another Redis */
  SEEN_AGAIN,       /* of them, brought again */
  SEEN_INHERITED,   /* of them, found by a new owner */
  SEEN_ONE_AWAY,    /* stalls of one Redis of several */
  SEEN_KINDS
};
extern const char *const sim_seen_names[SEEN_KINDS];

/* What the seed chooses, see plan.c. Rates are in thousandths a virtual second. */
struct sim_plan {
  uint32_t partitions, workers, gateways, clients, rooms;
  uint32_t shards;
  uint64_t skew_ms;   /* by which the clock of each Redis is ahead of the one before */
  uint64_t active_us; /* how long faults and new work go on */
  uint64_t lease_ms, gateway_ttl_ms;
  uint64_t latency_us;     /* one way, typically */
  uint64_t pace_us;        /* of calls of Redis; 0: none */
  uint32_t spike_permille; /* of messages are much slower */
  int64_t clock_error_ms;  /* of the estimate of Redis's clock, at most */
  uint64_t partition_entries, gateway_entries, waiting_entries;
  uint32_t tick_hz;             /* of rooms with frames */
  uint32_t kinds_from;          /* which kind the first room is of */
  uint32_t live_ms;             /* the deadline of live rooms */
  uint64_t think_us;            /* between two actions of a client, typically */
  uint32_t twin_permille;       /* of clients share another one's player id */
  uint32_t suspect_permille;    /* of deaths are noticed by peers at once */
  uint32_t zombie_permille;     /* of broken connections leave bytes that run later */
  bool deserted;                /* no worker lives to the end: only Redis clears up */
  uint32_t poisons;             /* commands that kill who runs them, at most */
  uint32_t words_permille;      /* of who dies of one says where */
  uint32_t kill_noted_permille; /* of who notes a step is killed before it */
  uint32_t kill_worker, kill_gateway, stall_worker, stall_gateway, drain_worker, drain_gateway, join_worker;
  uint32_t break_link, stall_redis, restart_redis, cut_client, give_up;
};

enum sim_phase {
  SIM_ACTIVE,  /* work and faults */
  SIM_QUIET,   /* no more faults; clients wait for what is owed to them */
  SIM_LEAVING, /* everybody goes, rooms vanish */
};

/* A FIFO of things that reach somebody: what is pushed comes out in that order. Zero-initialised it is empty. */
struct sim_queue {
  void **items;
  size_t head, n, cap;
};

typedef void sim_step(void *arg);

struct sim_event {
  uint64_t at_us, order;
  sim_step *step;
  void *arg;
};

struct sim {
  uint64_t seed, now_us;
  uint64_t chance[2];
  uint64_t hash; /* of all that happened */
  struct sim_event *heap;
  size_t n_events, cap_events;
  uint64_t order, steps;
  struct arena memory;
  struct sim_plan plan;
  enum sim_plant plant;
  enum sim_phase phase;
  struct model *models[SIM_SHARDS_MAX]; /* a Redis each */
  const struct kind_registry *kinds;
  struct oracle *oracle;
  struct sim_process *running; /* whose code runs now; NULL: nobody's */
  struct sim_process *processes[SIM_PROCESSES_MAX];
  size_t n_processes;
  struct sim_client *clients[SIM_CLIENTS_MAX];
  size_t n_clients;
  uint64_t disturbed_until_us; /* the last fault's effects end then */
  uint64_t seen[SEEN_KINDS];
  bool tracing;
  bool failed;
  char invariant[48];
  char failure[400];
};

/* Seeds after the first reuse the memory of the one before. */
void sim_open(struct sim *, uint64_t seed, enum sim_plant, bool tracing);
void sim_close(struct sim *);

/* `step` runs at that time (now at the earliest), after all that was asked for the same time before. */
void sim_at(struct sim *, uint64_t at_us, sim_step *step, void *arg);
/* Runs events until `until_us`, or until done(arg), or a failure; whether done. NULL: nothing but time ends it. */
bool sim_run(struct sim *, uint64_t until_us, bool (*done)(struct sim *));

void *sim_alloc(struct sim *, size_t size); /* zeroed */
char *sim_text(struct sim *, const char *text);
struct bytes sim_copy(struct sim *, struct bytes bytes);

uint64_t sim_random(struct sim *);
uint64_t sim_below(struct sim *, uint64_t n);                    /* 0 to n - 1; 0 for n = 0 */
uint64_t sim_between(struct sim *, uint64_t low, uint64_t high); /* both included */
bool sim_chance(struct sim *, uint32_t permille);
/* Exponentially distributed, at most 8 times the mean. */
uint64_t sim_interval(struct sim *, uint64_t mean_us);
/* How long a message is on its way. */
uint64_t sim_latency(struct sim *);

/* The first failure of a run ends it. `invariant` is a short name. */
void sim_fail(struct sim *, const char *invariant, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sim_disturbed(struct sim *, uint64_t until_us);

#define SIM_TRACE(sim, ...) ((sim)->tracing ? sim_trace((sim), __VA_ARGS__) : (void)0)
void sim_trace(struct sim *, const char *who, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* plan.c */
void sim_plan_make(struct sim *);
void sim_plan_print(const struct sim *);

/* stage.c: one run from start to full account. True when nothing was wrong. */
bool sim_play(struct sim *, uint64_t seed, enum sim_plant, bool tracing);

void sim_queue_push(struct sim *, struct sim_queue *, void *item);
void *sim_queue_pop(struct sim_queue *); /* NULL when empty */

#endif
