/* See gateway/gateway.h.
 *
 *   WAITING -> CHECKING -> OPENABLE -> OPENING -> RUNNING -> CLOSING -> FINISHED
 *      ^          |            |          |          |
 *      +----------+------------+----------+----------+   connection lost, an answer in doubt, a failure: try again
 *
 * With an id already in use OPENING means "open again and compare numbers". When the id is dead, `lost` is set by
 * whoever hears of it, inside some callback; the next turn ends all connections and opens a new id.
 */
#include "gateway/gateway.h"

#include "common/log.h"
#include "common/mem.h"
#include "gateway/downlink.h"
#include "gateway/gateway_metrics.h"
#include "proto/keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define RETRY_US      1000000 /* after a failure that will not pass at once */
#define CLOSE_WAIT_US 1000000 /* for the answer to gateway_close */
#define BROKEN_US     2000000 /* not ready after a broken append, longer than a new id is waited for */

enum state { WAITING, CHECKING, OPENABLE, OPENING, RUNNING, CLOSING, FINISHED, REFUSED, STATES };

static const char *const state_names[STATES] = {"waiting", "checking", "openable", "opening",
                                                "running", "closing",  "finished", "refused"};

#define TO(state) (1u << (state))
static const unsigned allowed[STATES] = {
    [WAITING] = TO(CHECKING) | TO(FINISHED),
    [CHECKING] = TO(WAITING) | TO(OPENABLE) | TO(REFUSED) | TO(FINISHED),
    [OPENABLE] = TO(WAITING) | TO(OPENING) | TO(FINISHED),
    [OPENING] = TO(WAITING) | TO(OPENABLE) | TO(RUNNING) | TO(FINISHED),
    [RUNNING] = TO(WAITING) | TO(OPENABLE) | TO(CLOSING) | TO(FINISHED),
    [CLOSING] = TO(FINISHED),
};

struct gateway {
  struct store *store;
  struct gateway_config config;
  struct gateway_metrics *metrics;
  struct log *log;
  struct log_limit trouble_limit;

  enum state state;
  char base[GATEWAY_ID_MAX + 1]; /* what ids are made of; "" : random ones */
  char address[128];
  char id[PROCESS_ID_MAX + 1];
  uint64_t identity;   /* counts ids, so that late answers for an older one are known */
  uint64_t generation; /* of the id */
  bool opened;         /* the id was opened: open it again, do not make it */
  bool ever_opened;    /* any id was */
  char cluster[33];    /* the deployment's; "" before the first check */
  char server[96];     /* which Redis, likewise */
  char message[256];   /* why the store refuses; "" */

  bool lost;    /* the id is dead or cannot be trusted: give it up in the next turn */
  bool close;   /* and say so to Redis, which may think otherwise */
  bool suspect; /* and check Redis before the next one is opened, a second after this one at the earliest */

  bool renewing;
  bool renew_failed; /* the last one */
  uint64_t renew_identity;
  uint64_t renew_at_us;
  uint64_t opened_at_us;    /* an id, first or again */
  uint64_t renewed_at_us;   /* opening renews too */
  uint64_t broken_until_us; /* so long a broken append counts against us unless one is taken; 0: none does */
  uint64_t retry_at_us;     /* in WAITING and OPENABLE */

  bool draining;
  bool goodbyes_said;
  bool timed_out; /* the drain, with something undone */
  uint64_t drain_until_us;

  struct sessions *sessions;
  struct uplink *uplink;
  struct downlink *downlink;
};

static uint64_t now_us(const struct gateway *gateway) {
  return gateway->store->ops->monotonic_us(gateway->store);
}

static void move(struct gateway *gateway, enum state to) {
  if (gateway->state == to) return;
  assert(allowed[gateway->state] & TO(to));
  log_debug(gateway->log, "gateway_state", F_S("from", state_names[gateway->state]), F_S("to", state_names[to]),
            F_S("gateway", gateway->id));
  gateway->state = to;
}

/* Starts over with checking and opening, after a pause. */
static void wait_and_retry(struct gateway *gateway, uint64_t pause_us) {
  uplink_suspend(gateway->uplink);
  gateway->retry_at_us = now_us(gateway) + pause_us;
  move(gateway, WAITING);
}

static void give_up_id(struct gateway *gateway, bool close, const char *why) {
  log_warn(gateway->log, "gateway_lost", F_S("gateway", gateway->id), F_S("why", why));
  gateway->lost = true;
  gateway->close = close;
}

/* ---- ids ---- */

static void take_id(struct gateway *gateway) {
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
  gateway->opened = false;
  gateway->generation = 0;
}

/* ---- opening ---- */

static void on_opened(void *arg, enum store_result result, uint64_t generation, const uint64_t *numbers, size_t n) {
  struct gateway *gateway = arg;
  if (gateway->state != OPENING) return;
  if (result == STORE_OK && gateway->opened) {
    if (!uplink_resume(gateway->uplink, generation, numbers, n)) {
      give_up_id(gateway, true, "append numbers differ");
    }
  } else if (result == STORE_OK) {
    uplink_open(gateway->uplink, gateway->id, generation, numbers, n);
    downlink_open(gateway->downlink, gateway->id);
    gateway->opened = gateway->ever_opened = true;
    snprintf(gateway->sessions->gateway, sizeof gateway->sessions->gateway, "%s", gateway->id);
    if (gateway->log) snprintf(gateway->log->process, sizeof gateway->log->process, "gateway %s", gateway->id);
    log_info(gateway->log, "gateway_opened", F_S("gateway", gateway->id), F_U("generation", generation));
  } else if (result == STORE_GONE && gateway->opened) {
    give_up_id(gateway, false, "expired in Redis");
  } else {
    log_limited(gateway->log, &gateway->trouble_limit, LOG_LEVEL_WARN, "gateway_open_failed",
                F_S("gateway", gateway->id), F_S("result", store_result_name(result)));
    /* Whether a new id exists now may be unknown (lost), or it is somebody else's (denied): take another. */
    if (!gateway->opened && (result == STORE_LOST || result == STORE_DENIED)) take_id(gateway);
    wait_and_retry(gateway, result == STORE_LOST || result == STORE_DENIED ? 0 : RETRY_US);
    return;
  }
  gateway->generation = generation;
  gateway->renew_failed = false;
  gateway->opened_at_us = gateway->renewed_at_us = now_us(gateway);
  gateway->renew_at_us = gateway->renewed_at_us + gateway->config.ttl_ms * 1000 / 3;
  move(gateway, RUNNING);
}

static void on_checked(void *arg, enum store_result result, const char *message,
                       const struct store_deployment *deployment) {
  struct gateway *gateway = arg;
  if (gateway->state != CHECKING) return;
  if (result != STORE_OK) {
    gateway->broken_until_us = 0; /* from now on the check knows better */
    snprintf(gateway->message, sizeof gateway->message, "%s", message ? message : store_result_name(result));
    log_limited(gateway->log, &gateway->trouble_limit, result == STORE_LOST ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
                "redis_check_failed", F_S("result", store_result_name(result)), F_S("message", gateway->message));
    if (result == STORE_FAILED && !gateway->ever_opened) {
      move(gateway, REFUSED);
    } else {
      wait_and_retry(gateway, RETRY_US);
    }
    return;
  }
  gateway->message[0] = '\0';
  if (gateway->opened && *gateway->cluster && strcmp(gateway->cluster, deployment->cluster) != 0) {
    give_up_id(gateway, false, "another deployment answers");
  } else if (gateway->opened && strcmp(gateway->server, deployment->server) != 0) {
    /* What it was told last may be forgotten. Clients that resume find out. */
    give_up_id(gateway, true, "Redis was restarted or failed over");
  }
  snprintf(gateway->server, sizeof gateway->server, "%s", deployment->server);
  snprintf(gateway->cluster, sizeof gateway->cluster, "%s", deployment->cluster);
  gateway->retry_at_us = 0;
  move(gateway, OPENABLE);
}

static void check(struct gateway *gateway) {
  move(gateway, CHECKING);
  gateway->store->ops->init(gateway->store, (struct store_deployment){.partitions = gateway->config.partitions},
                            on_checked, gateway);
}

static void open_id(struct gateway *gateway) {
  move(gateway, OPENING);
  gateway->store->ops->gateway_open(gateway->store, gateway->id, gateway->opened, gateway->address,
                                    gateway->config.ttl_ms, on_opened, gateway);
}

/* ---- what comes from elsewhere ---- */

/* In the other states a call is outstanding, which is answered STORE_LOST and leads to WAITING by itself. */
static void on_ready(void *arg, bool ready) {
  struct gateway *gateway = arg;
  if (ready) return;
  log_limited(gateway->log, &gateway->trouble_limit, LOG_LEVEL_WARN, "redis_lost", F_S("gateway", gateway->id));
  if (gateway->state == RUNNING || gateway->state == OPENABLE) wait_and_retry(gateway, 0);
}

static bool on_uplink_alive(void *arg, uint64_t conn) {
  struct gateway *gateway = arg;
  const struct guests *guests = &gateway->sessions->guests;
  if (conn >= GUEST_FIRST) return guests->alive && guests->alive(guests->arg, conn);
  return sessions_find(gateway->sessions, conn) != NULL;
}

static void on_uplink_busy(void *arg, const struct ticket *ticket) {
  struct gateway *gateway = arg;
  sessions_busy(gateway->sessions, ticket);
}

static void on_uplink_trouble(void *arg, enum uplink_trouble trouble) {
  struct gateway *gateway = arg;
  if (trouble == UPLINK_BROKEN) gateway->broken_until_us = now_us(gateway) + BROKEN_US;
  if (gateway->state != RUNNING) return; /* found out by opening again */
  if (trouble == UPLINK_GONE) {
    give_up_id(gateway, true, "an append was refused");
  } else if (trouble == UPLINK_BROKEN) {
    give_up_id(gateway, true, "an append failed half-way");
    gateway->suspect = true;
  } else {
    wait_and_retry(gateway, 0);
  }
}

/* In the other states: found out by opening again, or told again. */
static void on_downlink_trouble(void *arg, enum downlink_trouble trouble) {
  struct gateway *gateway = arg;
  if (gateway->state != RUNNING) return;
  if (trouble == DOWNLINK_GONE) {
    give_up_id(gateway, false, "its stream is gone");
  } else { /* who comes back gets what he missed, or a snapshot */
    give_up_id(gateway, true, "an entry of its stream cannot be decoded");
  }
}

static void on_renewed(void *arg, enum store_result result) {
  struct gateway *gateway = arg;
  gateway->renewing = false;
  if (gateway->state != RUNNING || gateway->renew_identity != gateway->identity) return;
  gateway->renew_failed = result != STORE_OK;
  if (result == STORE_OK) {
    gateway->renewed_at_us = now_us(gateway);
  } else if (result == STORE_GONE) {
    give_up_id(gateway, false, "a renewal was refused");
  } else {
    gateway->renew_at_us = now_us(gateway) + RETRY_US;
    log_limited(gateway->log, &gateway->trouble_limit, LOG_LEVEL_WARN, "renew_failed",
                F_S("result", store_result_name(result)));
  }
}

/* Nothing to do: whether the old id was still there makes no difference, its TTL ends it anyway. */
static void on_old_id_closed(void *arg, enum store_result result) {
  (void)arg;
  (void)result;
}

static void on_closed(void *arg, enum store_result result) {
  struct gateway *gateway = arg;
  if (gateway->state != CLOSING) return;
  log_info(gateway->log, "gateway_closed", F_S("gateway", gateway->id), F_S("result", store_result_name(result)));
  move(gateway, FINISHED);
}

/* ---- create, destroy ---- */

struct gateway *gateway_create(struct store *store, const struct gateway_config *config,
                               struct gateway_metrics *metrics, struct log *log) {
  struct gateway *gateway = xcalloc(1, sizeof *gateway);
  gateway->store = store;
  gateway->config = *config;
  gateway->metrics = metrics;
  gateway->log = log;
  snprintf(gateway->base, sizeof gateway->base, "%s", config->id ? config->id : "");
  snprintf(gateway->address, sizeof gateway->address, "%s", config->address ? config->address : "");
  gateway->config.id = gateway->config.address = NULL; /* the caller's, not kept */
  gateway->sessions =
      sessions_create(store, &config->sessions, config->auth, config->registry, config->output, metrics, log);
  gateway->uplink = uplink_create(
      store,
      &(struct uplink_config){.partitions = config->partitions,
                              .max_entries = config->partition_entries,
                              .max_bytes = config->partition_bytes,
                              .pace_us = config->pace_us,
                              .failpoints = config->failpoints},
      &(struct uplink_handler){
          .alive = on_uplink_alive, .busy = on_uplink_busy, .trouble = on_uplink_trouble, .arg = gateway},
      metrics, log);
  gateway->sessions->uplink = gateway->uplink;
  gateway->downlink = downlink_create(store,
                                      &(struct downlink_config){.pace_us = config->pace_us,
                                                                .failpoints = config->failpoints,
                                                                .trouble = on_downlink_trouble,
                                                                .arg = gateway},
                                      gateway->sessions, gateway->uplink, metrics, log);
  store->on_ready = on_ready;
  store->on_ready_arg = gateway;
  take_id(gateway);
  return gateway;
}

void gateway_destroy(struct gateway *gateway) {
  if (!gateway) return;
  downlink_destroy(gateway->downlink);
  uplink_destroy(gateway->uplink);
  sessions_destroy(gateway->sessions);
  free(gateway);
}

struct sessions *gateway_sessions(struct gateway *gateway) {
  return gateway->sessions;
}

const char *gateway_id(const struct gateway *gateway) {
  return gateway->opened ? gateway->id : "";
}

const char *gateway_refused(const struct gateway *gateway) {
  return gateway->state == REFUSED ? gateway->message : NULL;
}

bool gateway_is_ready(const struct gateway *gateway, const char **why) {
  uint64_t now = now_us(gateway);
  *why = "";
  if (gateway->draining) {
    *why = "draining";
  } else if (gateway->state != RUNNING || gateway->lost) {
    *why = *gateway->message                             ? gateway->message
           : !gateway->store->ops->ready(gateway->store) ? "not connected to Redis"
                                                         : "opening";
  } else if (!downlink_is_reading(gateway->downlink)) {
    *why = "not reading yet";
  } else if (downlink_is_refused(gateway->downlink)) {
    *why = "Redis refuses to have its stream read";
  } else if (gateway->renew_failed || now - gateway->renewed_at_us > gateway->config.ttl_ms * 1000 / 2) {
    *why = "Redis does not renew its id";
  } else if (uplink_is_broken(gateway->uplink) && now < gateway->broken_until_us) {
    *why = "Redis failed half-way in what was sent to rooms";
  }
  return !**why;
}

/* ---- turns ---- */

/* Old connections must not go on under a new id: their rooms learn from Redis that the old one is gone. */
static void replace_id(struct gateway *gateway) {
  gateway->metrics->lost++;
  sessions_end_all(gateway->sessions, HEYA__V1__ERROR__CODE__GATEWAY_LOST, true);
  gateway->sessions->gateway[0] = '\0';
  uplink_reset(gateway->uplink);
  downlink_stop(gateway->downlink);
  if (gateway->close && gateway->store->ops->ready(gateway->store)) {
    gateway->store->ops->gateway_close(gateway->store, gateway->id, on_old_id_closed, gateway);
  }
  if (gateway->suspect) { /* what broke one append may break all, while opening works: ids must not be used up */
    if (gateway->state == RUNNING) move(gateway, WAITING);
    gateway->retry_at_us = gateway->opened_at_us + RETRY_US;
  }
  gateway->lost = gateway->close = gateway->suspect = false;
  take_id(gateway);
  if (gateway->state == RUNNING) move(gateway, OPENABLE);
}

/* Opening waits for the append in flight: until it is answered, the numbers to compare with may still change. */
static void go_on(struct gateway *gateway, uint64_t now) {
  bool ready = gateway->store->ops->ready(gateway->store);
  switch (gateway->state) {
  case WAITING:
    if (ready && now >= gateway->retry_at_us) check(gateway);
    break;
  case OPENABLE:
    if (!ready) {
      wait_and_retry(gateway, 0);
    } else if (!uplink_in_flight(gateway->uplink) && (gateway->opened || !gateway->draining)) {
      open_id(gateway);
    }
    break;
  case RUNNING:
    if (now >= gateway->renew_at_us && !gateway->renewing) {
      gateway->renewing = true;
      gateway->renew_identity = gateway->identity;
      gateway->renew_at_us = now + gateway->config.ttl_ms * 1000 / 3;
      gateway->store->ops->gateway_renew(gateway->store, gateway->id, gateway->generation, gateway->config.ttl_ms,
                                         on_renewed, gateway);
    }
    break;
  default: break;
  }
}

static void close_id(struct gateway *gateway, uint64_t now) {
  downlink_stop(gateway->downlink);
  uplink_suspend(gateway->uplink);
  gateway->drain_until_us = now + CLOSE_WAIT_US;
  move(gateway, CLOSING);
  gateway->store->ops->gateway_close(gateway->store, gateway->id, on_closed, gateway);
}

static void time_out(struct gateway *gateway) {
  gateway->timed_out = true;
  log_warn(gateway->log, "drain_timed_out", F_U("connections", sessions_count(gateway->sessions)));
}

/* With nothing left to tell an id is ended by its TTL as well as by us: Redis is not waited for to end it. */
static void drain_on(struct gateway *gateway, uint64_t now) {
  if (gateway->state == FINISHED || gateway->state == REFUSED) return;
  bool late = now >= gateway->drain_until_us;
  bool empty = sessions_count(gateway->sessions) == 0 && uplink_is_idle(gateway->uplink);
  if (gateway->state == CLOSING) {
    if (late) move(gateway, FINISHED);
  } else if (empty &&
             (!gateway->store->ops->ready(gateway->store) || (!gateway->opened && gateway->state != OPENING))) {
    move(gateway, FINISHED);
  } else if (empty || late) {
    if (late && (!empty || gateway->state != RUNNING)) time_out(gateway);
    if (gateway->state == RUNNING) {
      close_id(gateway, now);
    } else if (late) {
      move(gateway, FINISHED);
    }
  }
}

static uint64_t until(uint64_t at, uint64_t now) {
  return at > now ? at - now : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

uint64_t gateway_turn(struct gateway *gateway) {
  uint64_t now = now_us(gateway);
  bool said = gateway->lost || (gateway->draining && !gateway->goodbyes_said);
  if (gateway->lost) replace_id(gateway);
  if (gateway->draining && !gateway->goodbyes_said) {
    gateway->goodbyes_said = true;
    sessions_end_all(gateway->sessions, HEYA__V1__ERROR__CODE__SHUTTING_DOWN, false);
  }
  go_on(gateway, now);
  uint64_t wait = GATEWAY_NEVER;
  if (gateway->opened && gateway->state != CLOSING && gateway->state != FINISHED) {
    wait = least(uplink_flush(gateway->uplink, now), downlink_turn(gateway->downlink, now));
  }
  if (gateway->draining) {
    drain_on(gateway, now);
    if (gateway->state != FINISHED) wait = least(wait, until(gateway->drain_until_us, now));
  }
  if (gateway->state == RUNNING && !gateway->renewing) wait = least(wait, until(gateway->renew_at_us, now));
  if (gateway->state == WAITING && gateway->store->ops->ready(gateway->store)) {
    wait = least(wait, until(gateway->retry_at_us, now));
  }
  return said ? 0 : wait;
}

void gateway_drain(struct gateway *gateway) {
  if (gateway->draining) return;
  gateway->draining = gateway->sessions->draining = true;
  gateway->drain_until_us = now_us(gateway) + gateway->config.drain_timeout_ms * 1000;
  log_info(gateway->log, "draining", F_U("connections", sessions_count(gateway->sessions)));
}

bool gateway_is_finished(const struct gateway *gateway) {
  return gateway->state == FINISHED;
}

bool gateway_drain_timed_out(const struct gateway *gateway) {
  return gateway->timed_out;
}
