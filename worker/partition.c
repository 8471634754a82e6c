/* Consuming a stream: decode, let time pass, apply, settle the rooms that were touched. */
#include "worker/partition.h"
#include "proto/codec.h"
#include "worker/apply.h"
#include "worker/image.h"
#include "worker/worker_metrics.h"
#include <stddef.h>
#include <stdio.h>

#define CONTAINER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void partition_open(struct partition *partition, uint64_t epoch, struct stream_id done) {
  effects_init(&partition->effects, partition->number, epoch);
  partition->effects.entry = done;
  partition->cursor = done;
  partition->time_asked_ms = 0;
}

void partition_close(struct partition *partition) {
  repository_close(&partition->repository);
  timers_close(&partition->rooms_due);
  timers_close(&partition->tombs_due);
  effects_close(&partition->effects);
}

void partition_forget(struct partition *partition, struct room *room) {
  struct effects *effects = &partition->effects;
  timers_set(&partition->rooms_due, &room->due, 0);
  for (size_t i = 0; i < effects->n_changed; i++) {
    if (effects->changed[i] != room) continue;
    effects->changed[i] = effects->changed[--effects->n_changed];
    break;
  }
  repository_remove(&partition->repository, room);
}

static void bury(struct partition *partition, const char *id, uint64_t until_ms) {
  struct tomb *tomb = repository_bury(&partition->repository, id, until_ms);
  timers_set(&partition->tombs_due, &tomb->due, until_ms);
}

void partition_settle(struct partition *partition, struct room *room) {
  if (!room_has_ended(room)) {
    timers_set(&partition->rooms_due, &room->due, room_next_due_ms(room));
    return;
  }
  if (room->derived) bury(partition, room->id, partition->effects.entry.ms + TOMB_MS);
  partition->metrics->rooms_ended++;
  partition_forget(partition, room);
}

/* The image cannot be used. One that is only foreign is left alone: whoever can read it shall find it. */
static void give_up(struct partition *partition, const struct room_id *id, const char *reason, bool foreign) {
  log_error(partition->log, foreign ? "room_sealed" : "room_unreadable", F_S("room", id->id), F_S("reason", reason));
  partition->metrics->rooms_unreadable++;
  if (foreign) {
    repository_bury(&partition->repository, id->id, 0)->sealed = true;
  } else {
    effects_ended(&partition->effects, id->id, id->kind, 0);
  }
}

void partition_load(struct partition *partition, const char *id, struct bytes image, uint64_t tomb_until_ms,
                    bool heal) {
  struct effects *effects = &partition->effects;
  struct room_id parsed;
  const char *reason;
  bool foreign;
  if (!room_id_parse(id, strlen(id), &parsed)) return;
  if (!image.data) {
    uint64_t until_ms = tomb_until_ms > TOMB_MARGIN_MS ? tomb_until_ms - TOMB_MARGIN_MS : 0;
    if (until_ms > effects->entry.ms) {
      bury(partition, id, until_ms);
    } else {
      effects_ended(effects, id, parsed.kind, 0);
    }
    return;
  }
  struct room *room = image_load(partition->kinds, effects, id, image, &reason, &foreign);
  arena_reset(&effects->scratch);
  if (!room) {
    give_up(partition, &parsed, reason, foreign);
    return;
  }
  repository_add(&partition->repository, room);
  if (heal) {
    room->changes.whole = true;
    room_touch(room);
  }
  partition_settle(partition, room);
}

static void let_time_pass(struct partition *partition) {
  uint64_t now_ms = partition->effects.entry.ms;
  struct timer_node *node;
  while ((node = timers_first(&partition->rooms_due)) && node->at_ms <= now_ms) {
    struct room *room = CONTAINER(struct room, due, node);
    room_fire(room);
    partition_settle(partition, room);
    arena_reset(&partition->effects.scratch);
  }
  while ((node = timers_first(&partition->tombs_due)) && node->at_ms <= now_ms) {
    struct tomb *tomb = CONTAINER(struct tomb, due, node);
    struct room_id id;
    timers_set(&partition->tombs_due, node, 0);
    if (room_id_parse(tomb->id, strlen(tomb->id), &id) && !repository_find(&partition->repository, tomb->id)) {
      effects_ended(&partition->effects, tomb->id, id.kind, 0);
    }
    repository_unbury(&partition->repository, tomb);
  }
}

static void refuse(struct partition *partition, const struct store_entry *entry, const char *reason) {
  partition->metrics->bad_entries++;
  log_limited(partition->log, &partition->bad_input, LOG_LEVEL_ERROR, "bad_entry",
              F_U("partition", partition->number), F_U("id_ms", entry->id.ms), F_U("id_seq", entry->id.seq),
              F_BYTES("sender", entry->sender), F_S("reason", reason));
}

static void apply_batch(struct partition *partition, const struct store_entry *entry) {
  struct effects *effects = &partition->effects;
  char sender[PROCESS_ID_MAX + 1];
  ProtobufCMessage *message;
  if (!process_id_is_valid(entry->sender.data, entry->sender.len)) {
    refuse(partition, entry, "bad sender");
    return;
  }
  snprintf(sender, sizeof sender, "%.*s", (int)entry->sender.len, (const char *)entry->sender.data);
  struct arena batch_arena;
  arena_init(&batch_arena, entry->batch.len * 4 + 1024, ARENA_NO_LIMIT);
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__bus__batch__descriptor, &batch_arena,
                                          entry->batch.data, entry->batch.len, &message);
  if (result == CODEC_OK) {
    const Heya__Bus__Batch *batch = (const Heya__Bus__Batch *)message;
    for (effects->index = 0; effects->index < batch->n_entries; effects->index++) {
      if (!apply_entry(partition, sender, batch->entries[effects->index])) refuse(partition, entry, "bad entry");
      arena_reset(&effects->scratch);
      partition->metrics->entries++;
    }
  } else {
    refuse(partition, entry, codec_result_text(result));
  }
  arena_close(&batch_arena);
}

void partition_consume(struct partition *partition, const struct store_entry *entry) {
  struct effects *effects = &partition->effects;
  if (stream_id_compare(entry->id, partition->cursor) <= 0) return;
  partition->cursor = entry->id;
  effects->entry = entry->id;
  effects->index = 0;
  effects->consumed_bytes += entry->batch.len;
  effects->moved = true;
  let_time_pass(partition);
  apply_batch(partition, entry);
}

bool partition_has(const struct partition *partition, const struct room_id *id) {
  return partition->partitions == 0 || room_partition(id->id, id->id_len, partition->partitions) == partition->number;
}

/* ---- asking for entries of its own ---- */

uint64_t partition_next_due_ms(const struct partition *partition) {
  const struct timer_node *room = timers_first(&partition->rooms_due);
  const struct timer_node *tomb = timers_first(&partition->tombs_due);
  if (!room || !tomb) return room ? room->at_ms : tomb ? tomb->at_ms : 0;
  return room->at_ms < tomb->at_ms ? room->at_ms : tomb->at_ms;
}

void partition_ask_time(struct partition *partition, uint64_t now_ms) {
  uint64_t due = partition_next_due_ms(partition);
  if (due == 0 || due > now_ms || partition->time_asked_ms) return;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Time time = HEYA__BUS__TIME__INIT;
  entry.body_case = HEYA__BUS__ENTRY__BODY_TIME;
  entry.time = &time;
  effects_append_own(&partition->effects, &entry);
  partition->time_asked_ms = due;
}

static void say_gone(struct partition *partition, struct outlet *outlet) {
  if (outlet->gone_said || outlet->bound == 0) return;
  outlet->gone_said = true;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__GatewayGone gone = HEYA__BUS__GATEWAY_GONE__INIT;
  gone.gateway = outlet->gateway;
  entry.body_case = HEYA__BUS__ENTRY__BODY_GATEWAY_GONE;
  entry.gateway_gone = &gone;
  effects_append_own(&partition->effects, &entry);
  log_info(partition->log, "gateway_gone", F_U("partition", partition->number), F_S("gateway", outlet->gateway),
           F_U("members", outlet->bound));
}

void partition_gateway_gone(struct partition *partition, const char *gateway) {
  for (size_t i = 0; i < partition->effects.n_outlets; i++) {
    struct outlet *outlet = partition->effects.outlets[i];
    if (strcmp(outlet->gateway, gateway) == 0) say_gone(partition, outlet);
  }
}

static bool is_among(const char *gateway, const char *const *living, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(gateway, living[i]) == 0) return true;
  }
  return false;
}

void partition_check_gateways(struct partition *partition, const char *const *living, size_t n, uint64_t now_ms) {
  for (size_t i = 0; i < partition->effects.n_outlets; i++) {
    struct outlet *outlet = partition->effects.outlets[i];
    /* A gateway that appended something before the view was taken was alive then or before; if the view does not know
     * it, it has died since, and for good. One that came later is not judged by this view. */
    if (outlet->last_bound_ms < now_ms && !is_among(outlet->gateway, living, n)) say_gone(partition, outlet);
  }
}
