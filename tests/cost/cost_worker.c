/* The worker's paths: a batch with one chat line is applied, and what came of it is made a commit. */
#include "tests/cost/cost.h"

#include "common/store_commit.h"
#include "proto/bus.pb-c.h"
#include "proto/codec.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/pb.h"
#include "worker/kinds/registry.h"
#include "worker/partition.h"
#include "worker/record.h"
#include "worker/worker_metrics.h"

#include <stdio.h>

#define ROOM    "chat/kitchen"
#define MEMBERS 4
#define LINE    "0123456789abcdef0123456789abcdef"

struct stage {
  struct kind_registry kinds;
  struct worker_metrics metrics;
  struct partition partition;
  struct buf line; /* a batch with one */
  uint64_t now_ms;
};

/* Appends a batch with this entry of member `who`. Two gateways have half of the members each. */
static void pack_entry(struct buf *out, unsigned who, Heya__Bus__Entry *entry) {
  char player[8];
  Heya__Bus__Batch batch = HEYA__BUS__BATCH__INIT;
  snprintf(player, sizeof player, "p%u", who);
  entry->room = pb_text(ROOM);
  entry->player = player;
  entry->conn = who + 1;
  entry->attempt = 1;
  batch.n_entries = 1;
  batch.entries = &entry;
  size_t size = heya__bus__batch__get_packed_size(&batch);
  heya__bus__batch__pack(&batch, buf_reserve(out, size));
  out->len += size;
}

static void pack_join(struct buf *out, unsigned who) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  Heya__Kinds__Chat__Options options = HEYA__KINDS__CHAT__OPTIONS__INIT;
  uint8_t data[8];
  options.no_history = true;
  join.mode = HEYA__BUS__MODE__JOIN_OR_CREATE;
  join.options = pb_bytes(bytes_of(data, heya__kinds__chat__options__pack(&options, data)));
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.join = &join;
  pack_entry(out, who, &entry);
}

static void pack_line(struct buf *out, unsigned who) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Command command = HEYA__BUS__COMMAND__INIT;
  Heya__Kinds__Chat__Command body = HEYA__KINDS__CHAT__COMMAND__INIT;
  Heya__Kinds__Chat__Say say = HEYA__KINDS__CHAT__SAY__INIT;
  uint8_t data[64];
  say.text = pb_text(LINE);
  body.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  body.say = &say;
  command.payload = pb_bytes(bytes_of(data, heya__kinds__chat__command__pack(&body, data)));
  entry.request = 7;
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.command = &command;
  pack_entry(out, who, &entry);
}

static void consume(struct stage *stage, unsigned who, struct bytes batch) {
  partition_consume(&stage->partition, &(struct store_entry){.id = {++stage->now_ms, 0},
                                                             .sender = bytes_of_str(who % 2 ? "g-2" : "g-1"),
                                                             .batch = batch});
}

/* What a commit does when it is sent. */
static void forget(struct stage *stage) {
  struct effects *effects = &stage->partition.effects;
  for (size_t i = 0; i < effects->n_changed; i++) room_changes_clear(effects->changed[i]);
  effects_clear(effects);
}

/* Four are in the room, and nothing waits. */
static void open_stage(struct stage *stage) {
  *stage = (struct stage){.now_ms = 1700000000000u};
  kind_registry_init(&stage->kinds);
  stage->partition = (struct partition){.kinds = &stage->kinds, .metrics = &stage->metrics};
  partition_open(&stage->partition, 1, (struct stream_id){0});
  for (unsigned who = 0; who < MEMBERS; who++) {
    struct buf join = {0};
    pack_join(&join, who);
    consume(stage, who, buf_bytes(&join));
    buf_close(&join);
  }
  forget(stage);
  pack_line(&stage->line, 0);
}

static void close_stage(struct stage *stage) {
  buf_close(&stage->line);
  partition_close(&stage->partition);
}

static void apply(size_t n) {
  struct stage stage;
  open_stage(&stage);
  uint64_t sent = stage.metrics.entries;
  for (size_t i = 0; i < n; i++) {
    consume(&stage, 0, buf_bytes(&stage.line));
    COST_CHECK(stage.partition.effects.n_changed == 1);
    forget(&stage);
  }
  COST_CHECK(stage.metrics.entries == sent + n);
  close_stage(&stage);
}

/* The deliveries are counted in `apply`, where they are encoded. */
static void commit(size_t n) {
  static const struct store_commit_terms terms = {
      .prefix = "heya:", .gateway_entries = 100000, .gateway_bytes = 1 << 28, .log_max = 256};
  struct stage stage;
  struct arena frozen;
  struct redis_args args = {0};
  open_stage(&stage);
  arena_init(&frozen, 65536, ARENA_NO_LIMIT);
  consume(&stage, 0, buf_bytes(&stage.line));
  struct effects *effects = &stage.partition.effects;
  for (size_t i = 0; i < n; i++) {
    struct commit_room room;
    struct commit_segment segment = {.epoch = 1, .done = stage.partition.cursor, .rooms = &room, .n_rooms = 1};
    record_room(effects->changed[0], &frozen, &room);
    COST_CHECK(room.n_log == 1);
    store_commit_flatten(&(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}, &terms, &args);
    arena_reset(&frozen);
    arena_reset(&effects->scratch);
  }
  redis_args_close(&args);
  arena_close(&frozen);
  close_stage(&stage);
}

static void decode(size_t n) {
  struct stage stage;
  struct arena arena;
  open_stage(&stage);
  arena_init(&arena, 65536, ARENA_NO_LIMIT);
  for (size_t i = 0; i < n; i++) {
    ProtobufCMessage *message;
    COST_CHECK(codec_unpack(&codec_limits_internal, &heya__bus__batch__descriptor, &arena, stage.line.data,
                            stage.line.len, &message) == CODEC_OK);
    arena_reset(&arena);
  }
  arena_close(&arena);
  close_stage(&stage);
}

const struct cost_path cost_worker_paths[] = {
    {"decode", "a batch with one command is decoded and checked", decode},
    {"apply", "a batch with a chat line for a room of four, whose members two gateways have", apply},
    {"commit", "the record of that room, and its place in the call", commit},
    {NULL, NULL, NULL},
};
