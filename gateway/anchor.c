/* See gateway/gateway_impl.h.
 *
 *   WAITING -> CHECKING -> OPENABLE -> OPENING -> RUNNING -> CLOSING -> FINISHED
 *      ^          |            |          |          |
 *      +----------+------------+----------+----------+   connection lost, an answer in doubt, a failure: try again
 *
 * With an id already in use OPENING means "open again and compare numbers". When the id is dead, `lost` is set by
 * whoever hears of it, inside some callback; the next turn ends all connections and opens a new id.
 */
#include "gateway/gateway_impl.h"

#include "gateway/gateway_metrics.h"
#include "proto/keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define RETRY_US      1000000 /* after a failure that will not pass at once */
#define CLOSE_WAIT_US 1000000 /* for the answer to gateway_close */
#define BROKEN_US     2000000 /* not ready after a broken append, longer than a new id is waited for */

static const char *const state_names[ANCHOR_STATES] = {"waiting", "checking", "openable", "opening",
                                                       "running", "closing",  "finished", "refused"};

#define TO(state) (1u << (state))
static const unsigned allowed[ANCHOR_STATES] = {
    [WAITING] = TO(CHECKING) | TO(FINISHED),
    [CHECKING] = TO(WAITING) | TO(OPENABLE) | TO(REFUSED) | TO(FINISHED),
    [OPENABLE] = TO(WAITING) | TO(OPENING) | TO(FINISHED),
    [OPENING] = TO(WAITING) | TO(OPENABLE) | TO(RUNNING) | TO(FINISHED),
    [RUNNING] = TO(WAITING) | TO(OPENABLE) | TO(CLOSING) | TO(FINISHED),
    [CLOSING] = TO(FINISHED),
};

static uint64_t clock_us(const struct anchor *anchor) {
  return anchor->store->ops->monotonic_us(anchor->store);
}

static void move(struct anchor *anchor, enum anchor_state to) {
  if (anchor->state == to) return;
  assert(allowed[anchor->state] & TO(to));
  log_debug(anchor->gateway->log, "gateway_state", F_S("from", state_names[anchor->state]),
            F_S("to", state_names[to]), F_S("gateway", anchor->gateway->id), F_U("shard", anchor->number));
  anchor->state = to;
}

/* Starts over with checking and opening, after a pause. */
static void wait_and_retry(struct anchor *anchor, uint64_t pause_us) {
  uplink_suspend(anchor->uplink);
  anchor->retry_at_us = clock_us(anchor) + pause_us;
  move(anchor, WAITING);
}

/* ---- opening ---- */

/* Nothing to do: whether the old id was still there makes no difference, its TTL ends it anyway. */
static void on_old_id_closed(void *arg, enum store_result result) {
  (void)arg;
  (void)result;
}

/* Whether another shard may have the gateway's id. */
static bool is_elsewhere(const struct anchor *anchor) {
  const struct gateway *gateway = anchor->gateway;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) {
    const struct anchor *other = &gateway->anchors[i];
    bool opening = other->state == OPENING && other->identity == gateway->identity;
    if (other != anchor && (other->opened || other->unsure || opening)) return true;
  }
  return false;
}

/* Whether a new id exists now may be unknown (lost), or it is somebody else's (denied): another one is taken. Where
 * it is in use on other shards already, a lost answer is no reason to give it up there. */
static void on_not_opened(struct anchor *anchor, enum store_result result) {
  struct gateway *gateway = anchor->gateway;
  bool retry_at_once = result == STORE_LOST || result == STORE_DENIED;
  log_limited(gateway->log, &gateway->trouble_limit, LOG_LEVEL_WARN, "gateway_open_failed",
              F_S("gateway", gateway->id), F_S("result", store_result_name(result)), F_U("shard", anchor->number));
  if (!anchor->opened && retry_at_once) {
    if (!is_elsewhere(anchor)) {
      gateway_take_id(gateway);
    } else if (result == STORE_LOST) {
      anchor->unsure = true;
    } else {
      gateway_give_up_id(gateway, true, "somebody else has it on another Redis");
    }
  }
  wait_and_retry(anchor, retry_at_once ? 0 : RETRY_US);
}

/* It was replaced meanwhile. */
static void on_stale_opened(struct anchor *anchor, enum store_result result) {
  if (result == STORE_OK) anchor->store->ops->gateway_close(anchor->store, anchor->opening, on_old_id_closed, anchor);
  if (result == STORE_LOST) {
    wait_and_retry(anchor, 0);
  } else {
    move(anchor, OPENABLE);
  }
}

static void on_opened(void *arg, enum store_result result, uint64_t generation, const uint64_t *numbers, size_t n) {
  struct anchor *anchor = arg;
  struct gateway *gateway = anchor->gateway;
  if (anchor->state != OPENING) return;
  if (anchor->identity != gateway->identity) {
    on_stale_opened(anchor, result);
    return;
  }
  if (result == STORE_OK && anchor->opened) {
    if (!uplink_resume(anchor->uplink, generation, numbers, n)) {
      gateway_give_up_id(gateway, true, "append numbers differ");
    }
  } else if (result == STORE_OK) {
    uplink_open(anchor->uplink, gateway->id, generation, numbers, n);
    downlink_open(anchor->downlink, gateway->id);
    anchor->opened = anchor->ever_opened = true;
    anchor->unsure = false;
    gateway_opened(gateway);
    log_info(gateway->log, "gateway_opened", F_S("gateway", gateway->id), F_U("generation", generation),
             F_U("shard", anchor->number));
  } else if (result == STORE_GONE && anchor->opened) {
    gateway_give_up_id(gateway, false, "expired in Redis");
  } else if (result == STORE_GONE && anchor->unsure) {
    anchor->unsure = false;
    move(anchor, OPENABLE);
    return;
  } else {
    on_not_opened(anchor, result);
    return;
  }
  anchor->generation = generation;
  anchor->renew_failed = false;
  anchor->opened_at_us = anchor->renewed_at_us = clock_us(anchor);
  anchor->renew_at_us = anchor->renewed_at_us + gateway->config.ttl_ms * 1000 / 3;
  move(anchor, RUNNING);
}

/* What is wrong with a Redis when the gateway starts is told to whoever starts it. Once it has its id on others, it
 * goes on there, and waits for somebody to put this one right. */
static bool may_refuse(const struct anchor *anchor) {
  const struct gateway *gateway = anchor->gateway;
  bool opened = false;
  for (uint32_t i = 0; i < gateway->n_anchors; i++) opened = opened || gateway->anchors[i].ever_opened;
  return !anchor->ever_opened && (!opened || clock_us(anchor) - gateway->created_us < GATEWAY_PATIENCE_US);
}

/* It was asked when we knew of none, and another one has been quicker to answer. */
static bool is_of_another(const struct gateway *gateway, const struct store_deployment *deployment) {
  return gateway->n_anchors > 1 && *gateway->cluster && strcmp(gateway->cluster, deployment->cluster) != 0;
}

static void on_checked(void *arg, enum store_result result, const char *message,
                       const struct store_deployment *deployment) {
  struct anchor *anchor = arg;
  struct gateway *gateway = anchor->gateway;
  if (anchor->state != CHECKING) return;
  if (result != STORE_OK) {
    anchor->broken_until_us = 0; /* from now on the check knows better */
    snprintf(anchor->message, sizeof anchor->message, "%s", message ? message : store_result_name(result));
    log_limited(gateway->log, &gateway->trouble_limit, result == STORE_LOST ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
                "redis_check_failed", F_S("result", store_result_name(result)), F_S("message", anchor->message),
                F_U("shard", anchor->number));
    if (result == STORE_FAILED && may_refuse(anchor)) {
      move(anchor, REFUSED);
    } else {
      wait_and_retry(anchor, RETRY_US);
    }
    return;
  }
  anchor->message[0] = '\0';
  if (is_of_another(gateway, deployment)) { /* asked again it says what is wrong */
    wait_and_retry(anchor, 0);
    return;
  }
  if (anchor->opened && *gateway->cluster && strcmp(gateway->cluster, deployment->cluster) != 0) {
    gateway_give_up_id(gateway, false, "another deployment answers");
  } else if (anchor->opened && strcmp(anchor->server, deployment->server) != 0) {
    /* What it was told last may be forgotten. Clients that resume find out. */
    gateway_give_up_id(gateway, true, "Redis was restarted or failed over");
  }
  snprintf(anchor->server, sizeof anchor->server, "%s", deployment->server);
  snprintf(gateway->cluster, sizeof gateway->cluster, "%s", deployment->cluster);
  anchor->retry_at_us = 0;
  move(anchor, OPENABLE);
}

/* Of a new deployment the first Redis is asked first: it says what the others become part of. */
static bool waits_for_first(const struct anchor *anchor, uint64_t now) {
  const struct gateway *gateway = anchor->gateway;
  const struct store *first = gateway->anchors[0].store;
  if (anchor->number == 0 || *gateway->cluster) return false;
  return first->ops->ready(first) || now - gateway->created_us < GATEWAY_PATIENCE_US;
}

static void check(struct anchor *anchor) {
  struct gateway *gateway = anchor->gateway;
  struct store_deployment told = {.partitions = gateway->config.partitions};
  if (gateway->n_anchors > 1) memcpy(told.cluster, gateway->cluster, sizeof told.cluster);
  move(anchor, CHECKING);
  anchor->store->ops->init(anchor->store, told, on_checked, anchor);
}

static void open_id(struct anchor *anchor) {
  struct gateway *gateway = anchor->gateway;
  move(anchor, OPENING);
  anchor->identity = gateway->identity;
  memcpy(anchor->opening, gateway->id, sizeof anchor->opening);
  anchor->store->ops->gateway_open(anchor->store, gateway->id, anchor->opened || anchor->unsure, gateway->address,
                                   gateway->config.ttl_ms, on_opened, anchor);
}

/* ---- what comes from elsewhere ---- */

/* In the other states a call is outstanding, which is answered STORE_LOST and leads to WAITING by itself. */
static void on_ready(void *arg, bool ready) {
  struct anchor *anchor = arg;
  struct gateway *gateway = anchor->gateway;
  if (ready) return;
  log_limited(gateway->log, &gateway->trouble_limit, LOG_LEVEL_WARN, "redis_lost", F_S("gateway", gateway->id),
              F_U("shard", anchor->number));
  if (anchor->state == RUNNING || anchor->state == OPENABLE) wait_and_retry(anchor, 0);
}

static bool on_uplink_alive(void *arg, uint64_t conn) {
  const struct anchor *anchor = arg;
  const struct sessions *sessions = anchor->gateway->sessions;
  const struct guests *guests = &sessions->guests;
  if (conn >= GUEST_FIRST) return guests->alive && guests->alive(guests->arg, conn);
  return sessions_find(anchor->gateway->sessions, conn) != NULL;
}

static void on_uplink_busy(void *arg, const struct ticket *ticket) {
  struct anchor *anchor = arg;
  sessions_busy(anchor->gateway->sessions, ticket);
}

static void on_uplink_trouble(void *arg, enum uplink_trouble trouble) {
  struct anchor *anchor = arg;
  if (trouble == UPLINK_BROKEN) anchor->broken_until_us = clock_us(anchor) + BROKEN_US;
  if (anchor->state != RUNNING) return; /* found out by opening again */
  if (trouble == UPLINK_GONE) {
    gateway_give_up_id(anchor->gateway, true, "an append was refused");
  } else if (trouble == UPLINK_BROKEN) {
    gateway_give_up_id(anchor->gateway, true, "an append failed half-way");
    anchor->suspect = true;
  } else {
    wait_and_retry(anchor, 0);
  }
}

/* In the other states: found out by opening again, or told again. */
static void on_downlink_trouble(void *arg, enum downlink_trouble trouble) {
  struct anchor *anchor = arg;
  if (anchor->state != RUNNING) return;
  if (trouble == DOWNLINK_GONE) {
    gateway_give_up_id(anchor->gateway, false, "its stream is gone");
  } else { /* who comes back gets what he missed, or a snapshot */
    gateway_give_up_id(anchor->gateway, true, "an entry of its stream cannot be decoded");
  }
}

static void on_renewed(void *arg, enum store_result result) {
  struct anchor *anchor = arg;
  struct gateway *gateway = anchor->gateway;
  anchor->renewing = false;
  if (anchor->state != RUNNING || anchor->renew_identity != gateway->identity) return;
  anchor->renew_failed = result != STORE_OK;
  if (result == STORE_OK) {
    anchor->renewed_at_us = clock_us(anchor);
  } else if (result == STORE_GONE) {
    gateway_give_up_id(gateway, false, "a renewal was refused");
  } else {
    anchor->renew_at_us = clock_us(anchor) + RETRY_US;
    log_limited(gateway->log, &gateway->trouble_limit, LOG_LEVEL_WARN, "renew_failed",
                F_S("result", store_result_name(result)), F_U("shard", anchor->number));
  }
}

static void on_closed(void *arg, enum store_result result) {
  struct anchor *anchor = arg;
  if (anchor->state != CLOSING) return;
  log_info(anchor->gateway->log, "gateway_closed", F_S("gateway", anchor->gateway->id),
           F_S("result", store_result_name(result)));
  move(anchor, FINISHED);
}

/* ---- life ---- */

void anchor_init(struct anchor *anchor, struct gateway *gateway, struct store *store, uint32_t number) {
  const struct gateway_config *config = &gateway->config;
  *anchor = (struct anchor){.gateway = gateway, .store = store, .number = number};
  anchor->uplink = uplink_create(
      store,
      &(struct uplink_config){.partitions = config->partitions,
                              .max_entries = config->partition_entries,
                              .max_bytes = config->partition_bytes,
                              .pace_us =
                                  config->pace_us / 2, /* an append is cheap, and every command waits for one */
                              .failpoints = config->failpoints},
      &(struct uplink_handler){
          .alive = on_uplink_alive, .busy = on_uplink_busy, .trouble = on_uplink_trouble, .arg = anchor},
      gateway->metrics, gateway->log);
  anchor->downlink = downlink_create(store,
                                     &(struct downlink_config){.pace_us = config->pace_us,
                                                               .failpoints = config->failpoints,
                                                               .trouble = on_downlink_trouble,
                                                               .arg = anchor},
                                     gateway->sessions, anchor->uplink, gateway->metrics, gateway->log);
  store->on_ready = on_ready;
  store->on_ready_arg = anchor;
}

void anchor_close(struct anchor *anchor) {
  downlink_destroy(anchor->downlink);
  uplink_destroy(anchor->uplink);
}

void anchor_forget(struct anchor *anchor) {
  struct gateway *gateway = anchor->gateway;
  uplink_reset(anchor->uplink);
  downlink_stop(anchor->downlink);
  if (gateway->close && anchor->opened && anchor->store->ops->ready(anchor->store)) {
    anchor->store->ops->gateway_close(anchor->store, gateway->id, on_old_id_closed, anchor);
  }
  if (anchor->suspect) { /* what broke one append may break all, while opening works: ids must not be used up */
    if (anchor->state == RUNNING) move(anchor, WAITING);
    anchor->retry_at_us = anchor->opened_at_us + RETRY_US;
  }
  anchor->suspect = false;
  if (anchor->state == RUNNING) move(anchor, OPENABLE);
}

/* ---- turns ---- */

/* Opening waits for the append in flight: until it is answered, the numbers to compare with may still change. */
void anchor_go_on(struct anchor *anchor, uint64_t now) {
  struct gateway *gateway = anchor->gateway;
  bool ready = anchor->store->ops->ready(anchor->store);
  switch (anchor->state) {
  case WAITING:
    if (ready && now >= anchor->retry_at_us && !waits_for_first(anchor, now)) check(anchor);
    break;
  case OPENABLE:
    if (!ready) {
      wait_and_retry(anchor, 0);
    } else if (!uplink_in_flight(anchor->uplink) && (anchor->opened || !gateway->draining)) {
      open_id(anchor);
    }
    break;
  case RUNNING:
    if (now >= anchor->renew_at_us && !anchor->renewing) {
      anchor->renewing = true;
      anchor->renew_identity = gateway->identity;
      anchor->renew_at_us = now + gateway->config.ttl_ms * 1000 / 3;
      anchor->store->ops->gateway_renew(anchor->store, gateway->id, anchor->generation, gateway->config.ttl_ms,
                                        on_renewed, anchor);
    }
    break;
  default: break;
  }
}

static uint64_t until(uint64_t at, uint64_t now) {
  return at > now ? at - now : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

uint64_t anchor_wait_us(struct anchor *anchor, uint64_t now) {
  uint64_t wait = GATEWAY_NEVER;
  bool ready = anchor->store->ops->ready(anchor->store);
  if (anchor->opened && anchor->state != CLOSING && anchor->state != FINISHED) {
    wait = least(uplink_flush(anchor->uplink, now), downlink_turn(anchor->downlink, now));
  }
  if (anchor->state == RUNNING && !anchor->renewing) wait = least(wait, until(anchor->renew_at_us, now));
  if (anchor->state == WAITING && ready) {
    uint64_t at = anchor->retry_at_us;
    uint64_t first_us = anchor->gateway->created_us + GATEWAY_PATIENCE_US;
    if (waits_for_first(anchor, now) && at < first_us) at = first_us;
    wait = least(wait, at <= now && waits_for_first(anchor, now) ? GATEWAY_NEVER : until(at, now));
  }
  return wait;
}

/* ---- the end ---- */

static void close_id(struct anchor *anchor, uint64_t now) {
  downlink_stop(anchor->downlink);
  uplink_suspend(anchor->uplink);
  anchor->gateway->drain_until_us = now + CLOSE_WAIT_US;
  move(anchor, CLOSING);
  anchor->store->ops->gateway_close(anchor->store, anchor->gateway->id, on_closed, anchor);
}

/* With nothing left to tell an id is ended by its TTL as well as by us: Redis is not waited for to end it. */
bool anchor_drain(struct anchor *anchor, bool empty, bool late, uint64_t now) {
  bool in_time = true;
  if (anchor->state == CLOSING) {
    if (late) move(anchor, FINISHED);
  } else if (empty && (!anchor->store->ops->ready(anchor->store) || (!anchor->opened && anchor->state != OPENING))) {
    move(anchor, FINISHED);
  } else if (empty || late) {
    in_time = !late || (empty && anchor->state == RUNNING);
    if (anchor->state == RUNNING) {
      close_id(anchor, now);
    } else if (late) {
      move(anchor, FINISHED);
    }
  }
  return in_time;
}

const char *anchor_fault(const struct anchor *anchor, uint64_t now) {
  if (anchor->state != RUNNING || anchor->gateway->lost) {
    if (*anchor->message) return anchor->message;
    return anchor->store->ops->ready(anchor->store) ? "opening" : "not connected to Redis";
  }
  if (!downlink_is_reading(anchor->downlink)) return "not reading yet";
  if (downlink_is_refused(anchor->downlink)) return "Redis refuses to have its stream read";
  if (anchor->renew_failed || now - anchor->renewed_at_us > anchor->gateway->config.ttl_ms * 1000 / 2)
    return "Redis does not renew its id";
  if (uplink_is_broken(anchor->uplink) && now < anchor->broken_until_us)
    return "Redis failed half-way in what was sent to rooms";
  return NULL;
}
