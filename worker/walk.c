/* Decode, let time pass, apply. */
#include "worker/walk.h"
#include "proto/codec.h"
#include "worker/apply.h"
#include "worker/worker_metrics.h"
#include <stdio.h>

static const Heya__Bus__Batch no_batch = HEYA__BUS__BATCH__INIT;

static void refuse(struct partition *partition, struct bytes sender, const char *reason) {
  struct stream_id id = partition->effects.entry;
  partition->metrics->bad_entries++;
  log_limited(partition->log, &partition->bad_input, LOG_LEVEL_ERROR, "bad_entry",
              F_U("partition", partition->number), F_U("id_ms", id.ms), F_U("id_seq", id.seq),
              F_BYTES("sender", sender), F_S("reason", reason));
}

static void unpack(struct walk *walk, const struct store_entry *entry) {
  ProtobufCMessage *message;
  if (!process_id_is_valid(entry->sender.data, entry->sender.len)) {
    refuse(walk->partition, entry->sender, "bad sender");
    return;
  }
  snprintf(walk->sender, sizeof walk->sender, "%.*s", (int)entry->sender.len, (const char *)entry->sender.data);
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__bus__batch__descriptor, &walk->arena,
                                          entry->batch.data, entry->batch.len, &message);
  if (result == CODEC_OK) {
    walk->batch = (const Heya__Bus__Batch *)message;
  } else {
    refuse(walk->partition, entry->sender, codec_result_text(result));
  }
}

bool walk_begin(struct walk *walk, struct partition *partition, const struct store_entry *entry) {
  struct effects *effects = &partition->effects;
  if (stream_id_compare(entry->id, partition->cursor) <= 0) return false;
  partition->cursor = entry->id;
  effects->entry = entry->id;
  effects->index = 0;
  effects->ids_made = 0;
  effects->consumed_bytes += entry->batch.len;
  effects->moved = true;
  partition_let_tombs_pass(partition);
  walk->partition = partition;
  walk->batch = &no_batch;
  walk->time_has_passed = false;
  arena_init(&walk->arena, entry->batch.len * 4 + 1024, ARENA_NO_LIMIT);
  unpack(walk, entry);
  return true;
}

static struct room *room_due(const struct walk *walk) {
  return walk->time_has_passed ? NULL : partition_room_due(walk->partition);
}

const char *walk_room(const struct walk *walk) {
  const struct room *due = room_due(walk);
  uint32_t next = walk->partition->effects.index;
  if (due) return due->id;
  return next < walk->batch->n_entries ? walk->batch->entries[next]->room : NULL;
}

void walk_step(struct walk *walk) {
  struct partition *partition = walk->partition;
  struct effects *effects = &partition->effects;
  struct room *due = room_due(walk);
  if (due) {
    partition_fire(partition, due);
    return;
  }
  walk->time_has_passed = true; /* what the batch sets for now waits for the next entry */
  if (!apply_entry(partition, walk->sender, walk->batch->entries[effects->index])) {
    refuse(partition, bytes_of_str(walk->sender), "bad entry");
  }
  arena_reset(&effects->scratch);
  effects->index++;
  partition->metrics->entries++;
}

void walk_end(struct walk *walk) {
  arena_close(&walk->arena);
}
