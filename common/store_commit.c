/* The argument list of heya1_commit; see common/store_commit.h. */
#include "common/store_commit.h"

#include "proto/keys.h"

static const char *deadline_word(enum commit_deadline deadline) {
  switch (deadline) {
  case COMMIT_DEADLINE_KEEP: return "keep";
  case COMMIT_DEADLINE_SET: return "set";
  case COMMIT_DEADLINE_CLEAR: return "clear";
  }
  return "keep";
}

/* Those to set: a count, then names and values. */
static void add_fields_set(struct redis_args *args, const struct commit_field *fields, size_t n) {
  size_t set = 0;
  for (size_t i = 0; i < n; i++) set += fields[i].value.data != NULL;
  redis_args_u64(args, set);
  for (size_t i = 0; i < n; i++) {
    if (!fields[i].value.data) continue;
    redis_args_bytes(args, fields[i].name);
    redis_args_bytes(args, fields[i].value);
  }
}

/* Those to delete: a count, then names. */
static void add_fields_gone(struct redis_args *args, const struct commit_field *fields, size_t n) {
  size_t gone = 0;
  for (size_t i = 0; i < n; i++) gone += fields[i].value.data == NULL;
  redis_args_u64(args, gone);
  for (size_t i = 0; i < n; i++)
    if (!fields[i].value.data) redis_args_bytes(args, fields[i].name);
}

static void add_log(struct redis_args *args, const struct commit_room *room) {
  redis_args_u64(args, room->n_log);
  for (size_t i = 0; i < room->n_log; i++) {
    redis_args_u64(args, room->log[i].seq);
    redis_args_bytes(args, room->log[i].to);
    redis_args_bytes(args, room->log[i].message);
  }
}

static void add_room(struct redis_args *args, const struct commit_room *room,
                     const struct store_commit_terms *terms) {
  redis_args_text(args, room->id);
  redis_args_text(args, room->kind);
  redis_args_bool(args, room->whole);
  redis_args_bool(args, room->gone);
  redis_args_u64(args, room->gone ? room->tomb_until_ms : 0);
  redis_args_u64(args, room->expire_at_ms);
  redis_args_u64(args, room->listed_ms);
  redis_args_bool(args, room->clear_results);
  redis_args_text(args, deadline_word(room->deadline));
  redis_args_u64(args, room->deadline_ms);
  redis_args_u64(args, room->round);
  redis_args_u64(args, terms->log_max);
  add_fields_set(args, room->fields, room->n_fields);
  add_fields_gone(args, room->fields, room->n_fields);
  add_fields_set(args, room->members, room->n_members);
  add_fields_gone(args, room->members, room->n_members);
  add_fields_set(args, room->results, room->n_results);
  add_fields_gone(args, room->results, room->n_results);
  add_log(args, room);
}

static void add_segment(struct redis_args *args, const struct commit_segment *segment,
                        const struct store_commit_terms *terms) {
  redis_args_u64(args, segment->partition);
  redis_args_u64(args, segment->epoch);
  redis_args_stream_id(args, segment->done);
  redis_args_u64(args, segment->consumed_bytes);
  redis_args_u64(args, segment->n_rooms);
  for (size_t i = 0; i < segment->n_rooms; i++) add_room(args, &segment->rooms[i], terms);
  redis_args_u64(args, segment->n_appends);
  for (size_t i = 0; i < segment->n_appends; i++) {
    redis_args_u64(args, segment->appends[i].partition);
    redis_args_bytes(args, segment->appends[i].batch);
  }
  redis_args_u64(args, segment->n_deliveries);
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    redis_args_text(args, segment->deliveries[i].gateway);
    redis_args_bytes(args, segment->deliveries[i].deliveries);
  }
}

void store_commit_flatten(const struct commit *commit, const struct store_commit_terms *terms,
                          struct redis_args *args) {
  redis_args_call(args, FUNCTION_COMMIT);
  redis_args_text(args, terms->prefix);
  redis_args_text(args, commit->worker);
  redis_args_u64(args, terms->gateway_entries);
  redis_args_u64(args, terms->gateway_bytes);
  redis_args_u64(args, commit->n_segments);
  for (size_t i = 0; i < commit->n_segments; i++) add_segment(args, &commit->segments[i], terms);
  redis_args_finish(args);
}
