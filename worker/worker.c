/* The life of a worker: connect and check, run, stop. */
#include "worker/worker.h"
#include "common/mem.h"
#include <inttypes.h>

#define FROZEN_FIRST_BYTES (256u << 10)
#define MAX_WAIT_US        250000
#define INIT_RETRY_US      1000000
#define PATIENCE_US        3000000  /* for a Redis that was never reached */
#define COMMIT_DOUBT_US    10000000 /* a refused commit is tried again sooner, unless its partition is another's now */

static void on_freed(void *arg, uint32_t partition, uint64_t epoch) {
  ownership_freed(arg, partition, epoch);
}

static void on_ready(void *arg, bool ready) {
  struct shard *shard = arg;
  struct worker *worker = shard->worker;
  log_info(worker->log, ready ? "redis_connected" : "redis_lost", F_U("shard", shard->number));
  if (ready && shard->joined) ownership_forgive(shard);
  if (ready) return;
  shard->initialised = false;
  shard->renewed = false;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards)
    slot_drop(&worker->slots[p], "connection lost");
}

static void shard_init(struct shard *shard, struct worker *worker, uint32_t number, struct store *store) {
  *shard = (struct shard){.worker = worker, .number = number, .store = store};
  shard->reads.every_us = shard->commits.every_us = worker->config.pace_us;
  store->on_ready = on_ready;
  store->on_freed = on_freed;
  store->on_ready_arg = shard;
}

struct worker *worker_create(const struct worker_config *config, struct store *const *stores,
                             const struct kind_registry *kinds, struct worker_metrics *metrics, struct log *log) {
  struct worker *worker = xcalloc(1, sizeof *worker);
  worker->config = *config;
  if (worker->config.shards == 0) worker->config.shards = 1;
  worker->kinds = kinds;
  worker->metrics = metrics;
  worker->log = log;
  worker->shards = xcalloc(worker->config.shards, sizeof *worker->shards);
  for (uint32_t i = 0; i < worker->config.shards; i++) shard_init(&worker->shards[i], worker, i, stores[i]);
  worker->created_us = worker_now_us(worker);
  worker->slots = xcalloc(config->partitions, sizeof *worker->slots);
  for (uint32_t p = 0; p < config->partitions; p++) {
    struct slot *slot = &worker->slots[p];
    slot->worker = worker;
    slot->shard = &worker->shards[p % worker->config.shards];
    slot->partition = (struct partition){.number = p,
                                         .partitions = config->partitions,
                                         .shards = worker->config.shards,
                                         .kinds = kinds,
                                         .log = log,
                                         .metrics = metrics,
                                         .scene = &worker->scene};
  }
  arena_init(&worker->frozen, FROZEN_FIRST_BYTES, ARENA_NO_LIMIT);
  return worker;
}

void worker_destroy(struct worker *worker) {
  if (!worker) return;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    struct slot *slot = &worker->slots[p];
    if (slot->state == SLOT_LOADING || slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING) {
      caution_close(slot);
      partition_close(&slot->partition);
    }
    free(slot->stranded);
  }
  for (uint32_t i = 0; i < worker->config.shards; i++) forwarding_close(&worker->shards[i].forwarding);
  arena_close(&worker->frozen);
  free(worker->slots);
  free(worker->shards);
  free(worker);
}

/* ---- start ---- */

/* What is wrong with a Redis when the worker starts is told to whoever starts it. Once it works on others, it goes on
 * there, and waits for somebody to put this one right. */
static bool may_fail(const struct shard *shard) {
  const struct worker *worker = shard->worker;
  bool joined = false;
  for (uint32_t i = 0; i < worker->config.shards; i++) joined = joined || worker->shards[i].joined;
  return !shard->joined && (!joined || worker_now_us(worker) - worker->created_us < PATIENCE_US);
}

/* It was asked when we knew of none, and another one has been quicker to answer. */
static bool is_of_another(const struct worker *worker, const struct store_deployment *deployment) {
  return worker->config.shards > 1 && *worker->cluster && strcmp(worker->cluster, deployment->cluster) != 0;
}

static void on_init(void *arg, enum store_result result, const char *message,
                    const struct store_deployment *deployment) {
  struct shard *shard = arg;
  struct worker *worker = shard->worker;
  shard->initialising = false;
  if (result == STORE_OK && is_of_another(worker, deployment)) return; /* asked again it says what is wrong */
  if (result == STORE_OK) {
    shard->initialised = true;
    ownership_hurry(shard);
    log_info(worker->log, "deployment_joined", F_S("cluster", deployment->cluster),
             F_U("partitions", deployment->partitions), F_U("shard", shard->number));
    shard->joined = true;
    if (worker->config.shards > 1) snprintf(worker->cluster, sizeof worker->cluster, "%s", deployment->cluster);
  } else if (result != STORE_LOST && may_fail(shard)) {
    worker->state = WORKER_FAILED;
    snprintf(worker->failure, sizeof worker->failure, "%s", message ? message : store_result_name(result));
  } else if (result != STORE_LOST) {
    log_error(worker->log, "redis_check_failed", F_U("shard", shard->number), F_S("message", message));
    shard->init_at_us = worker_now_us(worker) + INIT_RETRY_US;
  }
}

/* Of a new deployment the first Redis is asked first: it says what the others become part of. */
static bool waits_for_first(const struct shard *shard) {
  const struct worker *worker = shard->worker;
  const struct store *first = worker->shards[0].store;
  if (shard->number == 0 || *worker->cluster) return false;
  return first->ops->ready(first) || worker_now_us(worker) - worker->created_us < PATIENCE_US;
}

static void init_turn(struct shard *shard) {
  struct worker *worker = shard->worker;
  if (shard->initialised || shard->initialising || !shard->store->ops->ready(shard->store)) return;
  if (worker_now_us(worker) < shard->init_at_us || waits_for_first(shard)) return;
  shard->initialising = true;
  struct store_deployment deployment = {.partitions = worker->config.partitions};
  memcpy(deployment.cluster, worker->cluster, sizeof deployment.cluster);
  shard->store->ops->init(shard->store, deployment, on_init, shard);
}

static const char *why_not_ready(const struct shard *shard, uint64_t now_us) {
  const struct worker *worker = shard->worker;
  if (!shard->renewed) return "not connected to Redis";
  if (now_us - shard->renewed_at_us >= worker->config.lease_ms * 1000) return "Redis does not renew the lease";
  if (shard->read_refused) return "Redis refuses to have streams read";
  if (shard->commit_refused_us && now_us - shard->commit_refused_us < COMMIT_DOUBT_US) return "Redis refuses commits";
  return NULL;
}

/* It is of use while it can work on any of them; but when it starts, each gets a moment to be reached. */
bool worker_ready(const struct worker *worker, struct buf *reason) {
  uint64_t now_us = worker_now_us(worker);
  const char *why = worker->state == WORKER_RUNNING    ? NULL
                    : worker->state == WORKER_STOPPING ? "stopping"
                                                       : "not connected to Redis";
  bool patient = now_us - worker->created_us < PATIENCE_US, useful = false, waits = why != NULL;
  for (uint32_t i = 0; i < worker->config.shards; i++) {
    const struct shard *shard = &worker->shards[i];
    const char *fault = why_not_ready(shard, now_us);
    if (!why) why = fault;
    if (!fault) useful = true;
    if (fault && !shard->joined && patient) waits = true;
  }
  if (why && (waits || !useful)) buf_append_str(reason, why);
  return useful && !waits;
}

/* ---- stop ---- */

void worker_stop(struct worker *worker) {
  if (worker->state == WORKER_STOPPING || worker->state == WORKER_STOPPED) return;
  worker->state = WORKER_STOPPING;
  for (uint32_t i = 0; i < worker->config.shards; i++) ownership_hurry(&worker->shards[i]);
}

/* A Redis that is away has nobody to hand over to; the lease there runs out by itself. */
static bool is_done(const struct shard *shard) {
  return shard->retired || !shard->store->ops->ready(shard->store);
}

static void look_for_the_end(struct worker *worker) {
  for (uint32_t i = 0; i < worker->config.shards; i++) {
    if (!is_done(&worker->shards[i])) return;
  }
  worker->state = WORKER_STOPPED;
}

static void on_retired(void *arg, enum store_result result) {
  struct shard *shard = arg;
  (void)result; /* without an answer the lease runs out by itself */
  shard->retired = true;
  look_for_the_end(shard->worker);
}

/* Everything is committed and released, as a view taken after the stop confirms. */
static bool has_let_go(const struct shard *shard) {
  const struct worker *worker = shard->worker;
  if (shard->committing || shard->renewing || !shard->renewed) return false;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    if (worker->slots[p].state != SLOT_FREE) return false;
  }
  return true;
}

static void stop_turn(struct worker *worker) {
  if (worker->state != WORKER_STOPPING) return;
  for (uint32_t i = 0; i < worker->config.shards; i++) {
    struct shard *shard = &worker->shards[i];
    if (is_done(shard) || shard->retiring || !has_let_go(shard)) continue;
    shard->retiring = true;
    shard->store->ops->retire(shard->store, worker->config.id, on_retired, shard);
  }
  look_for_the_end(worker);
}

/* ---- turn ---- */

/* The earliest timer of any room, by our estimate of its Redis's clock. */
static uint64_t timers_wait_us(const struct shard *shard, uint64_t now_us) {
  const struct worker *worker = shard->worker;
  struct store *store = shard->store;
  uint64_t wait_us = MAX_WAIT_US;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    const struct slot *slot = &worker->slots[p];
    if (slot->state != SLOT_LIVE || caution_is_walking(&slot->caution)) continue;
    uint64_t wait = partition_ask_wait_us(&slot->partition, store->ops->now_ms(store, p), now_us);
    if (wait < wait_us) wait_us = wait;
  }
  return wait_us;
}

static uint64_t shard_wait_us(const struct shard *shard, uint64_t now_us, uint64_t wait_us) {
  uint64_t ownership_us = ownership_wait_us(shard, now_us);
  uint64_t timers_us = shard->committing ? MAX_WAIT_US : timers_wait_us(shard, now_us);
  if (ownership_us < wait_us) wait_us = ownership_us;
  if (timers_us < wait_us) wait_us = timers_us;
  wait_us = forward_wait_us(shard, now_us, wait_us);
  return commit_wait_us(shard, now_us, intake_wait_us(shard, now_us, wait_us));
}

uint64_t worker_turn(struct worker *worker) {
  if (worker->state == WORKER_STOPPED || worker->state == WORKER_FAILED) return MAX_WAIT_US;
  if (worker->state == WORKER_STARTING) worker->state = WORKER_RUNNING;
  for (uint32_t i = 0; i < worker->config.shards; i++) init_turn(&worker->shards[i]);
  for (uint32_t i = 0; i < worker->config.shards; i++) ownership_turn(&worker->shards[i]);
  caution_turn(worker);
  loop_turn(worker);
  for (uint32_t i = 0; i < worker->config.shards; i++) {
    struct shard *shard = &worker->shards[i];
    commit_turn(shard);
    forward_turn(shard);
    ownership_release_clean(shard);
    intake_turn(shard);
  }
  stop_turn(worker);
  uint64_t now_us = worker_now_us(worker), wait_us = MAX_WAIT_US;
  for (uint32_t i = 0; i < worker->config.shards; i++) wait_us = shard_wait_us(&worker->shards[i], now_us, wait_us);
  return loop_wait_us(worker, now_us, wait_us);
}
