/* See gateway/gateway.h: the id, and what concerns all anchors (gateway_impl.h) together. */
#include "gateway/gateway_impl.h"

#include "common/mem.h"
#include "common/store_shards.h"
#include "gateway/gateway_metrics.h"
#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

#define COUNT_US 100000 /* for metrics: the shards on which all is well */

static uint64_t clock_us(const struct gateway *gateway) {
  return gateway->store->ops->monotonic_us(gateway->store);
}

/* ---- ids ---- */

void gateway_take_id(struct gateway *gateway) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
  unsigned char random[8];
  char suffix[sizeof random + 1] = "";
  gateway->store->ops->random(gateway->store, random, sizeof random);
  for (size_t i = 0; i < sizeof random; i++) suffix[i] = letters[random[i] % 32];
  bool first = gateway->identity++ == 0;
  if (first && *gateway->base) {
    snprintf(gateway->id, sizeof gateway->id, "%s", gateway->base);
  } else {
    snprintf(gateway->id, sizeof gateway->id, "%s-%s", *gateway->base ? gateway->base : "g", suffix);
  }
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    gateway->anchors[i].opened = gateway->anchors[i].unsure = false;
    gateway->anchors[i].generation = 0;
  }
}

void gateway_give_up_id(struct gateway *gateway, bool close, const char *why) {
  log_warn(gateway->log, "gateway_lost", F_S("gateway", gateway->id), F_S("why", why));
  gateway->lost = true;
  gateway->close = close || gateway->n_anchors > 1;
}

void gateway_opened(struct gateway *gateway) {
  snprintf(gateway->sessions->gateway, sizeof gateway->sessions->gateway, "%s", gateway->id);
  if (gateway->log) snprintf(gateway->log->process, sizeof gateway->log->process, "gateway %s", gateway->id);
}

/* Old connections must not go on under a new id: their rooms learn from Redis that the old one is gone. */
static void replace_id(struct gateway *gateway) {
  gateway->metrics->lost++;
  sessions_end_all(gateway->sessions, HEYA__V1__ERROR__CODE__GATEWAY_LOST, true);
  gateway->sessions->gateway[0] = '\0';
  for (uint32_t i = 0; i < gateway->n_anchors; i++) anchor_forget(&gateway->anchors[i]);
  gateway->lost = gateway->close = false;
  gateway_take_id(gateway);
}

/* ---- create, destroy ---- */

struct gateway *gateway_create(struct store *const *stores, const struct gateway_config *config,
                               struct gateway_metrics *metrics, struct log *log) {
  struct gateway *gateway = xcalloc(1, sizeof *gateway);
  gateway->n_anchors = config->shards ? config->shards : 1;
  gateway->store = gateway->n_anchors > 1 ? store_shards_create(stores, gateway->n_anchors) : stores[0];
  gateway->config = *config;
  gateway->metrics = metrics;
  gateway->log = log;
  gateway->created_us = clock_us(gateway);
  snprintf(gateway->base, sizeof gateway->base, "%s", config->id ? config->id : "");
  snprintf(gateway->address, sizeof gateway->address, "%s", config->address ? config->address : "");
  gateway->config.id = gateway->config.address = NULL; /* the caller's, not kept */
  gateway->sessions = sessions_create(gateway->store, &config->sessions, config->auth, config->registry,
                                      config->output, metrics, log);
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    anchor_init(&gateway->anchors[i], gateway, stores[i], i);
    gateway->uplinks[i] = gateway->anchors[i].uplink;
    uplink_join(gateway->uplinks[i], gateway->uplinks, gateway->n_anchors);
  }
  gateway->sessions->uplink = gateway->uplinks[0];
  gateway_take_id(gateway);
  return gateway;
}

void gateway_destroy(struct gateway *gateway) {
  if (!gateway) return;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) anchor_close(&gateway->anchors[i]);
  sessions_destroy(gateway->sessions);
  if (gateway->n_anchors > 1) store_shards_destroy(gateway->store);
  free(gateway);
}

struct sessions *gateway_sessions(struct gateway *gateway) {
  return gateway->sessions;
}

const char *gateway_id(const struct gateway *gateway) {
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    if (gateway->anchors[i].opened) return gateway->id;
  }
  return "";
}

const char *gateway_refused(const struct gateway *gateway) {
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    if (gateway->anchors[i].state == REFUSED) return gateway->anchors[i].message;
  }
  return NULL;
}

/* It is of use while any shard is; but when it starts, each gets a moment to be reached. */
bool gateway_is_ready(const struct gateway *gateway, const char **why) {
  uint64_t now = clock_us(gateway);
  bool patient = now - gateway->created_us < GATEWAY_PATIENCE_US, useful = false, waits = gateway->draining;
  const char *first = gateway->draining ? "draining" : NULL;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    const struct anchor *anchor = &gateway->anchors[i];
    const char *fault = anchor_fault(anchor, now);
    if (!first) first = fault;
    if (!fault) useful = true;
    if (fault && !anchor->ever_opened && patient) waits = true;
  }
  *why = useful && !waits ? "" : first;
  return useful && !waits;
}

uint32_t gateway_shards(const struct gateway *gateway) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) n += !anchor_fault(&gateway->anchors[i], clock_us(gateway));
  return n;
}

/* ---- turns ---- */

static uint64_t until(uint64_t at, uint64_t now) {
  return at > now ? at - now : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static bool is_idle(const struct gateway *gateway) {
  bool idle = sessions_count(gateway->sessions) == 0;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) idle = idle && uplink_is_idle(gateway->uplinks[i]);
  return idle;
}

static void drain_on(struct gateway *gateway, uint64_t now) {
  bool late = now >= gateway->drain_until_us, empty = is_idle(gateway), in_time = true;
  if (gateway_is_finished(gateway) || gateway_refused(gateway)) return;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    if (gateway->anchors[i].state == FINISHED) continue;
    in_time = anchor_drain(&gateway->anchors[i], empty, late, now) && in_time;
  }
  if (in_time) return;
  gateway->timed_out = true;
  log_warn(gateway->log, "drain_timed_out", F_U("connections", sessions_count(gateway->sessions)));
}

uint64_t gateway_turn(struct gateway *gateway) {
  uint64_t now = clock_us(gateway);
  bool said = gateway->lost || (gateway->draining && !gateway->goodbyes_said);
  if (gateway->lost) replace_id(gateway);
  if (gateway->draining && !gateway->goodbyes_said) {
    gateway->goodbyes_said = true;
    sessions_end_all(gateway->sessions, HEYA__V1__ERROR__CODE__SHUTTING_DOWN, false);
  }
  for (uint32_t i = 0; i < gateway->n_anchors; i++) anchor_go_on(&gateway->anchors[i], now);
  uint64_t wait = GATEWAY_NEVER;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) wait = least(wait, anchor_wait_us(&gateway->anchors[i], now));
  if (gateway->draining) {
    drain_on(gateway, now);
    if (!gateway_is_finished(gateway)) wait = least(wait, until(gateway->drain_until_us, now));
  }
  if (now >= gateway->count_at_us) {
    gateway->count_at_us = now + COUNT_US;
    gateway->metrics->redis = gateway_shards(gateway);
  }
  return said ? 0 : wait;
}

void gateway_drain(struct gateway *gateway) {
  if (gateway->draining) return;
  gateway->draining = gateway->sessions->draining = true;
  gateway->drain_until_us = clock_us(gateway) + gateway->config.drain_timeout_ms * 1000;
  log_info(gateway->log, "draining", F_U("connections", sessions_count(gateway->sessions)));
}

bool gateway_is_finished(const struct gateway *gateway) {
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    if (gateway->anchors[i].state != FINISHED) return false;
  }
  return true;
}

bool gateway_drain_timed_out(const struct gateway *gateway) {
  return gateway->timed_out;
}
