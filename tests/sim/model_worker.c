/* Leases and ownership: the functions renew, suspect, worker_close, claim and release of proto/heya.lua.
 * Whom a claim convicts is in model_blame.c. */
#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

#include <stdio.h>

#define NOTE_GRACE_MS 1000

static struct model_worker *record_of(struct model *model, const char *id) {
  for (size_t i = 0; i < model->n_workers; i++) {
    if (strcmp(model->workers[i]->id, id) == 0) return model->workers[i];
  }
  if (model->n_workers == MODEL_PROCESSES_MAX) return NULL;
  struct model_worker *worker = model->workers[model->n_workers++] = sim_alloc(model->sim, sizeof *worker);
  snprintf(worker->id, sizeof worker->id, "%s", id);
  return worker;
}

/* 0: none. */
static uint64_t lease_of(struct model *model, const char *id) {
  const struct model_worker *worker = record_of(model, id);
  return worker && worker->has_lease ? worker->lease_until_ms : 0;
}

static bool has_lapsed(struct model *model, const char *id, uint64_t now_ms) {
  if (!*id) return false;
  uint64_t lease_ms = lease_of(model, id);
  return lease_ms && lease_ms <= now_ms;
}

/* ---- renew ---- */

/* Redis orders a sorted set by score, then name. */
static bool comes_before(const struct store_worker *a, const struct store_worker *b) {
  return a->expires_ms != b->expires_ms ? a->expires_ms < b->expires_ms : strcmp(a->id, b->id) < 0;
}

static void view_workers(struct model *model, struct store_view *view) {
  struct store_worker *workers = sim_alloc(model->sim, (model->n_workers + 1) * sizeof *workers);
  size_t n = 0;
  for (size_t i = 0; i < model->n_workers; i++) {
    const struct model_worker *from = model->workers[i];
    if (!from->has_lease || from->lease_until_ms <= view->now_ms) continue;
    struct store_worker worker = {.expires_ms = from->lease_until_ms, .draining = from->draining};
    snprintf(worker.id, sizeof worker.id, "%s", from->id);
    size_t at = n++;
    for (; at > 0 && comes_before(&worker, &workers[at - 1]); at--) workers[at] = workers[at - 1];
    workers[at] = worker;
  }
  view->workers = workers;
  view->n_workers = n;
}

static void view_owners(struct model *model, struct store_view *view) {
  struct store_owner *owners = sim_alloc(model->sim, model->sim->plan.partitions * sizeof *owners);
  for (uint32_t p = 0; p < model->sim->plan.partitions; p++) {
    const struct model_partition *partition = &model->partitions[p];
    snprintf(owners[p].worker, sizeof owners[p].worker, "%s", partition->owner);
    owners[p].epoch = partition->epoch;
    owners[p].freed_ms = partition->freed_ms;
    owners[p].lapsed = has_lapsed(model, partition->owner, view->now_ms);
  }
  view->owners = owners;
  view->n_owners = model->sim->plan.partitions;
}

static void view_gateways(struct model *model, struct store_view *view) {
  const char **ids = sim_alloc(model->sim, (model->n_gateways + 1) * sizeof *ids);
  const char **addresses = sim_alloc(model->sim, (model->n_gateways + 1) * sizeof *addresses);
  for (size_t i = 0; i < model->n_gateways; i++) {
    const struct model_gateway *gateway = model->gateways[i];
    if (!gateway->listed || gateway->listed_until_ms <= view->now_ms) continue;
    addresses[view->n_gateways] = "";
    ids[view->n_gateways++] = gateway->id;
  }
  view->gateways = ids;
  view->gateway_addresses = addresses;
}

enum store_result model_renew(struct model *model, const struct store_worker_info *info, struct store_view *view) {
  struct model_worker *worker = record_of(model, info->id);
  if (!worker) return STORE_FAILED;
  *view = (struct store_view){.now_ms = model_now_ms(model)};
  worker->has_lease = true;
  worker->lease_until_ms = view->now_ms + info->lease_ms;
  worker->renewed_ms = view->now_ms;
  worker->known_until_ms = view->now_ms + info->lease_ms * 4;
  worker->draining = info->draining;
  view_workers(model, view);
  view_owners(model, view);
  view_gateways(model, view);
  return STORE_OK;
}

enum store_result model_suspect(struct model *model, const char *id) {
  struct model_worker *worker = record_of(model, id);
  if (worker) worker->has_lease = false;
  return STORE_OK;
}

enum store_result model_worker_close(struct model *model, const char *id) {
  struct model_worker *worker = record_of(model, id);
  if (worker) worker->known_until_ms = 0;
  return model_suspect(model, id);
}

/* ---- claim, release ---- */

static struct stream_id tail_of(const struct model_partition *partition) {
  const struct model_stream *commands = &partition->commands;
  return model_stream_len(commands) ? commands->entries[commands->n - 1].id : partition->done;
}

/* Who left a note and was heard of just now may live. */
static bool may_live(struct model *model, const struct model_partition *partition, uint64_t now_ms) {
  const struct model_worker *owner = record_of(model, partition->owner);
  bool known = owner && owner->known_until_ms > now_ms && now_ms - owner->renewed_ms < NOTE_GRACE_MS;
  return known && model_has_open_note(partition);
}

enum store_result model_claim(struct model *model, uint32_t p, const char *id, const struct store_owner *seen,
                              struct store_claimed *claimed) {
  struct model_partition *partition = &model->partitions[p];
  uint64_t now_ms = model_now_ms(model);
  const char *owner = partition->owner;
  if (strcmp(owner, seen->worker) != 0 || partition->epoch != seen->epoch) return STORE_DENIED;
  if (lease_of(model, id) <= now_ms) return STORE_DENIED;
  bool others = *owner && strcmp(owner, id) != 0;
  if (others && (lease_of(model, owner) > now_ms || may_live(model, partition, now_ms))) return STORE_DENIED;
  *claimed =
      (struct store_claimed){.epoch = partition->epoch + 1, .done = partition->done, .tail = tail_of(partition)};
  model_blames_claimed(model, partition, id, claimed);
  snprintf(partition->owner, sizeof partition->owner, "%s", id);
  partition->epoch++;
  partition->freed_ms = 0;
  oracle_claimed(model->sim, p, id, claimed);
  return STORE_OK;
}

enum store_result model_release(struct model *model, uint32_t p, const char *id, uint64_t epoch,
                                const char *successor) {
  struct model_partition *partition = &model->partitions[p];
  if (strcmp(partition->owner, id) != 0 || partition->epoch != epoch) return STORE_DENIED;
  partition->owner[0] = '\0';
  partition->freed_ms = model_now_ms(model);
  oracle_released(model->sim, p);
  if (!*successor) return STORE_OK;
  struct model_worker *worker = record_of(model, successor);
  struct model_freed freed = {.partition = p, .epoch = epoch};
  if (worker) model_stream_add(model, &worker->control, "", bytes_of(&freed, sizeof freed));
  return STORE_OK;
}
