/* See tests/support/partition_bench.h. */
#include "tests/support/partition_bench.h"

#include "common/mem.h"
#include "proto/codec.h"
#include "proto/image.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/pb.h"
#include "worker/record.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define PUSH(array, n) ((array) = xrealloc((array), ((n) + 1) * sizeof *(array)), &(array)[(n)++])

void bench_open(struct bench *bench) {
  *bench = (struct bench){.epoch = 7, .partition = {.number = 3}};
  kind_registry_init(&bench->kinds);
  arena_init(&bench->arena, 65536, ARENA_NO_LIMIT);
  bench->partition.kinds = &bench->kinds;
  bench->partition.metrics = &bench->metrics;
  partition_open(&bench->partition, bench->epoch, bench->done);
}

/* ---- hashes ---- */

static struct bench_pair *pair_of(const struct bench_hash *hash, struct bytes name) {
  for (size_t i = 0; i < hash->n; i++) {
    if (bytes_equal_str(name, hash->pairs[i].name)) return &hash->pairs[i];
  }
  return NULL;
}

static void pair_close(struct bench_pair *pair) {
  free(pair->name);
  buf_close(&pair->value);
}

static void hash_close(struct bench_hash *hash) {
  for (size_t i = 0; i < hash->n; i++) pair_close(&hash->pairs[i]);
  free(hash->pairs);
  *hash = (struct bench_hash){0};
}

static void hash_write(struct bench_hash *hash, const struct commit_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    struct bench_pair *pair = pair_of(hash, fields[i].name);
    if (pair && !fields[i].value.data) {
      pair_close(pair);
      *pair = hash->pairs[--hash->n];
      continue;
    }
    if (!fields[i].value.data) continue;
    if (!pair) {
      pair = PUSH(hash->pairs, hash->n);
      *pair = (struct bench_pair){.name = xmemdup(fields[i].name.data, fields[i].name.len)};
    }
    buf_clear(&pair->value);
    buf_append_bytes(&pair->value, fields[i].value);
  }
}

const char *bench_text(const struct bench_hash *hash, const char *name) {
  struct bench_pair *pair = pair_of(hash, bytes_of_str(name));
  return pair ? buf_str(&pair->value) : NULL;
}

/* ---- what Redis holds ---- */

static void keys_delete(struct bench_room *room) {
  hash_close(&room->fields);
  hash_close(&room->members);
  hash_close(&room->results);
  for (size_t i = 0; i < room->n_log; i++) {
    free(room->log[i].to);
    heya__v1__server_message__free_unpacked(room->log[i].message, NULL);
  }
  free(room->log);
  room->log = NULL;
  room->n_log = 0;
  room->expire_at_ms = room->deadline_ms = room->round = 0;
}

static struct bench_room *stored(const struct bench *bench, const char *id) {
  for (size_t i = 0; i < bench->n_rooms; i++) {
    if (strcmp(bench->rooms[i]->id, id) == 0) return bench->rooms[i];
  }
  return NULL;
}

const struct bench_room *bench_stored(const struct bench *bench, const char *id) {
  return stored(bench, id);
}

static void room_forget(struct bench *bench, const char *id) {
  for (size_t i = 0; i < bench->n_rooms; i++) {
    if (strcmp(bench->rooms[i]->id, id) != 0) continue;
    keys_delete(bench->rooms[i]);
    free(bench->rooms[i]);
    bench->rooms[i] = bench->rooms[--bench->n_rooms];
    return;
  }
}

static void tomb_write(struct bench *bench, const char *id, uint64_t until_ms) {
  for (size_t i = 0; i < bench->n_tombs; i++) {
    if (strcmp(bench->tombs[i].id, id) == 0) bench->tombs[i] = bench->tombs[--bench->n_tombs];
  }
  if (until_ms == 0) return;
  struct bench_tomb *tomb = PUSH(bench->tombs, bench->n_tombs);
  *tomb = (struct bench_tomb){.until_ms = until_ms};
  snprintf(tomb->id, sizeof tomb->id, "%s", id);
}

static void log_write_entry(struct bench_room *room, uint64_t epoch, const struct commit_log_entry *entry) {
  if (room->n_log) {
    const struct bench_log_line *last = &room->log[room->n_log - 1];
    cr_assert(epoch > last->epoch || (epoch == last->epoch && entry->seq > last->seq), "a log id of %s does not grow",
              room->id);
  }
  struct bench_log_line *line = PUSH(room->log, room->n_log);
  *line = (struct bench_log_line){
      .epoch = epoch,
      .seq = entry->seq,
      .to = xmemdup(entry->to.data, entry->to.len),
      .message = heya__v1__server_message__unpack(NULL, entry->message.len, entry->message.data),
  };
  cr_assert(line->message);
}

/* As write_room in proto/heya.lua. */
static void room_write(struct bench *bench, const struct commit_room *record) {
  if (record->gone) {
    room_forget(bench, record->id);
    tomb_write(bench, record->id, record->tomb_until_ms);
    return;
  }
  struct bench_room *room = stored(bench, record->id);
  if (record->whole) {
    bench->whole = true;
    if (!room) {
      struct bench_room **place = PUSH(bench->rooms, bench->n_rooms);
      room = *place = xcalloc(1, sizeof *room);
      snprintf(room->id, sizeof room->id, "%s", record->id);
    }
    keys_delete(room);
    room->listed = false;
  }
  cr_assert(room, "%s is not there and not written whole", record->id);
  hash_write(&room->fields, record->fields, record->n_fields);
  hash_write(&room->members, record->members, record->n_members);
  if (record->clear_results) hash_close(&room->results);
  hash_write(&room->results, record->results, record->n_results);
  for (size_t i = 0; i < record->n_log; i++) log_write_entry(room, bench->epoch, &record->log[i]);
  if (record->deadline == COMMIT_DEADLINE_SET) {
    room->deadline_ms = record->deadline_ms;
    room->round = record->round;
  } else if (record->deadline == COMMIT_DEADLINE_CLEAR) {
    room->deadline_ms = room->round = 0;
  }
  if (record->listed_ms) room->listed = true;
  if (record->unlisted) room->listed = false;
  if (record->expire_at_ms) room->expire_at_ms = record->expire_at_ms;
}

static void expect_equal(const char *what, const struct bench_hash *hash, const struct commit_field *fields,
                         size_t n) {
  for (size_t i = 0; i < n; i++) {
    struct bench_pair *pair = pair_of(hash, fields[i].name);
    cr_assert(pair, "%s: %.*s is not stored", what, (int)fields[i].name.len, (const char *)fields[i].name.data);
    if (bytes_equal_str(fields[i].name, "event")) continue; /* says the epoch of the last write */
    cr_assert(bytes_equal(buf_bytes(&pair->value), fields[i].value), "%s: %s is stored as %s", what, pair->name,
              buf_str(&pair->value));
  }
  cr_assert(hash->n == n, "%s: %zu are stored, %zu are right", what, hash->n, n);
}

/* A frame that changed nothing is in no commit, so Redis may have an older number. */
static uint64_t stored_frame(const struct bench_room *keys, const struct room *room) {
  const char *text = bench_text(&keys->fields, "frame");
  uint64_t frame = text ? strtoull(text, NULL, 10) : 0;
  cr_assert(room->frames.hz == 0 || (text && frame <= room->frames.done), "%s", room->id);
  return room->frames.hz ? frame : 0;
}

/* What is stored is what a whole write would store now; but a lossy room may be ahead of it. */
static void expect_stored(struct bench *bench, struct room *room) {
  const struct bench_room *keys = stored(bench, room->id);
  struct commit_room record;
  cr_assert(keys, "%s is in memory and not stored", room->id);
  if (room->unsaved || (room->kind->lossy && room->saved_ms == 0)) return; /* 0: nothing has changed since loading */
  uint64_t frame = room->frames.done;
  room->frames.done = stored_frame(keys, room);
  room->changes.whole = true;
  record_room(room, &bench->arena, &record);
  room->changes.whole = false;
  room->frames.done = frame;
  expect_equal("fields", &keys->fields, record.fields, record.n_fields);
  expect_equal("members", &keys->members, record.members, record.n_members);
  expect_equal("results", &keys->results, record.results, record.n_results);
  cr_assert_eq(keys->deadline_ms, room->deadline_ms);
  cr_assert_eq(keys->expire_at_ms, room->expire_at_ms ? room->expire_at_ms + RECORD_EXPIRE_MARGIN_MS : 0);
  cr_assert_eq(keys->listed, !room->config.is_private);
}

/* ---- what is heard ---- */

static struct buf *heard_by(struct bench *bench, const char *gateway, const char *room) {
  for (size_t i = 0; i < bench->n_heard; i++) {
    struct bench_heard *heard = &bench->heard[i];
    if (strcmp(heard->gateway, gateway) == 0 && strcmp(heard->room, room) == 0) return &heard->text;
  }
  struct bench_heard *heard = PUSH(bench->heard, bench->n_heard);
  *heard = (struct bench_heard){0};
  snprintf(heard->gateway, sizeof heard->gateway, "%s", gateway);
  snprintf(heard->room, sizeof heard->room, "%s", room);
  return &heard->text;
}

static void hear(struct bench *bench, const struct bench_message *said) {
  struct buf *text = heard_by(bench, said->gateway, said->delivery->room);
  uint64_t epoch = 0, *where = &epoch;
  if (said->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT) where = &said->message->event->epoch;
  if (said->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED) where = &said->message->joined->epoch;
  epoch = *where;
  *where = 0;
  struct bytes bytes;
  cr_assert(codec_pack(&bench->arena, &said->message->base, &bytes));
  *where = epoch;
  buf_printf(text, "%d %u:", said->delivery->attachment, said->delivery->attempt);
  for (size_t i = 0; i < said->delivery->n_conns; i++) buf_printf(text, " %" PRIu64, said->delivery->conns[i]);
  buf_printf(text, " ");
  for (size_t i = 0; i < bytes.len; i++) buf_printf(text, "%02x", ((const uint8_t *)bytes.data)[i]);
  buf_append_char(text, '\n');
}

static ProtobufCMessage *unpack(struct bench *bench, const ProtobufCMessageDescriptor *type, struct bytes bytes) {
  ProtobufCMessage *message;
  enum codec_result result =
      codec_unpack(&codec_limits_internal, type, &bench->arena, bytes.data, bytes.len, &message);
  cr_assert_eq(result, CODEC_OK, "%s: %s", type->name, codec_result_text(result));
  return message;
}

static void take_deliveries(struct bench *bench, const struct outlet *outlet) {
  const Heya__Bus__Deliveries *list = (const Heya__Bus__Deliveries *)unpack(bench, &heya__bus__deliveries__descriptor,
                                                                            buf_bytes(&outlet->deliveries));
  const char *gateway = arena_copy(&bench->arena, bytes_of_str(outlet->gateway));
  for (size_t i = 0; i < list->n_deliveries; i++) {
    const Heya__Bus__Delivery *delivery = list->deliveries[i];
    cr_assert(delivery->attachment == HEYA__BUS__ATTACHMENT__UNCHANGED || delivery->n_conns == 1);
    struct bench_message *said = PUSH(bench->said, bench->n_said);
    struct bytes bytes = bytes_of(delivery->message.data, delivery->message.len);
    *said = (struct bench_message){.gateway = gateway, .delivery = delivery};
    said->message = (const Heya__V1__ServerMessage *)unpack(bench, &heya__v1__server_message__descriptor, bytes);
    hear(bench, said);
  }
}

/* As freeze_rooms in worker/commit.c. */
static void write_changed(struct bench *bench, struct room *room) {
  struct commit_room record;
  room->unsaved = !room_saves_now(room);
  if (room->unsaved) return;
  room->saved_ms = room_time_ms(room);
  record_room(room, &bench->arena, &record);
  room_write(bench, &record);
}

/* Encodings of batches one after the other are one batch. */
static void take_outgoing(struct bench *bench, const struct effects *effects) {
  for (size_t i = 0; i < effects->n_outgoing; i++) {
    buf_append_bytes(&bench->own, buf_bytes(&effects->outgoing[i].batch));
  }
}

void bench_commit(struct bench *bench) {
  struct effects *effects = &bench->partition.effects;
  bench->commits += effects_any(effects);
  arena_reset(&bench->arena);
  bench->n_said = 0;
  bench->whole = false;
  for (size_t i = 0; i < effects->n_ended; i++) {
    const struct ended_room *ended = &effects->ended[i];
    room_write(bench, &(struct commit_room){
                          .id = ended->id, .kind = ended->kind, .gone = true, .tomb_until_ms = ended->tomb_until_ms});
  }
  for (size_t i = 0; i < effects->n_changed; i++) write_changed(bench, effects->changed[i]);
  for (size_t i = 0; i < effects->n_outlets; i++) take_deliveries(bench, effects->outlets[i]);
  buf_clear(&bench->own);
  take_outgoing(bench, effects);
  bench->done = bench->partition.cursor;
  bench->consumed_bytes = effects->consumed_bytes;
  for (size_t i = 0; i < effects->n_changed; i++) room_changes_clear(effects->changed[i]);
  effects_clear(effects);
  cr_assert_not(effects_any(effects));
  struct room *room, *next;
  HASH_ITER(hh, bench->partition.repository.rooms, room, next) expect_stored(bench, room);
  cr_assert_eq(bench->n_rooms, repository_count(&bench->partition.repository) + bench->sealed);
}

/* ---- in ---- */

static void consume(struct bench *bench, const struct bench_entry *entry) {
  struct store_entry told = {
      .partition = 3, .id = entry->id, .sender = bytes_of_str(entry->sender), .batch = buf_bytes(&entry->batch)};
  partition_consume(&bench->partition, &told);
}

void bench_feed(struct bench *bench, struct stream_id id, struct bytes sender, struct bytes batch) {
  struct bench_entry *entry = PUSH(bench->stream, bench->n_stream);
  *entry = (struct bench_entry){.id = id, .sender = xmemdup(sender.data, sender.len)};
  buf_append_bytes(&entry->batch, batch);
  consume(bench, entry);
  if (!bench->by_hand) bench_commit(bench);
}

void bench_batch(struct bench *bench, uint64_t ms, const char *sender, Heya__Bus__Entry **entries, size_t n) {
  Heya__Bus__Batch batch = HEYA__BUS__BATCH__INIT;
  struct stream_id id = {.ms = ms, .seq = 0};
  if (bench->n_stream && bench->stream[bench->n_stream - 1].id.ms == ms) {
    id.seq = bench->stream[bench->n_stream - 1].id.seq + 1;
  }
  batch.n_entries = n;
  batch.entries = entries;
  size_t size = heya__bus__batch__get_packed_size(&batch);
  uint8_t *bytes = xmalloc(size);
  heya__bus__batch__pack(&batch, bytes);
  bench_feed(bench, id, bytes_of_str(sender), bytes_of(bytes, size));
  free(bytes);
}

static char *text(const char *constant) {
  union {
    const char *from;
    char *to;
  } cast = {.from = constant};
  return cast.to;
}

static Heya__Bus__Entry entry_of(struct bench_from from, const char *room, const char *player) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  entry.room = text(room);
  entry.player = text(player);
  entry.conn = from.conn;
  entry.attempt = from.attempt;
  entry.request = 5;
  return entry;
}

static void feed_one(struct bench *bench, uint64_t ms, const char *sender, Heya__Bus__Entry *entry) {
  bench_batch(bench, ms, sender, &entry, 1);
}

void bench_join(struct bench *bench, uint64_t ms, struct bench_from from, const char *room, const char *player,
                Heya__Bus__Mode mode) {
  bench_join_by(bench, ms, from, (struct bench_client){.instance = ""}, room, player, mode);
}

void bench_join_by(struct bench *bench, uint64_t ms, struct bench_from from, struct bench_client client,
                   const char *room, const char *player, Heya__Bus__Mode mode) {
  static uint8_t live_options[] = {0x08, 0x01}; /* live_id 1 */
  Heya__Bus__Entry entry = entry_of(from, room, player);
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = mode;
  join.instance = pb_text(client.instance);
  join.connection = client.connection;
  if (strncmp(room, "live/", 5) == 0) join.options = (ProtobufCBinaryData){sizeof live_options, live_options};
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.join = &join;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_join_saying(struct bench *bench, uint64_t ms, struct bench_from from, const char *room, const char *player,
                       const Heya__Bus__Join *join) {
  Heya__Bus__Entry entry = entry_of(from, room, player);
  Heya__Bus__Join copy = *join;
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.join = &copy;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_resume(struct bench *bench, uint64_t ms, struct bench_from from, const char *room, const char *player,
                  const struct bench_place *place) {
  Heya__Bus__Entry entry = entry_of(from, room, player);
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  resume.session = pb_text(place->session);
  resume.incarnation = pb_text(place->incarnation);
  resume.epoch = place->epoch;
  resume.seq = place->seq;
  resume.answered = place->answered;
  join.resume = &resume;
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.join = &join;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_leave(struct bench *bench, uint64_t ms, struct bench_from from, const char *room, const char *player) {
  Heya__Bus__Entry entry = entry_of(from, room, player);
  Heya__Bus__Leave leave = HEYA__BUS__LEAVE__INIT;
  entry.body_case = HEYA__BUS__ENTRY__BODY_LEAVE;
  entry.leave = &leave;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_command(struct bench *bench, uint64_t ms, struct bench_from from, const char *room, const char *player,
                   uint32_t number, struct bytes payload) {
  Heya__Bus__Entry entry = entry_of(from, room, player);
  Heya__Bus__Command command = HEYA__BUS__COMMAND__INIT;
  union {
    const void *from;
    uint8_t *to;
  } cast = {.from = payload.data};
  command.number = number;
  command.payload = (ProtobufCBinaryData){.len = payload.len, .data = cast.to};
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.command = &command;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_manage(struct bench *bench, uint64_t ms, struct bench_from from, const char *room, const char *player,
                  uint32_t number, const Heya__V1__Manage *manage) {
  Heya__Bus__Entry entry = entry_of(from, room, player);
  Heya__Bus__Command command = HEYA__BUS__COMMAND__INIT;
  Heya__V1__Manage copy = *manage;
  command.number = number;
  command.manage = &copy;
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.command = &command;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_frame(struct bench *bench, uint64_t now_ms) {
  struct partition_frame frame;
  partition_run_frame(&bench->partition, now_ms * 1000, &frame);
  if (!bench->by_hand) bench_commit(bench);
}

void bench_disconnected(struct bench *bench, uint64_t ms, struct bench_from from, const char *room) {
  Heya__Bus__Entry entry = entry_of(from, room, "");
  Heya__Bus__Disconnected disconnected = HEYA__BUS__DISCONNECTED__INIT;
  entry.body_case = HEYA__BUS__ENTRY__BODY_DISCONNECTED;
  entry.disconnected = &disconnected;
  feed_one(bench, ms, from.gateway, &entry);
}

void bench_time(struct bench *bench, uint64_t ms) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Time time = HEYA__BUS__TIME__INIT;
  entry.body_case = HEYA__BUS__ENTRY__BODY_TIME;
  entry.time = &time;
  feed_one(bench, ms, "w-1", &entry);
}

void bench_gateway_gone(struct bench *bench, uint64_t ms, const char *gateway) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__GatewayGone gone = HEYA__BUS__GATEWAY_GONE__INIT;
  gone.gateway = text(gateway);
  entry.body_case = HEYA__BUS__ENTRY__BODY_GATEWAY_GONE;
  entry.gateway_gone = &gone;
  feed_one(bench, ms, "w-1", &entry);
}

size_t bench_frames(struct bench *bench, uint64_t now_us) {
  size_t ran = 0;
  uint64_t next_us;
  while ((next_us = partition_next_frame_us(&bench->partition)) && next_us <= now_us) {
    partition_run_frame(&bench->partition, now_us, &bench->frame);
    ran += bench->frame.report.ran;
    if (!bench->by_hand) bench_commit(bench);
  }
  return ran;
}

bool bench_pass_on(struct bench *bench, uint64_t ms) {
  struct buf own = bench->own;
  bench->own = (struct buf){0};
  if (own.len) {
    struct stream_id id = {.ms = ms, .seq = 0};
    const struct stream_id *last = bench->n_stream ? &bench->stream[bench->n_stream - 1].id : NULL;
    if (last && last->ms == ms) id.seq = last->seq + 1;
    bench_feed(bench, id, bytes_of_str("w-1"), buf_bytes(&own));
  }
  bool any = own.len > 0;
  buf_close(&own);
  return any;
}

/* ---- kinds' commands ---- */

static struct bytes pack(struct bench *bench, const ProtobufCMessage *message) {
  struct bytes bytes;
  cr_assert(codec_pack(&bench->arena, message, &bytes));
  return bytes;
}

struct bytes bench_say(struct bench *bench, const char *line) {
  Heya__Kinds__Chat__Command command = HEYA__KINDS__CHAT__COMMAND__INIT;
  Heya__Kinds__Chat__Say say = HEYA__KINDS__CHAT__SAY__INIT;
  say.text = text(line);
  command.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  command.say = &say;
  return pack(bench, &command.base);
}

struct bytes bench_start(struct bench *bench) {
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Start start = HEYA__KINDS__LIVE__START__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_START;
  command.start = &start;
  return pack(bench, &command.base);
}

struct bytes bench_submit(struct bench *bench, uint32_t round, uint32_t score) {
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Submit submit = HEYA__KINDS__LIVE__SUBMIT__INIT;
  submit.round = round;
  submit.score = score;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT;
  command.submit = &submit;
  return pack(bench, &command.base);
}

struct bytes bench_dissolve(struct bench *bench) {
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Dissolve dissolve = HEYA__KINDS__LIVE__DISSOLVE__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_DISSOLVE;
  command.dissolve = &dissolve;
  return pack(bench, &command.base);
}

struct bytes bench_choose(struct bench *bench, uint32_t live_id) {
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Choose choose = HEYA__KINDS__LIVE__CHOOSE__INIT;
  choose.live_id = live_id;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_CHOOSE;
  command.choose = &choose;
  return pack(bench, &command.base);
}

/* ---- recovery ---- */

void bench_drop(struct bench *bench) {
  struct partition *partition = &bench->partition;
  partition_close(partition);
  partition_open(partition, ++bench->epoch, bench->done);
  if (bench->blame.room[0]) partition_condemn(partition, &bench->blame);
  for (size_t i = 0; i < bench->n_rooms; i++) {
    struct bytes image = buf_bytes(&pair_of(&bench->rooms[i]->fields, bytes_of_str("image"))->value);
    partition_load(partition, bench->rooms[i]->id, image, 0, false);
  }
  for (size_t i = 0; i < bench->n_tombs; i++) {
    partition_load(partition, bench->tombs[i].id, bytes_of(NULL, 0), bench->tombs[i].until_ms, false);
  }
  cr_assert_eq(bench->metrics.rooms_unreadable, 0);
  for (size_t i = 0; i < bench->n_stream; i++) consume(bench, &bench->stream[i]);
  if (!bench->by_hand) bench_commit(bench);
}

void bench_hand_over(struct bench *bench) {
  partition_prepare_to_leave(&bench->partition);
  bench_commit(bench);
  bench_drop(bench);
}

/* ---- out ---- */

static bool is_to(const struct bench_message *said, const char *gateway, uint64_t conn) {
  if (strcmp(said->gateway, gateway) != 0) return false;
  for (size_t i = 0; i < said->delivery->n_conns; i++) {
    if (said->delivery->conns[i] == conn) return true;
  }
  return false;
}

const struct bench_message *bench_to(const struct bench *bench, const char *gateway, uint64_t conn, size_t nth) {
  for (size_t i = 0; i < bench->n_said; i++) {
    if (is_to(&bench->said[i], gateway, conn) && nth-- == 0) return &bench->said[i];
  }
  return NULL;
}

size_t bench_count_to(const struct bench *bench, const char *gateway, uint64_t conn) {
  size_t count = 0;
  for (size_t i = 0; i < bench->n_said; i++) count += is_to(&bench->said[i], gateway, conn);
  return count;
}

Heya__V1__Error__Code bench_error(const struct bench *bench, const char *gateway, uint64_t conn) {
  const struct bench_message *said = bench_to(bench, gateway, conn, 0);
  cr_assert(said, "nothing was said");
  cr_assert_eq(said->message->body_case, HEYA__V1__SERVER_MESSAGE__BODY_ERROR, "%s said %d, no error",
               said->delivery->room, said->message->body_case);
  return said->message->error->code;
}

size_t bench_events(const struct bench *bench, const char *gateway, uint64_t conn, Heya__V1__Event__BodyCase what) {
  size_t count = 0;
  for (size_t i = 0; i < bench->n_said; i++) {
    const Heya__V1__ServerMessage *message = bench->said[i].message;
    count += is_to(&bench->said[i], gateway, conn) && message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT &&
             message->event->body_case == what;
  }
  return count;
}

const Heya__Bus__Entry *bench_own_entry(struct bench *bench, Heya__Bus__Entry__BodyCase what, size_t nth) {
  const Heya__Bus__Batch *batch =
      (const Heya__Bus__Batch *)unpack(bench, &heya__bus__batch__descriptor, buf_bytes(&bench->own));
  for (size_t i = 0; i < batch->n_entries; i++) {
    if (batch->entries[i]->body_case == what && nth-- == 0) return batch->entries[i];
  }
  return NULL;
}

size_t bench_own(struct bench *bench, Heya__Bus__Entry__BodyCase what) {
  size_t count = 0;
  while (bench_own_entry(bench, what, count)) count++;
  return count;
}

struct room *bench_room(const struct bench *bench, const char *id) {
  return repository_find(&bench->partition.repository, id);
}

/* ---- for comparing runs ---- */

static int compare_lines(const void *a, const void *b) {
  const char *const *left = a, *const *right = b;
  return strcmp(*left, *right);
}

/* Without the epoch of the last event, which differs between runs with other drops. */
static void print_image(struct buf *out, struct bytes bytes) {
  Heya__Image__Room *image = heya__image__room__unpack(NULL, bytes.len, bytes.data);
  cr_assert(image);
  image->event_epoch = 0;
  size_t size = heya__image__room__get_packed_size(image);
  uint8_t *packed = xmalloc(size);
  heya__image__room__pack(image, packed);
  for (size_t i = 0; i < size; i++) buf_printf(out, "%02x", packed[i]);
  free(packed);
  heya__image__room__free_unpacked(image, NULL);
}

static char *line_of(struct bench_pair *pair) {
  struct buf line = {0};
  const char *value = buf_str(&pair->value);
  if (strcmp(pair->name, "event") == 0) value = strchr(value, '-'); /* without the epoch */
  buf_printf(&line, "  %s=", pair->name);
  if (strcmp(pair->name, "image") == 0) {
    print_image(&line, buf_bytes(&pair->value));
  } else {
    buf_append_str(&line, value);
  }
  return buf_take(&line, NULL);
}

static void print_hash(const struct bench_hash *hash, struct buf *out) {
  char **lines = xcalloc(hash->n, sizeof *lines);
  for (size_t i = 0; i < hash->n; i++) lines[i] = line_of(&hash->pairs[i]);
  qsort(lines, hash->n, sizeof *lines, compare_lines);
  for (size_t i = 0; i < hash->n; i++) {
    buf_printf(out, "%s\n", lines[i]);
    free(lines[i]);
  }
  free(lines);
}

static char *print_room(const struct bench_room *room) {
  struct buf out = {0};
  buf_printf(&out, "%s expires %" PRIu64 " deadline %" PRIu64 " round %u\n", room->id, room->expire_at_ms,
             room->deadline_ms, room->round);
  print_hash(&room->fields, &out);
  print_hash(&room->members, &out);
  print_hash(&room->results, &out);
  return buf_take(&out, NULL);
}

const char *bench_heard(struct bench *bench, const char *gateway, const char *room) {
  return buf_str(heard_by(bench, gateway, room));
}

void bench_print(const struct bench *bench, struct buf *out) {
  size_t n = bench->n_rooms + bench->n_tombs;
  char **blocks = xcalloc(n, sizeof *blocks);
  for (size_t i = 0; i < bench->n_rooms; i++) blocks[i] = print_room(bench->rooms[i]);
  for (size_t i = 0; i < bench->n_tombs; i++) {
    struct buf tomb = {0};
    buf_printf(&tomb, "tomb %s until %" PRIu64 "\n", bench->tombs[i].id, bench->tombs[i].until_ms);
    blocks[bench->n_rooms + i] = buf_take(&tomb, NULL);
  }
  qsort(blocks, n, sizeof *blocks, compare_lines);
  for (size_t i = 0; i < n; i++) {
    buf_append_str(out, blocks[i]);
    free(blocks[i]);
  }
  free(blocks);
}

void bench_close(struct bench *bench) {
  partition_close(&bench->partition);
  while (bench->n_rooms) room_forget(bench, bench->rooms[0]->id);
  for (size_t i = 0; i < bench->n_stream; i++) {
    free(bench->stream[i].sender);
    buf_close(&bench->stream[i].batch);
  }
  for (size_t i = 0; i < bench->n_heard; i++) buf_close(&bench->heard[i].text);
  buf_close(&bench->own);
  free(bench->stream);
  free(bench->rooms);
  free(bench->tombs);
  free(bench->heard);
  free(bench->said);
  arena_close(&bench->arena);
}
