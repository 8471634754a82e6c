/* The argument list of heya1_commit; see common/store_commit.h. */
#include "common/store_commit.h"

#include "proto/keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const char *deadline_word(enum commit_deadline deadline) {
  switch (deadline) {
  case COMMIT_DEADLINE_KEEP: return "keep";
  case COMMIT_DEADLINE_SET: return "set";
  case COMMIT_DEADLINE_CLEAR: return "clear";
  }
  return "keep";
}

static size_t count_gone(const struct commit_field *fields, size_t n) {
  size_t gone = 0;
  for (size_t i = 0; i < n; i++) gone += fields[i].value.data == NULL;
  return gone;
}

/* Names and values of those to set, then the names of those to delete. */
static void add_fields(struct redis_args *args, const struct commit_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!fields[i].value.data) continue;
    redis_args_bytes(args, fields[i].name);
    redis_args_bytes(args, fields[i].value);
  }
  for (size_t i = 0; i < n; i++) {
    if (!fields[i].value.data) redis_args_bytes(args, fields[i].name);
  }
}

static void add_log(struct redis_args *args, const struct commit_room *room) {
  for (size_t i = 0; i < room->n_log; i++) {
    redis_args_u64(args, room->log[i].seq);
    redis_args_bytes(args, room->log[i].to);
    redis_args_bytes(args, room->log[i].message);
  }
}

bool store_commit_is_plain(const struct commit_room *room) {
  return !room->whole && !room->gone && !room->clear_results && !room->unlisted &&
         room->deadline == COMMIT_DEADLINE_KEEP && !room->expire_at_ms && !room->listed_ms && !room->n_members &&
         !room->n_results && !count_gone(room->fields, room->n_fields);
}

/* One argument for all that every room has, and a short one if it can be: Redis and Lua pay for each of them. */
static void add_room_head(struct redis_args *args, const struct commit_room *room) {
  char head[512];
  if (store_commit_is_plain(room)) {
    int len = snprintf(head, sizeof head, "%s %zu %zu", room->id, room->n_fields, room->n_log);
    redis_args_copy(args, bytes_of(head, (size_t)len));
    return;
  }
  size_t fields_gone = count_gone(room->fields, room->n_fields);
  size_t members_gone = count_gone(room->members, room->n_members);
  size_t results_gone = count_gone(room->results, room->n_results);
  int len = snprintf(
      head, sizeof head,
      "%s %s %d%d%d%d %s %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu %zu %zu %zu %zu %zu %zu",
      room->id, room->kind, room->whole, room->gone, room->clear_results, room->unlisted,
      deadline_word(room->deadline), room->deadline_ms, room->round, room->gone ? room->tomb_until_ms : 0,
      room->expire_at_ms, room->listed_ms, room->n_fields - fields_gone, fields_gone, room->n_members - members_gone,
      members_gone, room->n_results - results_gone, results_gone, room->n_log);
  assert(len > 0 && (size_t)len < sizeof head);
  redis_args_copy(args, bytes_of(head, (size_t)len));
}

static void add_room(struct redis_args *args, const struct commit_room *room) {
  add_room_head(args, room);
  add_fields(args, room->fields, room->n_fields);
  add_fields(args, room->members, room->n_members);
  add_fields(args, room->results, room->n_results);
  add_log(args, room);
}

struct stream_id store_commit_above(struct stream_id id) {
  if (id.seq++ == UINT64_MAX) id.ms++;
  return id;
}

static void add_segment(struct redis_args *args, const struct commit_segment *segment) {
  char head[272];
  struct stream_id above = store_commit_above(segment->done);
  int len =
      snprintf(head, sizeof head,
               "%" PRIu32 " %" PRIu64 " %" PRIu64 "-%" PRIu64 " %" PRIu64 "-%" PRIu64 " %" PRIu64 " %zu %zu %zu",
               segment->partition, segment->epoch, segment->done.ms, segment->done.seq, above.ms, above.seq,
               segment->consumed_bytes, segment->n_rooms, segment->n_appends, segment->n_deliveries);
  if (segment->n_parcels + segment->n_settled > 0)
    len += snprintf(head + len, sizeof head - (size_t)len, " %zu %zu", segment->n_parcels, segment->n_settled);
  redis_args_copy(args, bytes_of(head, (size_t)len));
  for (size_t i = 0; i < segment->n_rooms; i++) add_room(args, &segment->rooms[i]);
  for (size_t i = 0; i < segment->n_appends; i++) {
    redis_args_u64(args, segment->appends[i].partition);
    redis_args_bytes(args, segment->appends[i].batch);
  }
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    redis_args_text(args, segment->deliveries[i].gateway);
    redis_args_bytes(args, segment->deliveries[i].deliveries);
  }
  for (size_t i = 0; i < segment->n_parcels; i++) {
    redis_args_u64(args, segment->parcels[i].partition);
    redis_args_u64(args, segment->parcels[i].shard);
    redis_args_bytes(args, segment->parcels[i].batch);
  }
  for (size_t i = 0; i < segment->n_settled; i++) {
    redis_args_u64(args, segment->settled[i].shard);
    redis_args_stream_id(args, segment->settled[i].number);
  }
}

void store_commit_flatten(const struct commit *commit, const struct store_commit_terms *terms,
                          struct redis_args *args) {
  redis_args_call(args, FUNCTION_COMMIT);
  redis_args_text(args, terms->prefix);
  redis_args_text(args, commit->worker);
  redis_args_u64(args, terms->gateway_entries);
  redis_args_u64(args, terms->gateway_bytes);
  redis_args_u64(args, terms->log_max);
  redis_args_u64(args, commit->n_segments);
  for (size_t i = 0; i < commit->n_segments; i++) add_segment(args, &commit->segments[i]);
  redis_args_finish(args);
}
