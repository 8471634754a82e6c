/* Which partitions are ours. Every renewal of the lease answers with a view of the deployment; from it each worker
 * computes who should own what, claims what is free or orphaned and its own, and lets go of what others should have.
 * Who lets go names the successor, and Redis wakes it; polling is only the backstop.
 *
 * A worker whose lease ended by suspicion or retirement is dead at once. One whose lease merely ran out may have been
 * cut off from Redis together with us: for one lease after we were away ourselves, such owners keep their partitions,
 * so that whoever comes back first does not take everything from all the others.
 */
#include "common/mem.h"
#include "worker/answer.h"
#include "worker/assignment.h"
#include "worker/worker.h"

#define RENEW_MAX_US    250000 /* a view at least so often, whatever the lease */
#define RENEW_EXPECT_US 25000  /* while a partition that should be ours is about to be released */
#define RENEW_RETRY_US  100000
#define SETTLE_MS       1000 /* nobody lets go of a partition that he has for a shorter time */
#define FREE_FOR_ALL_MS 100  /* a partition that is free for longer is anybody's */

uint32_t slot_number(const struct slot *slot) {
  return slot->partition.number;
}

void slot_drop(struct slot *slot, const char *reason) {
  if (slot->state == SLOT_FREE) return;
  if (slot->state == SLOT_CLAIMING || slot->state == SLOT_LOADING) {
    slot->abandon = true; /* its callback is still to come */
    return;
  }
  struct worker *worker = slot->worker;
  bool loaded = slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING;
  if (slot->resync == RESYNC_TOLD) slot->resync = RESYNC_WANTED;
  if (loaded) caution_close(slot);
  if (loaded) partition_close(&slot->partition);
  if (loaded) worker->metrics->dropped++;
  log_info(worker->log, "partition_dropped", F_U("partition", slot_number(slot)), F_U("epoch", slot->epoch),
           F_S("reason", reason));
  slot->state = SLOT_FREE;
}

void ownership_hurry(struct shard *shard) {
  shard->renew_at_us = 0;
}

static void view_within(struct shard *shard, uint64_t wait_us) {
  uint64_t at_us = worker_now_us(shard->worker) + wait_us;
  if (shard->renew_at_us > at_us) shard->renew_at_us = at_us;
}

/* ---- claim and load ---- */

void slot_load(struct slot *slot, const char *id, struct bytes image, uint64_t tomb_until_ms) {
  partition_load(&slot->partition, id, image, tomb_until_ms, strcmp(slot->heal, id) == 0);
  slot->worker->metrics->rooms_loaded++;
}

static void on_room(void *arg, const char *id, struct bytes image, uint64_t tomb_until_ms) {
  struct slot *slot = arg;
  if (slot->abandon || caution_keeps(slot, id, image, tomb_until_ms)) return;
  slot_load(slot, id, image, tomb_until_ms);
}

void slot_heal(struct slot *slot, const char *id) {
  const struct room *room = repository_find(&slot->partition.repository, id);
  snprintf(slot->heal, sizeof slot->heal, "%s", id);
  slot->n_stranded = 0;
  for (size_t i = 0; room && i < room->n_members; i++) {
    const struct binding *binding = &room->members[i]->binding;
    if (!binding->outlet) continue;
    slot->stranded = xrealloc(slot->stranded, (slot->n_stranded + 1) * sizeof *slot->stranded);
    struct stranded *stranded = &slot->stranded[slot->n_stranded++];
    *stranded = (struct stranded){.conn = binding->conn, .attempt = binding->attempt};
    memcpy(stranded->gateway, binding->outlet->gateway, sizeof stranded->gateway);
  }
}

/* The room that was to be healed is there and will be written whole; or what was left of it could not be loaded. */
static void end_healing(struct slot *slot) {
  struct effects *effects = &slot->partition.effects;
  bool lost = *slot->heal && !repository_find(&slot->partition.repository, slot->heal);
  for (size_t i = 0; lost && i < slot->n_stranded; i++) {
    const struct stranded *stranded = &slot->stranded[i];
    struct asker asker = {.effects = effects, .room = slot->heal};
    asker.from = (struct binding){
        .outlet = effects_outlet(effects, stranded->gateway), .conn = stranded->conn, .attempt = stranded->attempt};
    answer_detached(&asker, HEYA__V1__ERROR__CODE__ROOM_LOST);
  }
  slot->n_stranded = 0;
  slot->heal[0] = '\0';
}

void slot_loaded(struct slot *slot, bool ok) {
  struct worker *worker = slot->worker;
  if (!ok) {
    caution_close(slot);
    partition_close(&slot->partition);
    slot->state = SLOT_FREE;
    slot->retry_at_us = worker_now_us(worker) + RENEW_RETRY_US;
    return;
  }
  slot->state = SLOT_LIVE;
  slot->followed_us = 0;
  end_healing(slot);
  if (slot->resync == RESYNC_WANTED) {
    partition_resync(&slot->partition);
    slot->resync = RESYNC_TOLD;
  }
  slot->since_ms = slot->shard->store->ops->now_ms(slot->shard->store, slot_number(slot));
  log_info(worker->log, "partition_live", F_U("partition", slot_number(slot)), F_U("epoch", slot->epoch),
           F_U("rooms", repository_count(&slot->partition.repository)));
}

static void on_loaded(void *arg, enum store_result result) {
  struct slot *slot = arg;
  bool ok = result == STORE_OK && !slot->abandon;
  if (!ok || !caution_load(slot)) slot_loaded(slot, ok);
}

static void on_parcel(void *arg, uint32_t to, struct stream_id number, struct bytes batch) {
  struct slot *slot = arg;
  if (!slot->abandon) parcels_load(&slot->partition.effects.parcels, to, number, batch);
}

/* What it has said to others and they may not have heard comes before all that it will say. */
static void on_outbox(void *arg, enum store_result result) {
  struct slot *slot = arg;
  struct store *store = slot->shard->store;
  if (result != STORE_OK || slot->abandon) {
    slot_loaded(slot, false);
    return;
  }
  store->ops->load(store, slot_number(slot), on_room, on_loaded, slot);
}

static void on_claimed(void *arg, enum store_result result, const struct store_claimed *claimed) {
  struct slot *slot = arg;
  struct worker *worker = slot->worker;
  if (result != STORE_OK || slot->abandon) {
    slot->state = SLOT_FREE;
    uint64_t now_us = worker_now_us(worker);
    if (result == STORE_DENIED) worker->metrics->claims_denied++;
    if (result == STORE_FAILED || result == STORE_BROKEN) slot->retry_at_us = now_us + 10 * RENEW_RETRY_US;
    view_within(slot->shard, RENEW_EXPECT_US); /* not at once: who is denied for good must not spin */
    return;
  }
  worker->metrics->claims++;
  slot->epoch = claimed->epoch;
  slot->tenure++;
  slot->state = SLOT_LOADING;
  partition_open(&slot->partition, claimed->epoch, claimed->done);
  for (size_t i = 0; i < claimed->n_blames; i++) partition_condemn(&slot->partition, &claimed->blames[i]);
  caution_open(slot, claimed);
  struct store *store = slot->shard->store;
  if (worker->config.shards > 1) {
    store->ops->outbox(store, slot_number(slot), on_parcel, on_outbox, slot);
  } else {
    store->ops->load(store, slot_number(slot), on_room, on_loaded, slot);
  }
}

static void claim(struct slot *slot, const struct store_owner *seen) {
  struct worker *worker = slot->worker;
  if (slot->retry_at_us > worker_now_us(worker)) return;
  slot->state = SLOT_CLAIMING;
  slot->abandon = false;
  slot->shard->store->ops->claim(slot->shard->store, slot_number(slot), worker->config.id, seen, on_claimed, slot);
}

void ownership_freed(struct shard *shard, uint32_t partition, uint64_t epoch) {
  struct worker *worker = shard->worker;
  struct slot *slot = &worker->slots[partition];
  if (worker->state != WORKER_RUNNING || !shard->initialised || slot->state != SLOT_FREE || slot->shard != shard)
    return;
  worker->metrics->woken++;
  claim(slot, &(struct store_owner){.epoch = epoch});
}

/* ---- release ---- */

static void on_released(void *arg, enum store_result result) {
  struct slot *slot = arg;
  if (slot->state != SLOT_RELEASING) return;
  if (result == STORE_OK) slot->worker->metrics->releases++;
  slot->state = SLOT_FREE;
  ownership_hurry(slot->shard);
}

void ownership_release_clean(struct shard *shard) {
  struct worker *worker = shard->worker;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    if (slot->state != SLOT_LEAVING || slot->commit_epoch || effects_any(&slot->partition.effects)) continue;
    caution_close(slot);
    partition_close(&slot->partition);
    slot->state = SLOT_RELEASING;
    log_info(worker->log, "partition_released", F_U("partition", p), F_U("epoch", slot->epoch));
    shard->store->ops->release(shard->store, p, worker->config.id, slot->epoch, slot->successor, on_released, slot);
  }
}

/* ---- the view ---- */

static bool has_lease(const struct store_view *view, const char *worker) {
  for (size_t i = 0; i < view->n_workers; i++) {
    if (strcmp(view->workers[i].id, worker) == 0) return true;
  }
  return false;
}

static size_t index_in(const char *const *workers, size_t n, const char *worker) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(workers[i], worker) == 0) return i;
  }
  return ASSIGNMENT_NOBODY;
}

/* owners[p] is an index into the returned list of workers that want partitions. The caller frees it. */
static const char **assign(const struct store_view *view, uint32_t partitions, struct assignment_part part,
                           size_t *owners) {
  const char **wanting = xcalloc(view->n_workers, sizeof *wanting);
  size_t n = 0;
  for (size_t i = 0; i < view->n_workers; i++) {
    if (!view->workers[i].draining) wanting[n++] = view->workers[i].id;
  }
  size_t *current = xcalloc(partitions, sizeof *current);
  for (uint32_t p = 0; p < partitions; p++) current[p] = index_in(wanting, n, view->owners[p].worker);
  assignment_compute(wanting, n, partitions, part, current, owners);
  free(current);
  return wanting;
}

/* Redis says it is ours. */
static void keep_own(struct slot *slot, const struct store_owner *owner, const char *heir, uint64_t now_ms) {
  struct worker *worker = slot->worker;
  bool wanted = strcmp(heir, worker->config.id) == 0;
  bool stopping = worker->state == WORKER_STOPPING;
  if (slot->state == SLOT_LIVE && slot->epoch < owner->epoch) slot_drop(slot, "an epoch of ours that we do not know");
  if (slot->state == SLOT_FREE && !stopping) claim(slot, owner);
  if (slot->state == SLOT_FREE && stopping) {
    slot->state = SLOT_RELEASING;
    struct store *store = slot->shard->store;
    store->ops->release(store, slot_number(slot), worker->config.id, owner->epoch, heir, on_released, slot);
  }
  if (slot->state == SLOT_LIVE && (stopping || (!wanted && now_ms > slot->since_ms + SETTLE_MS))) {
    slot->state = SLOT_LEAVING;
    partition_prepare_to_leave(&slot->partition);
  }
  if (slot->state == SLOT_LEAVING) snprintf(slot->successor, sizeof slot->successor, "%s", wanted ? "" : heir);
}

void ownership_forgive(struct shard *shard) {
  const struct worker *worker = shard->worker;
  shard->lapsed_are_alive_until_us = worker_now_us(worker) + worker->config.lease_ms * 1000;
}

static bool is_forgiving(const struct shard *shard) {
  return worker_now_us(shard->worker) < shard->lapsed_are_alive_until_us;
}

/* Redis says it is not ours. */
static void take_others(struct slot *slot, const struct store_owner *owner, bool wanted,
                        const struct store_view *view) {
  struct worker *worker = slot->worker;
  /* Our own claim may be younger than the view; then its epoch is higher than what the view says. */
  if ((slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING) && slot->epoch < owner->epoch) {
    slot_drop(slot, "has another owner");
  }
  if (slot->state != SLOT_FREE || worker->state != WORKER_RUNNING) return;
  bool is_free = owner->worker[0] == '\0';
  bool is_orphan = !is_free && !has_lease(view, owner->worker) && !(owner->lapsed && is_forgiving(slot->shard));
  bool for_all = is_free && owner->freed_ms && view->now_ms > owner->freed_ms + FREE_FOR_ALL_MS;
  if ((wanted && (is_free || is_orphan)) || for_all) {
    claim(slot, owner);
  } else if (wanted) {
    slot->shard->expecting = true;
  }
}

/* Whoever tells rooms that a gateway is dead sees to it: the view may be wrong, if somebody damaged the list. */
static void on_absent(void *arg, const char *gateway) {
  worker_suspect_gateway(arg, gateway);
}

static void on_view(void *arg, enum store_result result, const struct store_view *view) {
  struct shard *shard = arg;
  struct worker *worker = shard->worker;
  struct assignment_part part = {.number = shard->number, .of = worker->config.shards};
  uint64_t now_us = worker_now_us(worker);
  shard->renewing = false;
  if (result != STORE_OK || view->n_owners != worker->config.partitions) {
    shard->renew_at_us = now_us + RENEW_RETRY_US;
    worker->metrics->renewals_failed++;
    log_warn(worker->log, "renew_failed", F_S("result", store_result_name(result)));
    return;
  }
  if (shard->renewed_at_us && now_us - shard->renewed_at_us > worker->config.lease_ms * 1000)
    ownership_forgive(shard);
  shard->renewed_at_us = now_us;
  shard->renewed = true;
  shard->expecting = false;
  if (worker->observer.view) worker->observer.view(worker->observer.arg, shard->number, view);
  size_t *owners = xcalloc(worker->config.partitions, sizeof *owners);
  const char **wanting = assign(view, worker->config.partitions, part, owners);
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    const struct store_owner *owner = &view->owners[p];
    const char *heir = owners[p] == ASSIGNMENT_NOBODY ? "" : wanting[owners[p]];
    if (strcmp(owner->worker, worker->config.id) == 0) {
      keep_own(slot, owner, heir, view->now_ms);
    } else {
      take_others(slot, owner, strcmp(heir, worker->config.id) == 0, view);
    }
    if (slot->state == SLOT_LIVE) {
      partition_check_gateways(&slot->partition, view->gateways, view->n_gateways, view->now_ms, on_absent, worker);
    }
  }
  if (shard->expecting) view_within(shard, RENEW_EXPECT_US);
  free(wanting);
  free(owners);
}

static void on_suspected(void *arg, enum store_result result) {
  (void)result; /* without an answer the lease decides */
  ownership_hurry(arg);
}

void worker_suspect(struct worker *worker, const char *worker_id) {
  worker->metrics->suspicions++;
  for (uint32_t i = 0; i < worker->config.shards; i++) {
    struct shard *shard = &worker->shards[i];
    shard->store->ops->suspect(shard->store, worker_id, on_suspected, shard);
  }
}

/* One that is dead anywhere gives itself up everywhere, and one that has died cannot. */
void worker_suspect_gateway(struct worker *worker, const char *gateway_id) {
  worker->metrics->suspicions++;
  for (uint32_t i = 0; i < worker->config.shards; i++) {
    struct shard *shard = &worker->shards[i];
    shard->store->ops->gateway_suspect(shard->store, gateway_id, on_suspected, shard);
  }
}

/* All of it, for metrics; and what is on this shard, for its record of us. */
static void count_holdings(const struct shard *shard, uint32_t *partitions, uint64_t *rooms) {
  struct worker *worker = shard->worker;
  struct worker_metrics *metrics = worker->metrics;
  metrics->partitions = metrics->rooms = metrics->members = metrics->ticking = 0;
  metrics->outbox_parcels = metrics->outbox_bytes = metrics->redis = 0;
  for (uint32_t i = 0; i < worker->config.shards; i++) metrics->redis += worker->shards[i].renewed;
  *partitions = 0;
  *rooms = 0;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    const struct slot *slot = &worker->slots[p];
    if (slot->state != SLOT_LIVE && slot->state != SLOT_LEAVING) continue;
    size_t n = repository_count(&slot->partition.repository);
    metrics->partitions++;
    metrics->rooms += n;
    metrics->ticking += slot->partition.frames_due.n;
    metrics->outbox_parcels += slot->partition.effects.parcels.n;
    metrics->outbox_bytes += slot->partition.effects.parcels.bytes;
    for (size_t i = 0; i < slot->partition.effects.n_outlets; i++) {
      metrics->members += slot->partition.effects.outlets[i]->bound;
    }
    if (slot->shard != shard) continue;
    ++*partitions;
    *rooms += n;
  }
}

void ownership_turn(struct shard *shard) {
  struct worker *worker = shard->worker;
  struct store *store = shard->store;
  uint64_t now_us = worker_now_us(worker);
  if (shard->renewing || shard->retiring || !shard->initialised || now_us < shard->renew_at_us) return;
  uint64_t interval_us = worker->config.lease_ms * 1000 / 3;
  if (interval_us > RENEW_MAX_US) interval_us = RENEW_MAX_US;
  if (shard->expecting) interval_us = RENEW_EXPECT_US;
  shard->renew_at_us = now_us + interval_us;
  shard->renewing = true;
  struct store_worker_info info = {
      .id = worker->config.id,
      .host = worker->config.host,
      .address = worker->config.address,
      .version = worker->config.version,
      .pid = worker->config.pid,
      .lease_ms = worker->config.lease_ms,
      .draining = worker->state == WORKER_STOPPING,
  };
  count_holdings(shard, &info.n_partitions, &info.n_rooms);
  store->ops->renew(store, &info, on_view, shard);
}

uint64_t ownership_wait_us(const struct shard *shard, uint64_t now_us) {
  if (shard->renewing || shard->retiring || !shard->initialised) return RENEW_MAX_US;
  return shard->renew_at_us > now_us ? shard->renew_at_us - now_us : 0;
}
