/* What gateways do in Redis: the functions gateway_* and append of proto/heya.lua. */
#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

#include <stdio.h>

static struct model_gateway *record_of(struct model *model, const char *id) {
  for (size_t i = 0; i < model->n_gateways; i++) {
    if (strcmp(model->gateways[i]->id, id) == 0) return model->gateways[i];
  }
  return NULL;
}

struct model_gateway *model_gateway_find(struct model *model, const char *id) {
  struct model_gateway *gateway = record_of(model, id);
  if (gateway && gateway->exists && gateway->expire_ms <= model_now_ms(model)) gateway->exists = false;
  return gateway && gateway->exists ? gateway : NULL;
}

static void extend(struct model *model, struct model_gateway *gateway, uint64_t ttl_ms) {
  gateway->expire_ms = gateway->listed_until_ms = model_now_ms(model) + ttl_ms;
  gateway->listed = true;
}

enum store_result model_gateway_open(struct model *model, const char *id, bool again, uint64_t ttl_ms,
                                     uint64_t *generation, uint64_t *numbers) {
  struct model_gateway *gateway = model_gateway_find(model, id);
  if (again && !gateway) return STORE_GONE;
  if (!again && gateway) return STORE_DENIED;
  if (!gateway) {
    gateway = record_of(model, id);
    if (!gateway) {
      if (model->n_gateways == MODEL_PROCESSES_MAX) {
        sim_fail(model->sim, "spin", "%d gateway ids", MODEL_PROCESSES_MAX);
        return STORE_FAILED;
      }
      gateway = model->gateways[model->n_gateways++] = sim_alloc(model->sim, sizeof *gateway);
    }
    *gateway = (struct model_gateway){.exists = true};
    snprintf(gateway->id, sizeof gateway->id, "%s", id);
  }
  model->sim->seen[SEEN_GATEWAY_IDS] += !again;
  *generation = ++gateway->generation;
  extend(model, gateway, ttl_ms);
  memcpy(numbers, gateway->numbers, sizeof gateway->numbers);
  return STORE_OK;
}

static bool forgives(const struct model *model) {
  return model->sim->plant == PLANT_APPEND_UNCHECKED;
}

/* The living one of this generation; NULL: GONE. */
static struct model_gateway *check(struct model *model, const char *id, uint64_t generation) {
  struct model_gateway *gateway = model_gateway_find(model, id);
  if (!gateway) return NULL;
  if (gateway->generation != generation && !forgives(model)) return NULL;
  return gateway;
}

enum store_result model_gateway_renew(struct model *model, const char *id, uint64_t generation, uint64_t ttl_ms) {
  struct model_gateway *gateway = check(model, id, generation);
  if (!gateway) return STORE_GONE;
  extend(model, gateway, ttl_ms);
  return STORE_OK;
}

enum store_result model_gateway_close(struct model *model, const char *id) {
  struct model_gateway *gateway = record_of(model, id);
  if (gateway) gateway->exists = gateway->listed = false;
  return STORE_OK;
}

enum store_result model_gateway_trim(struct model *model, const char *id, struct stream_id done) {
  struct model_gateway *gateway = model_gateway_find(model, id);
  if (!gateway) return STORE_GONE;
  model_stream_trim(&gateway->events, done);
  return STORE_OK;
}

/* ---- append ---- */

static enum store_append_verdict judge(const struct model *model, const struct model_gateway *gateway,
                                       const struct store_append *item) {
  const struct model_partition *partition = &model->partitions[item->partition];
  uint64_t limit = model->sim->plan.partition_entries * 4;
  uint64_t last = gateway->numbers[item->partition];
  if (model->sim->plant != PLANT_APPEND_UNCHECKED) {
    if (item->number <= last) return STORE_APPENDED;
    if (item->number != last + 1) return STORE_REFUSED;
  }
  if (model_stream_len(&partition->commands) * 4 >= (item->system ? limit + limit / 4 : limit)) return STORE_BUSY;
  return STORE_APPENDED;
}

enum store_result model_append(struct model *model, const char *id, uint64_t generation,
                               const struct store_append *items, size_t n, enum store_append_verdict *verdicts) {
  struct model_gateway *gateway = check(model, id, generation);
  if (!gateway) return STORE_GONE;
  for (size_t i = 0; i < n; i++) verdicts[i] = judge(model, gateway, &items[i]);
  for (size_t i = 0; i < n; i++) {
    struct model_partition *partition = &model->partitions[items[i].partition];
    bool had = items[i].number <= gateway->numbers[items[i].partition];
    if (verdicts[i] != STORE_APPENDED || (had && model->sim->plant != PLANT_APPEND_UNCHECKED)) continue;
    struct stream_id entry = model_stream_add(model, &partition->commands, id, items[i].batch);
    partition->bytes += (int64_t)items[i].batch.len;
    gateway->numbers[items[i].partition] = items[i].number;
    oracle_appended(model->sim, items[i].partition, entry, items[i].batch);
  }
  return STORE_OK;
}
