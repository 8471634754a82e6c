/* See gateway/uplink.h. One lane per partition; a lane is empty, waiting (system, client), or has a frozen batch. */
#include "gateway/uplink.h"

#include "common/failpoint.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "proto/pb.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define RETRY_US 50000 /* after a refused system batch, a full Redis, or an answer that makes no sense */

struct lane {
  struct uplink_queue system; /* disconnected */
  struct uplink_queue client;
  struct uplink_queue frozen; /* the batch `number + 1`: sent and not yet settled, or about to be */
  size_t frozen_system;       /* so many of its first entries are system entries */
  uint64_t number;            /* of the last batch the partition took */
  uint64_t retry_at_us;       /* nothing is sent before; 0: at once */
  size_t orphans;             /* in `system`, roughly: counted from the last time it was empty */
};

struct uplink {
  struct store *store;
  struct uplink *const *all; /* of all shards, this one too; NULL: it is the only one */
  uint32_t shards;
  struct uplink_config config;
  struct uplink_handler handler;
  struct gateway_metrics *metrics;
  struct log *log;
  struct log_limit failure_limit;

  char gateway[64];
  uint64_t generation;
  bool running;

  bool in_flight;
  bool broken;      /* the last append failed half-way */
  bool forgotten;   /* the append in flight belongs to a state that was reset */
  uint64_t sent_us; /* when it left */
  struct pace pace;
  uint32_t *flight; /* owned; partitions of the append in flight, in its order */
  size_t n_flight;
  struct store_append *appends; /* owned; scratch of the same size */

  bool delay_drawn; /* the failpoint was asked about the next append */
  uint64_t hold_until_us;

  struct lane lanes[]; /* one per partition */
};

struct uplink *uplink_create(struct store *store, const struct uplink_config *config,
                             const struct uplink_handler *handler, struct gateway_metrics *metrics, struct log *log) {
  struct uplink *uplink = xcalloc(1, sizeof *uplink + config->partitions * sizeof uplink->lanes[0]);
  uplink->store = store;
  uplink->config = *config;
  uplink->pace.every_us = config->pace_us;
  uplink->handler = *handler;
  uplink->metrics = metrics;
  uplink->log = log;
  uplink->flight = xcalloc(config->partitions, sizeof *uplink->flight);
  uplink->appends = xcalloc(config->partitions, sizeof *uplink->appends);
  return uplink;
}

void uplink_destroy(struct uplink *uplink) {
  if (!uplink) return;
  for (uint32_t p = 0; p < uplink->config.partitions; p++) {
    uplink_queue_close(&uplink->lanes[p].system);
    uplink_queue_close(&uplink->lanes[p].client);
    uplink_queue_close(&uplink->lanes[p].frozen);
  }
  free(uplink->flight);
  free(uplink->appends);
  free(uplink);
}

/* ---- identity ---- */

void uplink_suspend(struct uplink *uplink) {
  uplink->running = false;
}

void uplink_reset(struct uplink *uplink) {
  uplink->running = false;
  uplink->forgotten = uplink->in_flight;
  for (uint32_t p = 0; p < uplink->config.partitions; p++) {
    struct lane *lane = &uplink->lanes[p];
    uplink_queue_clear(&lane->system);
    uplink_queue_clear(&lane->client);
    uplink_queue_clear(&lane->frozen);
    lane->frozen_system = lane->orphans = 0;
    lane->number = lane->retry_at_us = 0;
  }
}

void uplink_open(struct uplink *uplink, const char *gateway, uint64_t generation, const uint64_t *numbers, size_t n) {
  snprintf(uplink->gateway, sizeof uplink->gateway, "%s", gateway);
  uplink->generation = generation;
  for (uint32_t p = 0; p < uplink->config.partitions; p++) uplink->lanes[p].number = p < n ? numbers[p] : 0;
  uplink->running = true;
}

bool uplink_resume(struct uplink *uplink, uint64_t generation, const uint64_t *numbers, size_t n) {
  assert(!uplink->in_flight);
  if (n != uplink->config.partitions) return false;
  for (uint32_t p = 0; p < n; p++) {
    struct lane *lane = &uplink->lanes[p];
    bool frozen = uplink_queue_count(&lane->frozen) > 0;
    if (numbers[p] != lane->number && !(frozen && numbers[p] == lane->number + 1)) return false;
  }
  for (uint32_t p = 0; p < n; p++) {
    struct lane *lane = &uplink->lanes[p];
    if (numbers[p] == lane->number) continue; /* what is frozen was not taken and goes out again */
    lane->number = numbers[p];
    uplink_queue_clear(&lane->frozen);
  }
  uplink->generation = generation;
  uplink->running = true;
  return true;
}

/* ---- pushing ---- */

void uplink_join(struct uplink *uplink, struct uplink *const *all, uint32_t shards) {
  uplink->all = all;
  uplink->shards = shards;
}

static struct lane *lane_of(struct uplink *uplink, const char *room) {
  uint32_t partition = room_partition(room, strlen(room), uplink->config.partitions);
  struct uplink *of = uplink->all ? uplink->all[partition % uplink->shards] : uplink;
  return &of->lanes[partition];
}

bool uplink_push(struct uplink *uplink, const Heya__Bus__Entry *entry) {
  struct uplink_queue *queue = &lane_of(uplink, entry->room)->client;
  if (uplink_queue_count(queue) >= uplink->config.max_entries) return false;
  if (uplink_queue_bytes(queue) + uplink_entry_size(entry) > uplink->config.max_bytes) return false;
  uplink_queue_add(queue, entry);
  uplink->metrics->commands++;
  return true;
}

static void push_system(struct uplink *uplink, const char *room, uint64_t conn, uint32_t attempt,
                        const char *player) {
  Heya__Bus__Disconnected disconnected = HEYA__BUS__DISCONNECTED__INIT;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  entry.room = pb_text(room);
  entry.conn = conn;
  entry.attempt = attempt;
  entry.player = pb_text(player);
  entry.body_case = HEYA__BUS__ENTRY__BODY_DISCONNECTED;
  entry.disconnected = &disconnected;
  uplink_queue_add(&lane_of(uplink, room)->system, &entry);
  uplink->metrics->disconnects++;
}

void uplink_push_disconnected(struct uplink *uplink, const char *room, uint64_t conn, uint32_t attempt,
                              const char *player) {
  push_system(uplink, room, conn, attempt, player);
}

static bool is_waiting_orphan(const struct uplink_queue *queue, const char *room, uint64_t conn) {
  size_t count = uplink_queue_count(queue);
  for (size_t i = count; i-- > 0 && count - i <= UPLINK_ORPHANS;) {
    const struct ticket *ticket = uplink_queue_ticket(queue, i);
    if (ticket->conn == conn && ticket->attempt == UPLINK_ANY_ATTEMPT && strcmp(ticket->room, room) == 0) return true;
  }
  return false;
}

void uplink_push_orphan(struct uplink *uplink, const char *room, uint64_t conn) {
  struct lane *lane = lane_of(uplink, room);
  if (uplink_queue_count(&lane->system) == 0) lane->orphans = 0;
  if (lane->orphans >= UPLINK_ORPHANS || is_waiting_orphan(&lane->system, room, conn)) return;
  lane->orphans++;
  push_system(uplink, room, conn, UPLINK_ANY_ATTEMPT, "");
}

/* ---- answers ---- */

static void answer_busy(struct uplink *uplink, const struct uplink_queue *queue, size_t from) {
  for (size_t i = from; i < uplink_queue_count(queue); i++) {
    uplink->handler.busy(uplink->handler.arg, uplink_queue_ticket(queue, i));
  }
}

/* The partition did not take the batch, its number is not used up: it is full, or so is Redis, or Redis's clock was
 * set back behind what the partition has processed, which may last for long. Clients hear of it, system entries stay
 * frozen as a batch of their own, which may use the reserve. When even that is refused, waiting clients have no
 * better chance.
 */
static void lane_busy(struct uplink *uplink, struct lane *lane, uint64_t now_us, bool pause) {
  bool system_only = uplink_queue_count(&lane->frozen) == lane->frozen_system;
  answer_busy(uplink, &lane->frozen, lane->frozen_system);
  uplink_queue_truncate(&lane->frozen, lane->frozen_system);
  if (system_only || pause) {
    answer_busy(uplink, &lane->client, 0);
    uplink_queue_clear(&lane->client);
    lane->retry_at_us = now_us + RETRY_US;
  }
}

static void lane_taken(struct lane *lane) {
  lane->number++;
  lane->frozen_system = 0;
  uplink_queue_clear(&lane->frozen);
}

/* True when a verdict leaves a doubt. */
static bool settle(struct uplink *uplink, const enum store_append_verdict *verdicts, uint64_t now_us) {
  bool doubt = false;
  for (size_t i = 0; i < uplink->n_flight; i++) {
    struct lane *lane = &uplink->lanes[uplink->flight[i]];
    switch (verdicts[i]) {
    case STORE_APPENDED: lane_taken(lane); break;
    case STORE_BUSY: lane_busy(uplink, lane, now_us, false); break;
    case STORE_VANISHED:
      lane->number++;
      lane_busy(uplink, lane, now_us, false);
      break;
    case STORE_BEHIND:
      lane_busy(uplink, lane, now_us, true);
      log_limited(uplink->log, &uplink->failure_limit, LOG_LEVEL_ERROR, "append_clock_behind",
                  F_U("partition", uplink->flight[i]));
      break;
    case STORE_REFUSED:
      lane->retry_at_us = now_us + RETRY_US;
      doubt = true;
      log_limited(uplink->log, &uplink->failure_limit, LOG_LEVEL_ERROR, "append_refused",
                  F_U("partition", uplink->flight[i]), F_U("number", lane->number + 1));
      break;
    }
  }
  return doubt;
}

static void trouble(struct uplink *uplink, enum uplink_trouble what) {
  uplink->running = false;
  uplink->handler.trouble(uplink->handler.arg, what);
}

static void on_appended(void *arg, enum store_result result, const enum store_append_verdict *verdicts, size_t n) {
  struct uplink *uplink = arg;
  uint64_t now_us = uplink->store->ops->monotonic_us(uplink->store);
  bool forgotten = uplink->forgotten;
  uplink->in_flight = uplink->forgotten = false;
  if (now_us > uplink->sent_us) metric_observe_us(&uplink->metrics->append_time, now_us - uplink->sent_us);
  if (result != STORE_LOST) uplink->broken = result == STORE_BROKEN;
  if (forgotten) return;
  if (result == STORE_OK && n == uplink->n_flight) {
    if (settle(uplink, verdicts, now_us)) trouble(uplink, UPLINK_DOUBT);
    return;
  }
  uplink->metrics->append_failures++;
  log_limited(uplink->log, &uplink->failure_limit, LOG_LEVEL_WARN, "append_failed",
              F_S("result", store_result_name(result)));
  switch (result) {
  case STORE_FULL:
  case STORE_FAILED: /* nothing took effect */
    for (size_t i = 0; i < uplink->n_flight; i++) {
      lane_busy(uplink, &uplink->lanes[uplink->flight[i]], now_us, true);
    }
    break;
  case STORE_LOST: trouble(uplink, UPLINK_DOUBT); break;
  case STORE_BROKEN:
    /* It may have left an entry in a stream without its number: sending it again could double it, so the id is given
     * up; clients come back by another and their rooms tell what was applied. */
    trouble(uplink, UPLINK_BROKEN);
    break;
  default: trouble(uplink, UPLINK_GONE);
  }
}

/* ---- flushing ---- */

static bool is_alive(void *arg, const struct ticket *ticket) {
  struct uplink *uplink = arg;
  return uplink->handler.alive(uplink->handler.arg, ticket->conn);
}

/* Makes a batch of what waits unless there is one already; false when there is nothing to send. */
static bool freeze(struct uplink *uplink, struct lane *lane) {
  if (uplink_queue_count(&lane->frozen) > 0) return true;
  uplink_queue_move(&lane->system, &lane->frozen, UPLINK_BATCH_ENTRIES, UPLINK_BATCH_BYTES, NULL, NULL);
  lane->frozen_system = uplink_queue_count(&lane->frozen);
  uplink_queue_move(&lane->client, &lane->frozen, UPLINK_BATCH_ENTRIES, UPLINK_BATCH_BYTES, is_alive, uplink);
  return uplink_queue_count(&lane->frozen) > 0;
}

static bool lane_has_work(const struct lane *lane) {
  return uplink_queue_count(&lane->frozen) || uplink_queue_count(&lane->system) || uplink_queue_count(&lane->client);
}

/* Earliest time at which a lane with work may send; UPLINK_NEVER when none has any. */
static uint64_t due_us(const struct uplink *uplink) {
  uint64_t due = UPLINK_NEVER;
  for (uint32_t p = 0; p < uplink->config.partitions; p++) {
    const struct lane *lane = &uplink->lanes[p];
    if (lane_has_work(lane) && lane->retry_at_us < due) due = lane->retry_at_us;
  }
  return due;
}

static void collect(struct uplink *uplink, uint64_t now_us) {
  uplink->n_flight = 0;
  for (uint32_t p = 0; p < uplink->config.partitions; p++) {
    struct lane *lane = &uplink->lanes[p];
    if (lane->retry_at_us > now_us || !freeze(uplink, lane)) continue;
    lane->retry_at_us = 0;
    uplink->appends[uplink->n_flight] =
        (struct store_append){.partition = p,
                              .number = lane->number + 1,
                              .system = uplink_queue_count(&lane->frozen) == lane->frozen_system,
                              .batch = buf_bytes(&lane->frozen.bytes)};
    uplink->flight[uplink->n_flight++] = p;
  }
}

uint64_t uplink_flush(struct uplink *uplink, uint64_t now_us) {
  if (!uplink->running || uplink->in_flight) return UPLINK_NEVER;
  uint64_t due = due_us(uplink);
  if (due == UPLINK_NEVER) return UPLINK_NEVER;
  if (due > now_us) return due - now_us;
  if (pace_wait_us(&uplink->pace, now_us)) return pace_wait_us(&uplink->pace, now_us);
  if (!uplink->delay_drawn) {
    uplink->hold_until_us = now_us + failpoint_delay_us(uplink->config.failpoints, "gateway.append");
    uplink->delay_drawn = true;
  }
  if (uplink->hold_until_us > now_us) return uplink->hold_until_us - now_us;

  collect(uplink, now_us);
  if (uplink->n_flight == 0) { /* all of it was of connections that are gone */
    due = due_us(uplink);
    return due == UPLINK_NEVER ? UPLINK_NEVER : due > now_us ? due - now_us : 0;
  }
  (void)failpoint_hit(uplink->config.failpoints, "gateway.append"); /* crash; errors are injected in the store */
  uplink->delay_drawn = false;
  uplink->in_flight = true;
  uplink->sent_us = now_us;
  pace_begin(&uplink->pace, now_us);
  uplink->metrics->appends++;
  uplink->metrics->append_batches += uplink->n_flight;
  uplink->store->ops->append(uplink->store, uplink->gateway, uplink->generation, uplink->appends, uplink->n_flight,
                             on_appended, uplink);
  return UPLINK_NEVER;
}

bool uplink_in_flight(const struct uplink *uplink) {
  return uplink->in_flight;
}

bool uplink_is_broken(const struct uplink *uplink) {
  return uplink->broken;
}

bool uplink_is_idle(const struct uplink *uplink) {
  return !uplink->in_flight && due_us(uplink) == UPLINK_NEVER;
}
