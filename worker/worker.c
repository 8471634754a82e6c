/* The life of a worker: connect and check, run, stop. */
#include "worker/worker.h"
#include "common/mem.h"
#include <inttypes.h>

#define FROZEN_FIRST_BYTES (256u << 10)
#define MAX_WAIT_US        250000
#define INIT_RETRY_US      1000000
#define COMMIT_DOUBT_US    10000000 /* a refused commit is tried again sooner, unless its partition is another's now */

static void on_freed(void *arg, uint32_t partition, uint64_t epoch) {
  ownership_freed(arg, partition, epoch);
}

static void on_ready(void *arg, bool ready) {
  struct worker *worker = arg;
  log_info(worker->log, ready ? "redis_connected" : "redis_lost");
  if (ready && worker->joined) ownership_forgive(worker);
  if (ready) return;
  worker->initialised = false;
  worker->renewed = false;
  for (uint32_t p = 0; p < worker->config.partitions; p++) slot_drop(&worker->slots[p], "connection lost");
}

struct worker *worker_create(const struct worker_config *config, struct store *store,
                             const struct kind_registry *kinds, struct worker_metrics *metrics, struct log *log) {
  struct worker *worker = xcalloc(1, sizeof *worker);
  worker->config = *config;
  worker->store = store;
  worker->kinds = kinds;
  worker->metrics = metrics;
  worker->log = log;
  worker->reads.every_us = worker->commits.every_us = config->pace_us;
  worker->slots = xcalloc(config->partitions, sizeof *worker->slots);
  for (uint32_t p = 0; p < config->partitions; p++) {
    struct slot *slot = &worker->slots[p];
    slot->worker = worker;
    slot->partition = (struct partition){.number = p,
                                         .partitions = config->partitions,
                                         .kinds = kinds,
                                         .log = log,
                                         .metrics = metrics,
                                         .scene = &worker->scene};
  }
  arena_init(&worker->frozen, FROZEN_FIRST_BYTES, ARENA_NO_LIMIT);
  store->on_ready = on_ready;
  store->on_freed = on_freed;
  store->on_ready_arg = worker;
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
  arena_close(&worker->frozen);
  free(worker->slots);
  free(worker);
}

/* ---- start ---- */

static void on_init(void *arg, enum store_result result, const char *message,
                    const struct store_deployment *deployment) {
  struct worker *worker = arg;
  worker->initialising = false;
  if (result == STORE_OK) {
    worker->initialised = true;
    ownership_hurry(worker);
    log_info(worker->log, "deployment_joined", F_S("cluster", deployment->cluster),
             F_U("partitions", deployment->partitions));
    worker->joined = true;
  } else if (result != STORE_LOST && !worker->joined) {
    worker->state = WORKER_FAILED;
    snprintf(worker->failure, sizeof worker->failure, "%s", message ? message : store_result_name(result));
  } else if (result != STORE_LOST) { /* it was right once: somebody may put it right again */
    log_error(worker->log, "redis_check_failed", F_S("message", message));
    worker->init_at_us = worker->store->ops->monotonic_us(worker->store) + INIT_RETRY_US;
  }
}

static void init_turn(struct worker *worker) {
  if (worker->initialised || worker->initialising || !worker->store->ops->ready(worker->store)) return;
  if (worker->store->ops->monotonic_us(worker->store) < worker->init_at_us) return;
  worker->initialising = true;
  struct store_deployment deployment = {.partitions = worker->config.partitions};
  worker->store->ops->init(worker->store, deployment, on_init, worker);
}

bool worker_ready(const struct worker *worker, struct buf *reason) {
  uint64_t now_us = worker->store->ops->monotonic_us(worker->store);
  const char *why = NULL;
  if (worker->state == WORKER_STOPPING) {
    why = "stopping";
  } else if (!worker->renewed || worker->state != WORKER_RUNNING) {
    why = "not connected to Redis";
  } else if (now_us - worker->renewed_at_us >= worker->config.lease_ms * 1000) {
    why = "Redis does not renew the lease";
  } else if (worker->read_refused) {
    why = "Redis refuses to have streams read";
  } else if (worker->commit_refused_us && now_us - worker->commit_refused_us < COMMIT_DOUBT_US) {
    why = "Redis refuses commits";
  }
  if (why) buf_append_str(reason, why);
  return !why;
}

/* ---- stop ---- */

void worker_stop(struct worker *worker) {
  if (worker->state == WORKER_STOPPING || worker->state == WORKER_STOPPED) return;
  worker->state = WORKER_STOPPING;
  ownership_hurry(worker);
}

static void on_retired(void *arg, enum store_result result) {
  struct worker *worker = arg;
  (void)result; /* without an answer the lease runs out by itself */
  worker->state = WORKER_STOPPED;
}

/* Everything is committed and released, as a view taken after the stop confirms. */
static bool has_let_go(const struct worker *worker) {
  if (worker->committing || worker->renewing || !worker->renewed) return false;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    if (worker->slots[p].state != SLOT_FREE) return false;
  }
  return true;
}

static void stop_turn(struct worker *worker) {
  if (worker->state != WORKER_STOPPING) return;
  if (!worker->store->ops->ready(worker->store)) { /* nobody to hand over to; the lease runs out by itself */
    worker->state = WORKER_STOPPED;
    return;
  }
  if (worker->retiring || !has_let_go(worker)) return;
  worker->retiring = true;
  worker->store->ops->retire(worker->store, worker->config.id, on_retired, worker);
}

/* ---- turn ---- */

/* The earliest timer of any room, by our estimate of Redis's clock. */
static uint64_t timers_wait_us(const struct worker *worker) {
  struct store *store = worker->store;
  uint64_t wait_us = MAX_WAIT_US, now_us = store->ops->monotonic_us(store);
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    const struct slot *slot = &worker->slots[p];
    if (slot->state != SLOT_LIVE || caution_is_walking(&slot->caution)) continue;
    uint64_t wait = partition_ask_wait_us(&slot->partition, store->ops->now_ms(store, p), now_us);
    if (wait < wait_us) wait_us = wait;
  }
  return wait_us;
}

uint64_t worker_turn(struct worker *worker) {
  if (worker->state == WORKER_STOPPED || worker->state == WORKER_FAILED) return MAX_WAIT_US;
  if (worker->state == WORKER_STARTING) worker->state = WORKER_RUNNING;
  init_turn(worker);
  ownership_turn(worker);
  caution_turn(worker);
  loop_turn(worker);
  commit_turn(worker);
  ownership_release_clean(worker);
  intake_turn(worker);
  stop_turn(worker);
  uint64_t now_us = worker->store->ops->monotonic_us(worker->store);
  uint64_t wait_us = ownership_wait_us(worker, now_us);
  uint64_t timers_us = worker->committing ? MAX_WAIT_US : timers_wait_us(worker);
  if (timers_us < wait_us) wait_us = timers_us;
  wait_us = commit_wait_us(worker, now_us, intake_wait_us(worker, now_us, wait_us));
  return loop_wait_us(worker, now_us, wait_us);
}
