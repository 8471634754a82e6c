/* The world of one run: a heap of events, one generator of chance, one arena. See tests/sim/sim.h. */
#include "tests/sim/sim.h"

#include "common/mem.h"
#include <inttypes.h>
#include <stdarg.h>

#define MEMORY_FIRST_BYTES (48u << 20)
#define STEPS_MAX          3000000 /* of one run: more means that something spins */

const char *const sim_plant_names[PLANTS] = {
    "none",           "no-fencing",    "append-unchecked", "checkpoint-late", "expiry-forgotten",
    "ghost-delivery", "notes-convict", "deaths-for-ever",  "one-blame",       "forward-unchecked"};

const char *const sim_seen_names[SEEN_KINDS] = {
    [SEEN_FAULTS] = "faults",
    [SEEN_COMMANDS] = "commands",
    [SEEN_JOINS] = "joins",
    [SEEN_COMMITS] = "commits",
    [SEEN_FENCED] = "segments fenced",
    [SEEN_LATE_BYTES] = "calls executed after their connection",
    [SEEN_CLAIMS] = "claims",
    [SEEN_GATEWAY_IDS] = "gateway ids",
    [SEEN_RESUMED] = "resumed with events",
    [SEEN_SNAPSHOTS] = "resumed with a snapshot",
    [SEEN_NEW_SESSIONS] = "not resumed",
    [SEEN_RESENT] = "commands sent again",
    [SEEN_BUSY] = "busy",
    [SEEN_GAPS] = "gaps",
    [SEEN_REPLACED] = "replaced",
    [SEEN_LIVES] = "lives of rooms",
    [SEEN_REVIVED] = "rooms revived",
    [SEEN_ROUNDS] = "rounds",
    [SEEN_TOO_LATE] = "results too late",
    [SEEN_POISONED] = "workers poisoned",
    [SEEN_WORDS] = "last words",
    [SEEN_CAUTIOUS] = "cautious claims",
    [SEEN_NOTES] = "notes",
    [SEEN_CONDEMNED] = "rooms condemned",
    [SEEN_INNOCENT] = "of them innocent",
    [SEEN_FRAMES] = "frames",
    [SEEN_SKIPPED] = "frames skipped",
    [SEEN_QUEUED] = "commands in images",
    [SEEN_ROLLED_BACK] = "rooms rolled back",
    [SEEN_OPENED] = "rooms opened elsewhere",
    [SEEN_MATCHED] = "matched",
    [SEEN_SEATS] = "seats in images",
    [SEEN_TAKEN] = "seats taken",
    [SEEN_PARCELS] = "parcels",
    [SEEN_AGAIN] = "parcels brought again",
    [SEEN_INHERITED] = "parcels inherited",
    [SEEN_ONE_AWAY] = "stalls of one Redis",
    [SEEN_WATCHING] = "joins to watch",
    [SEEN_WATCHED_OUT] = "commands of watchers",
    [SEEN_NO_ROOM] = "watchers too many",
    [SEEN_TAKEN_BACK] = "acknowledged commands taken back",
};

/* ---- life ---- */

static uint64_t split_mix(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void sim_open(struct sim *sim, uint64_t seed, enum sim_plant plant, bool tracing) {
  struct arena memory = sim->memory;
  struct sim_event *heap = sim->heap;
  size_t cap = sim->cap_events;
  *sim = (struct sim){.seed = seed, .plant = plant, .tracing = tracing, .heap = heap, .cap_events = cap};
  if (memory.first) {
    sim->memory = memory;
    arena_reset(&sim->memory);
  } else {
    arena_init(&sim->memory, MEMORY_FIRST_BYTES, ARENA_NO_LIMIT);
  }
  uint64_t state = seed;
  sim->chance[0] = split_mix(&state);
  sim->chance[1] = split_mix(&state);
}

void sim_close(struct sim *sim) {
  arena_close(&sim->memory);
  free(sim->heap);
  *sim = (struct sim){0};
}

/* ---- memory ---- */

void *sim_alloc(struct sim *sim, size_t size) {
  void *memory = arena_alloc(&sim->memory, size);
  if (!memory) mem_exhausted(size);
  return memset(memory, 0, size);
}

struct bytes sim_copy(struct sim *sim, struct bytes bytes) {
  void *copy = arena_copy(&sim->memory, bytes);
  if (!copy) mem_exhausted(bytes.len);
  return bytes_of(copy, bytes.len);
}

char *sim_text(struct sim *sim, const char *text) {
  size_t size = strlen(text) + 1;
  return memcpy(sim_alloc(sim, size), text, size);
}

/* ---- chance ---- */

/* xorshift128+ (Vigna, "Further scramblings of Marsaglia's xorshift generators"). */
uint64_t sim_random(struct sim *sim) {
  uint64_t a = sim->chance[0], b = sim->chance[1];
  sim->chance[0] = b;
  a ^= a << 23;
  sim->chance[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
  return sim->chance[1] + b;
}

uint64_t sim_below(struct sim *sim, uint64_t n) {
  return n ? (sim_random(sim) >> 11) % n : 0;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high) {
  return low + sim_below(sim, high - low + 1);
}

bool sim_chance(struct sim *sim, uint32_t permille) {
  return permille && sim_below(sim, 1000) < permille;
}

/* -ln(u) by halving: a leading-zero count for the whole part, the rest by a line, which is close enough. */
uint64_t sim_interval(struct sim *sim, uint64_t mean_us) {
  uint64_t bits = sim_random(sim) | 1;
  uint64_t halvings = (uint64_t)__builtin_clzll(bits);
  uint64_t fraction = sim_below(sim, 1024);
  if (halvings > 10) halvings = 10;
  return mean_us * (halvings * 1024 + fraction) * 71 / (100 * 1024) + 1;
}

uint64_t sim_latency(struct sim *sim) {
  uint64_t us = 20 + sim_interval(sim, sim->plan.latency_us);
  if (!sim_chance(sim, sim->plan.spike_permille)) return us;
  return us + (sim_chance(sim, 100) ? sim_below(sim, 200000) : sim_below(sim, 10000));
}

/* ---- events ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b) {
  return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void sim_at(struct sim *sim, uint64_t at_us, sim_step *step, void *arg) {
  if (sim->n_events == sim->cap_events) {
    sim->cap_events = sim->cap_events ? 2 * sim->cap_events : 256;
    sim->heap = xrealloc(sim->heap, sim->cap_events * sizeof *sim->heap);
  }
  struct sim_event event = {
      .at_us = at_us > sim->now_us ? at_us : sim->now_us, .order = sim->order++, .step = step, .arg = arg};
  size_t at = sim->n_events++;
  for (; at > 0 && is_before(&event, &sim->heap[(at - 1) / 2]); at = (at - 1) / 2) {
    sim->heap[at] = sim->heap[(at - 1) / 2];
  }
  sim->heap[at] = event;
}

static struct sim_event take_first(struct sim *sim) {
  struct sim_event first = sim->heap[0], last = sim->heap[--sim->n_events];
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= sim->n_events) break;
    if (child + 1 < sim->n_events && is_before(&sim->heap[child + 1], &sim->heap[child])) child++;
    if (is_before(&last, &sim->heap[child])) break;
    sim->heap[at] = sim->heap[child];
    at = child;
  }
  sim->heap[at] = last;
  return first;
}

bool sim_run(struct sim *sim, uint64_t until_us, bool (*done)(struct sim *)) {
  while (!sim->failed) {
    if (done && done(sim)) return true;
    if (sim->n_events == 0 || sim->heap[0].at_us > until_us) break;
    struct sim_event event = take_first(sim);
    sim->now_us = event.at_us;
    sim->hash = (sim->hash ^ event.at_us ^ (event.order << 40)) * 0x100000001b3u;
    if (++sim->steps > STEPS_MAX) sim_fail(sim, "spin", "more than %d steps", STEPS_MAX);
    event.step(event.arg);
  }
  if (!sim->failed) sim->now_us = until_us;
  return false;
}

void sim_queue_push(struct sim *sim, struct sim_queue *queue, void *item) {
  if (queue->n == queue->cap) {
    size_t waiting = queue->n - queue->head;
    size_t cap = waiting * 2 > 16 ? waiting * 2 : 16;
    void **items = cap > queue->cap ? sim_alloc(sim, cap * sizeof *items) : queue->items;
    if (waiting) memmove(items, queue->items + queue->head, waiting * sizeof *items);
    if (cap > queue->cap) queue->cap = cap;
    queue->items = items;
    queue->head = 0;
    queue->n = waiting;
  }
  queue->items[queue->n++] = item;
}

void *sim_queue_pop(struct sim_queue *queue) {
  return queue->head < queue->n ? queue->items[queue->head++] : NULL;
}

/* ---- telling ---- */

void sim_disturbed(struct sim *sim, uint64_t until_us) {
  sim->seen[SEEN_FAULTS]++;
  if (sim->disturbed_until_us < until_us) sim->disturbed_until_us = until_us;
}

void sim_trace(struct sim *sim, const char *who, const char *format, ...) {
  va_list args;
  printf("%8" PRIu64 ".%03u %-10s ", sim->now_us / 1000, (unsigned)(sim->now_us % 1000), who);
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
}

void sim_fail(struct sim *sim, const char *invariant, const char *format, ...) {
  if (sim->failed) return;
  va_list args;
  sim->failed = true;
  snprintf(sim->invariant, sizeof sim->invariant, "%s", invariant);
  va_start(args, format);
  vsnprintf(sim->failure, sizeof sim->failure, format, args);
  va_end(args);
  SIM_TRACE(sim, "FAILED", "%s: %s", sim->invariant, sim->failure);
}
