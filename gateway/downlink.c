/* See gateway/downlink.h.
 *
 * What a delivery may meet, and why it is handled as it is. A room's owner sees joins, leaves and disconnects of one
 * connection in the order in which it sent them, and its deliveries arrive here in the order of its decisions.
 *
 * - ATTACHED n. Joins older than n of this room are over: the owner decided about them before. Their records go, so
 *   that closing sends one `disconnected` and it is for n. If there is no record of n (it cannot be, short of a
 * fault), the owner believes in the binding all the same, so a record is made and closing will tell him.
 * - DETACHED n. Only the record of n goes. The client may have sent leave (n) and then join (n + 1) without waiting:
 *   Left comes with DETACHED n while n + 1 is on its way in. The same when n was replaced by another connection of
 * the player, and this one has asked to come in again.
 * - A message for a connection that is in no such room here. Passed on: it can be the answer to a command that was
 *   under way when the connection was detached (STALE, ROOM_NOT_FOUND), and its client waits for it. Events cannot
 *   come after DETACHED, and if one did a client ignores rooms it is not in.
 * - A connection that does not exist. Its `disconnected` was pushed when it closed and is on its way or will be
 *   retried; the room has not seen it yet, or somebody lost it. It is said again, for any attempt, since the number
 * is never used again. For a connection whose join was forgotten unsent, the room ignores it.
 * - A delivery for an older gateway id. That id's stream is not read any more; answers to reads of it are dropped.
 *   Connection numbers are not reused across ids, so nothing could reach the wrong one.
 */
#include "gateway/downlink.h"

#include "common/failpoint.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session.h"
#include "gateway/uplink.h"
#include "proto/bus.pb-c.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

#define ARENA_FIRST_BYTES 65536
#define ARENA_BYTES       (256u << 20) /* for one stream entry, which a commit may make several megabytes long */
#define FORMATS           2
#define RETRY_US          200000 /* after a failed read */
#define LOST_RETRY_US     10000  /* after a lost one, if the store is ready again by then */

struct downlink {
  struct store *store;
  struct downlink_config config;
  struct sessions *sessions;
  struct uplink *uplink;
  struct gateway_metrics *metrics;
  struct log *log;
  struct log_limit fault_limit;

  char gateway[64];
  bool running;
  bool answered;          /* a read of this id was */
  bool refused;           /* the last one that was answered */
  bool reading;           /* a read is outstanding */
  bool forgotten;         /* it belongs to an older id */
  struct stream_id after; /* the last entry that was handed out */
  uint64_t retry_at_us;
  struct pace pace;
  struct arena arena; /* a stream entry */
  struct arena inner; /* a message being transcoded */
};

struct downlink *downlink_create(struct store *store, const struct downlink_config *config, struct sessions *sessions,
                                 struct uplink *uplink, struct gateway_metrics *metrics, struct log *log) {
  struct downlink *downlink = xcalloc(1, sizeof *downlink);
  downlink->store = store;
  downlink->config = *config;
  downlink->pace.every_us = config->pace_us;
  downlink->sessions = sessions;
  downlink->uplink = uplink;
  downlink->metrics = metrics;
  downlink->log = log;
  arena_init(&downlink->arena, ARENA_FIRST_BYTES, ARENA_BYTES);
  arena_init(&downlink->inner, ARENA_FIRST_BYTES, ARENA_BYTES);
  return downlink;
}

void downlink_destroy(struct downlink *downlink) {
  if (!downlink) return;
  arena_close(&downlink->arena);
  arena_close(&downlink->inner);
  free(downlink);
}

void downlink_stop(struct downlink *downlink) {
  downlink->running = downlink->answered = false;
  downlink->forgotten = downlink->reading;
  /* Or nothing of the next id could be read until Redis lets go of it. */
  if (downlink->reading) downlink->store->ops->read_wake(downlink->store);
}

void downlink_open(struct downlink *downlink, const char *gateway) {
  downlink_stop(downlink);
  snprintf(downlink->gateway, sizeof downlink->gateway, "%s", gateway);
  downlink->after = (struct stream_id){0, 0};
  downlink->retry_at_us = 0;
  downlink->running = true;
}

bool downlink_is_reading(const struct downlink *downlink) {
  return downlink->running && !downlink->forgotten && (downlink->reading || downlink->answered);
}

bool downlink_is_refused(const struct downlink *downlink) {
  return downlink->refused;
}

/* ---- one delivery ---- */

/* A delivery's message in each format, made when the first receiver of that format turns up. */
struct encoded {
  struct bytes message;
  struct frame *frames[FORMATS];
  bool tried[FORMATS];
};

static struct frame *transcode(struct downlink *downlink, struct bytes bytes) {
  ProtobufCMessage *message;
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__v1__server_message__descriptor,
                                          &downlink->inner, bytes.data, bytes.len, &message);
  struct frame *frame = NULL;
  if (result == CODEC_OK) {
    frame = sessions_encode(downlink->sessions, CONN_JSON, (const Heya__V1__ServerMessage *)message);
  } else {
    log_limited(downlink->log, &downlink->fault_limit, LOG_LEVEL_ERROR, "message_undecodable",
                F_S("why", codec_result_text(result)), F_U("bytes", bytes.len));
  }
  arena_reset(&downlink->inner);
  return frame;
}

static struct frame *frame_for(struct downlink *downlink, struct encoded *encoded, enum conn_format format) {
  if (!encoded->tried[format]) {
    encoded->tried[format] = true;
    if (format == CONN_JSON) {
      encoded->frames[format] = transcode(downlink, encoded->message);
    } else {
      encoded->frames[format] = downlink->sessions->output->frame_create(format, encoded->message);
      downlink->metrics->frames_encoded++;
    }
  }
  return encoded->frames[format];
}

/* False: the session has been told already what the message says. */
static bool attach(struct downlink *downlink, struct session *session, const Heya__Bus__Delivery *delivery) {
  struct gateway_metrics *metrics = downlink->metrics;
  bool removed = false;
  switch (delivery->attachment) {
  case HEYA__BUS__ATTACHMENT__ATTACHED:
    metrics->attached += attachments_confirm(&session->attachments, delivery->room, delivery->attempt);
    break;
  case HEYA__BUS__ATTACHMENT__DETACHED:
  case HEYA__BUS__ATTACHMENT__LOST:
    removed = attachments_remove(&session->attachments, delivery->room, delivery->attempt);
    if (removed) metrics->attached--;
    break;
  default: break;
  }
  return removed || delivery->attachment != HEYA__BUS__ATTACHMENT__LOST;
}

/* One who has gone meanwhile was told that it took too long. */
static void deliver_to_guest(const struct sessions *sessions, uint64_t number, struct bytes message) {
  if (sessions->guests.deliver) sessions->guests.deliver(sessions->guests.arg, number, message);
}

static void hand_out(struct downlink *downlink, const Heya__Bus__Delivery *delivery, bool has_room,
                     struct encoded *encoded) {
  for (size_t i = 0; i < delivery->n_conns; i++) {
    if (delivery->conns[i] >= GUEST_FIRST) {
      deliver_to_guest(downlink->sessions, delivery->conns[i], encoded->message);
      continue;
    }
    struct session *session = sessions_find(downlink->sessions, delivery->conns[i]);
    if (!session) {
      downlink->metrics->deliveries_unknown++;
      bool ends = delivery->attachment == HEYA__BUS__ATTACHMENT__DETACHED ||
                  delivery->attachment == HEYA__BUS__ATTACHMENT__LOST;
      if (has_room && !ends) {
        uplink_push_orphan(downlink->uplink, delivery->room, delivery->conns[i]);
      }
      continue;
    }
    if (session->ended) continue;
    if (has_room && !attach(downlink, session, delivery)) continue;
    if (encoded->message.len == 0) continue;
    struct frame *frame = frame_for(downlink, encoded, session->format);
    if (!frame) continue;
    downlink->sessions->output->send(session->conn, frame);
    downlink->metrics->delivered++;
  }
}

static void deliver(struct downlink *downlink, const Heya__Bus__Delivery *delivery) {
  struct room_id room;
  struct encoded encoded = {.message = bytes_of(delivery->message.data, delivery->message.len)};
  bool has_room = room_id_parse(delivery->room, strlen(delivery->room), &room);
  bool attaches = delivery->attachment != HEYA__BUS__ATTACHMENT__UNCHANGED;
  if (attaches && (!has_room || delivery->n_conns != 1)) {
    log_limited(downlink->log, &downlink->fault_limit, LOG_LEVEL_ERROR, "delivery_invalid",
                F_S("room", delivery->room), F_U("conns", delivery->n_conns));
    return;
  }
  downlink->metrics->deliveries++;
  hand_out(downlink, delivery, has_room, &encoded);
  for (size_t i = 0; i < FORMATS; i++) {
    if (encoded.frames[i]) downlink->sessions->output->frame_unref(encoded.frames[i]);
  }
}

/* ---- reading ---- */

/* False when it cannot be decoded. */
static bool take_entry(struct downlink *downlink, const struct store_delivery *entry) {
  if (stream_id_compare(entry->id, downlink->after) <= 0) return true;
  ProtobufCMessage *message;
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__bus__deliveries__descriptor,
                                          &downlink->arena, entry->deliveries.data, entry->deliveries.len, &message);
  if (result == CODEC_OK) {
    downlink->after = entry->id;
    downlink->metrics->delivery_entries++;
    const Heya__Bus__Deliveries *deliveries = (const Heya__Bus__Deliveries *)message;
    for (size_t i = 0; i < deliveries->n_deliveries; i++) deliver(downlink, deliveries->deliveries[i]);
  } else {
    downlink->metrics->delivery_entries_bad++;
    log_limited(downlink->log, &downlink->fault_limit, LOG_LEVEL_ERROR, "deliveries_undecodable",
                F_S("why", codec_result_text(result)), F_U("ms", entry->id.ms), F_U("seq", entry->id.seq),
                F_U("bytes", entry->deliveries.len));
  }
  arena_reset(&downlink->arena);
  return result == CODEC_OK;
}

static bool take_entries(struct downlink *downlink, const struct store_delivery *entries, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!take_entry(downlink, &entries[i])) return false;
  }
  return true;
}

static void trouble(struct downlink *downlink, enum downlink_trouble what, uint64_t now_us) {
  downlink->retry_at_us = now_us + RETRY_US;
  downlink->config.trouble(downlink->config.arg, what);
}

static void on_deliveries(void *arg, enum store_result result, const struct store_delivery *entries, size_t n) {
  struct downlink *downlink = arg;
  uint64_t now_us = downlink->store->ops->monotonic_us(downlink->store);
  bool forgotten = downlink->forgotten;
  downlink->reading = downlink->forgotten = false;
  if (forgotten) return;
  switch (result) {
  case STORE_OK:
    downlink->answered = true;
    downlink->refused = false;
    if (take_entries(downlink, entries, n)) {
      downlink->retry_at_us = now_us + failpoint_delay_us(downlink->config.failpoints, "gateway.read");
      pace_answered(&downlink->pace, now_us);
    } else {
      trouble(downlink, DOWNLINK_UNREADABLE, now_us);
    }
    break;
  case STORE_GONE: trouble(downlink, DOWNLINK_GONE, now_us); break;
  case STORE_LOST: /* nothing is trimmed that was not handed out, so reading on is all it takes */
    downlink->retry_at_us = now_us + LOST_RETRY_US;
    break;
  default:
    downlink->refused = true;
    log_limited(downlink->log, &downlink->fault_limit, LOG_LEVEL_ERROR, "read_failed",
                F_S("result", store_result_name(result)));
    downlink->retry_at_us = now_us + RETRY_US;
  }
}

uint64_t downlink_turn(struct downlink *downlink, uint64_t now_us) {
  if (!downlink->running || downlink->reading || !downlink->store->ops->ready(downlink->store)) return DOWNLINK_NEVER;
  if (downlink->retry_at_us > now_us) return downlink->retry_at_us - now_us;
  if (pace_wait_us(&downlink->pace, now_us)) return pace_wait_us(&downlink->pace, now_us);
  pace_begin(&downlink->pace, now_us);
  downlink->reading = true;
  downlink->store->ops->deliveries(downlink->store, downlink->gateway, downlink->after, DOWNLINK_BLOCK_MS,
                                   on_deliveries, downlink);
  return DOWNLINK_NEVER;
}
