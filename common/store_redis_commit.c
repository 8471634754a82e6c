/* A worker's commit: one function call, or a transaction that does the same; see common/store_redis_call.h.
 *
 * Most commits are plain: rooms that go on as they were, with a new image and new events, and nothing for other
 * partitions. Those go as a transaction, when a function has seen since this connection is up that the partitions are
 * the worker's, and no owner has changed since (common/store_redis_fence.c). Everything else goes as the function,
 * and so does a plain commit after which a key proved to be damaged: it knows what to do about it. */
#include "common/store_redis_call.h"

#include "common/mem.h"
#include "common/store_commit.h"

#include <inttypes.h>
#include <stdio.h>

#define KEEP_BYTES (1u << 20) /* of what goes to one gateway, for next time */
#define LOOK_EVERY 64 /* commits that leave bytes to be counted; the function knows whether the stream is empty */

/* What goes to one gateway, from all segments. */
struct store_outlet {
  char gateway[PROCESS_ID_MAX + 1];
  struct buf bytes;
};

/* A partition of the commit under way, in this epoch. */
struct store_claim_of {
  uint32_t partition;
  uint64_t epoch;
};

/* ---- the answer of the function ---- */

/* "WRONGROOM <partition> <room> ...": the room, when it is one. */
static bool wrong_room(const char *message, char *out, size_t size) {
  struct room_id id;
  if (!message || strncmp(message, "WRONGROOM ", 10) != 0) return false;
  const char *room = strchr(message + 10, ' ');
  if (!room || !room_id_parse(room + 1, strcspn(room + 1, " "), &id)) return false;
  snprintf(out, size, "%s", id.id);
  return true;
}

/* The lists of a commit's answer, as long as it is being handed out. */
struct commit_answer {
  uint32_t *fenced;
  const char **gone;
  struct store_refused *refused;
  struct store_posted *posted;
  char (*rooms)[ROOM_ID_MAX + 1]; /* one for each of refused */
  struct store_commit_outcome outcome;
};

static bool parse_fenced(const struct redisReply *list, struct commit_answer *answer) {
  size_t n = answer->outcome.n_fenced = redis_reply_count(list);
  answer->outcome.fenced = answer->fenced = xcalloc(n, sizeof *answer->fenced);
  for (size_t i = 0; i < n; i++) {
    uint64_t partition;
    if (!redis_reply_u64(redis_reply_at(list, i), &partition) || partition > UINT32_MAX) return false;
    answer->fenced[i] = (uint32_t)partition;
  }
  return redis_reply_is_array(list);
}

static bool parse_gone(const struct redisReply *list, struct commit_answer *answer) {
  size_t n = answer->outcome.n_gone = redis_reply_count(list);
  answer->outcome.gone = answer->gone = xcalloc(n, sizeof *answer->gone);
  for (size_t i = 0; i < n; i++) {
    answer->gone[i] = redis_reply_string(redis_reply_at(list, i));
    if (!answer->gone[i]) return false;
  }
  return redis_reply_is_array(list);
}

static bool parse_refused(const struct redisReply *list, struct commit_answer *answer) {
  size_t n = answer->outcome.n_refused = redis_reply_count(list) / 2;
  answer->outcome.refused = answer->refused = xcalloc(n, sizeof *answer->refused);
  answer->rooms = xcalloc(n, sizeof *answer->rooms);
  for (size_t i = 0; i < n; i++) {
    struct store_refused *refused = &answer->refused[i];
    uint64_t partition;
    if (!redis_reply_u64(redis_reply_at(list, 2 * i), &partition) || partition > UINT32_MAX) return false;
    refused->partition = (uint32_t)partition;
    refused->message = redis_reply_string(redis_reply_at(list, 2 * i + 1));
    if (wrong_room(refused->message, answer->rooms[i], sizeof answer->rooms[i]))
      refused->wrong_room = answer->rooms[i];
  }
  return redis_reply_is_array(list);
}

static bool parse_posted(const struct redisReply *list, struct commit_answer *answer) {
  size_t n = answer->outcome.n_posted = redis_reply_count(list) / 2;
  answer->outcome.posted = answer->posted = xcalloc(n, sizeof *answer->posted);
  for (size_t i = 0; i < n; i++) {
    uint64_t partition;
    if (!redis_reply_u64(redis_reply_at(list, 2 * i), &partition) || partition > UINT32_MAX ||
        !redis_reply_stream_id(redis_reply_at(list, 2 * i + 1), &answer->posted[i].number))
      return false;
    answer->posted[i].partition = (uint32_t)partition;
  }
  return redis_reply_is_array(list);
}

static bool is_in(const struct commit_answer *answer, uint32_t partition) {
  for (size_t i = 0; i < answer->outcome.n_fenced; i++)
    if (answer->fenced[i] == partition) return true;
  for (size_t i = 0; i < answer->outcome.n_refused; i++)
    if (answer->refused[i].partition == partition) return true;
  return false;
}

/* Those that were written are ours as long as heya:owners is what the function saw. */
static void note_owned(struct store_redis *store, const struct commit_answer *answer, uint64_t owners) {
  for (size_t i = 0; i < store->n_claims; i++) {
    const struct store_claim_of *claim = &store->claims[i];
    if (!is_in(answer, claim->partition))
      store->known[claim->partition] = (struct store_known){.owners = owners, .epoch = claim->epoch};
  }
  if (owners != store->fence.value) store_fence_watch(store, key_owners(store->prefix), NULL);
}

static void hand_out(struct store_call *call, enum store_result result, const char *message,
                     struct commit_answer *answer) {
  if (result != STORE_OK) answer->outcome = (struct store_commit_outcome){.message = message};
  if (message)
    log_limited(call->store->log, &call->store->logged.commit, LOG_LEVEL_WARN, "commit_refused",
                F_S("message", message));
  call->cb.commit(call->arg, result, &answer->outcome);
  free(answer->posted);
  free(answer->rooms);
  free(answer->refused);
  free(answer->gone);
  free(answer->fenced);
}

static void finish_commit(struct store_call *call, enum store_result result, const char *message,
                          const struct redisReply *reply) {
  struct commit_answer answer = {.fenced = NULL};
  uint64_t owners = 0;
  bool sound = parse_fenced(redis_reply_at(reply, 0), &answer);
  sound = parse_gone(redis_reply_at(reply, 1), &answer) && sound;
  sound = parse_refused(redis_reply_at(reply, 2), &answer) && sound;
  sound = parse_posted(redis_reply_at(reply, 3), &answer) && sound;
  sound = redis_reply_u64(redis_reply_at(reply, 4), &owners) && sound;
  if (result == STORE_OK && !sound) {
    result = STORE_BROKEN;
    message = store_bad_answer;
  }
  if (result == STORE_OK) note_owned(call->store, &answer, owners);
  hand_out(call, result, message, &answer);
}

/* ---- the same as a transaction ---- */

/* Its partition was seen to be ours, in this epoch, and what it does needs no looking. */
static bool is_known(const struct store_redis *store, const struct commit_segment *segment) {
  const struct store_known *known = &store->known[segment->partition];
  if (!known->owners || known->owners != store->fence.value || known->epoch != segment->epoch) return false;
  if (segment->n_appends || segment->n_parcels || segment->n_settled) return false;
  for (size_t i = 0; i < segment->n_rooms; i++)
    if (!store_commit_is_plain(&segment->rooms[i])) return false;
  return true;
}

static bool can_be_transaction(const struct store_redis *store, const struct commit *commit) {
  for (size_t i = 0; i < commit->n_segments; i++)
    if (!is_known(store, &commit->segments[i])) return false;
  return true;
}

static void add_room(struct store_redis *store, const struct commit_segment *segment,
                     const struct commit_room *room) {
  struct key key = key_room(store->prefix, room->id), log = key_room_log(store->prefix, room->id);
  struct redis_args *args = store_transaction_command(store, "HSET", &key);
  for (size_t i = 0; i < room->n_fields; i++) {
    redis_args_bytes(args, room->fields[i].name);
    redis_args_bytes(args, room->fields[i].value);
  }
  if (room->n_fields) store_transaction_add(store, STEP_ROOM, segment->partition, room->id);
  for (size_t i = 0; i < room->n_log; i++) {
    args = store_transaction_command(store, "XADD", &log);
    redis_args_text(args, "MAXLEN");
    redis_args_text(args, "~");
    redis_args_u64(args, store->options.log_max);
    redis_args_stream_id(args, (struct stream_id){segment->epoch, room->log[i].seq});
    redis_args_text(args, "to");
    redis_args_bytes(args, room->log[i].to);
    redis_args_text(args, "m");
    redis_args_bytes(args, room->log[i].message);
    store_transaction_add(store, STEP_LOG, segment->partition, room->id);
  }
}

/* What it has consumed. */
static void add_trim(struct store_redis *store, const struct commit_segment *segment) {
  struct key commands = key_part_commands(store->prefix, segment->partition);
  struct key bytes = key_part_bytes(store->prefix, segment->partition);
  char less[24];
  if (!segment->consumed_bytes) return;
  struct redis_args *args = store_transaction_command(store, "XTRIM", &commands);
  redis_args_text(args, "MINID");
  redis_args_stream_id(args, store_commit_above(segment->done));
  store_transaction_add(store, STEP_TRIM, segment->partition, "");
  snprintf(less, sizeof less, "-%" PRIu64, segment->consumed_bytes);
  args = store_transaction_command(store, "INCRBY", &bytes);
  redis_args_text(args, less);
  store_transaction_add(store, STEP_COUNT, segment->partition, "");
}

static void add_done(struct store_redis *store, const struct commit *commit) {
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "MSET");
  for (size_t i = 0; i < commit->n_segments; i++) {
    struct key key = key_part_done(store->prefix, commit->segments[i].partition);
    redis_args_copy(&store->args, key_bytes(&key));
    redis_args_stream_id(&store->args, commit->segments[i].done);
  }
  store_transaction_add(store, STEP_DONE, 0, "");
}

static struct store_outlet *outlet_of(struct store_redis *store, size_t *n, const char *gateway) {
  for (size_t i = 0; i < *n; i++)
    if (strcmp(store->outlets[i].gateway, gateway) == 0) return &store->outlets[i];
  if (*n == store->cap_outlets) {
    size_t cap = *n ? *n * 2 : 8;
    store->outlets = xrealloc(store->outlets, cap * sizeof *store->outlets);
    memset(store->outlets + *n, 0, (cap - *n) * sizeof *store->outlets);
    store->cap_outlets = cap;
  }
  struct store_outlet *outlet = &store->outlets[(*n)++];
  snprintf(outlet->gateway, sizeof outlet->gateway, "%s", gateway);
  buf_clear(&outlet->bytes);
  return outlet;
}

static void add_outlet(struct store_redis *store, const struct store_outlet *outlet) {
  struct key events = key_gateway_events(store->prefix, outlet->gateway);
  struct key queued = key_gateway_queued(store->prefix, outlet->gateway);
  struct redis_args *args = store_transaction_command(store, "XADD", &events);
  redis_args_text(args, "NOMKSTREAM");
  redis_args_text(args, "*");
  redis_args_text(args, "m");
  redis_args_bytes(args, buf_bytes(&outlet->bytes));
  store_transaction_add(store, STEP_EVENTS, 0, outlet->gateway);
  args = store_transaction_command(store, "ZADD", &queued);
  redis_args_text(args, "XX"); /* where there is none the gateway is dead: it is not to be made anew */
  redis_args_text(args, "INCR");
  redis_args_u64(args, outlet->bytes.len);
  redis_args_text(args, "bytes");
  store_transaction_add(store, STEP_QUEUED, 0, outlet->gateway);
  store_transaction_command(store, "XLEN", &events);
  store_transaction_add(store, STEP_LENGTH, 0, outlet->gateway);
}

static void add_deliveries(struct store_redis *store, const struct commit *commit) {
  size_t n = 0;
  for (size_t i = 0; i < commit->n_segments; i++) {
    const struct commit_segment *segment = &commit->segments[i];
    for (size_t j = 0; j < segment->n_deliveries; j++)
      buf_append_bytes(&outlet_of(store, &n, segment->deliveries[j].gateway)->bytes,
                       segment->deliveries[j].deliveries);
  }
  for (size_t i = 0; i < n; i++) {
    add_outlet(store, &store->outlets[i]);
    if (store->outlets[i].bytes.cap > KEEP_BYTES) buf_close(&store->outlets[i].bytes);
  }
}

/* ---- its answer ---- */

static void refuse(struct commit_answer *answer, const struct store_step *step, const char *room, const char *error) {
  size_t n = answer->outcome.n_refused;
  answer->refused = xrealloc(answer->refused, (n + 1) * sizeof *answer->refused);
  answer->refused[n] = (struct store_refused){.partition = step->partition, .message = error, .wrong_room = room};
  answer->outcome.refused = answer->refused;
  answer->outcome.n_refused = n + 1;
}

static void on_closed(void *arg, enum store_result result) {
  (void)arg, (void)result;
}

/* It is dead, or does not keep up. Its keys go, if there are any: also a count that somebody has left behind. */
static void end_gateway(struct store_redis *store, struct commit_answer *answer, const char *gateway) {
  size_t n = answer->outcome.n_gone;
  if (n > 0 && strcmp(answer->gone[n - 1], gateway) == 0) return; /* for more than one reason */
  answer->gone = xrealloc(answer->gone, (n + 1) * sizeof *answer->gone);
  answer->gone[n] = gateway;
  answer->outcome.gone = answer->gone;
  answer->outcome.n_gone = n + 1;
  store_redis_gateway_close(&store->base, gateway, on_closed, NULL);
}

static void on_log_deleted(void *arg, const struct redisReply *reply) {
  (void)arg, (void)reply;
}

/* People's view of the room begins anew. */
static void delete_log(struct store_redis *store, const char *room) {
  struct key key = key_room_log(store->prefix, room);
  store_transaction_command(store, "DEL", &key);
  redis_args_finish(&store->args);
  store_send(store, store->commands, "store.transaction", 0, on_log_deleted, store);
}

/* A count that stays above 0 may have lost its way. */
static void look_at_count(struct store_known *known, const struct redisReply *reply) {
  int64_t left;
  if (redis_reply_i64(reply, &left) && (left == 0 || (left > 0 && ++known->counted % LOOK_EVERY != 0))) return;
  known->owners = 0;
}

/* An error here is damage that the function would have found before; everything else was written. */
static void judge(struct store_redis *store, const struct store_step *step, const struct redisReply *reply,
                  struct commit_answer *answer) {
  struct store_known *known = &store->known[step->partition];
  const struct store_limits *limits = &store->options.limits;
  const char *name = store_step_name(store, step);
  struct stream_id id;
  struct bytes error = {0};
  uint64_t number;
  bool is_error = redis_reply_error(reply, &error);
  switch (step->of) {
  case STEP_ROOM:
  case STEP_TRIM:
    if (is_error) refuse(answer, step, step->of == STEP_ROOM ? name : NULL, error.data);
    break;
  case STEP_LOG:
    if (is_error) delete_log(store, name);
    break;
  case STEP_COUNT: look_at_count(known, reply); break;
  case STEP_EVENTS:
    if (!redis_reply_stream_id(reply, &id)) end_gateway(store, answer, name);
    break;
  case STEP_QUEUED: /* none there: somebody took it away; the gateway's next renewal makes it anew */
    if (redis_reply_u64(reply, &number) && number > limits->gateway_bytes) end_gateway(store, answer, name);
    break;
  case STEP_LENGTH:
    if (redis_reply_u64(reply, &number) && number > limits->gateway_entries) end_gateway(store, answer, name);
    break;
  default: break;
  }
}

static void finish_transaction(struct store_call *call, enum store_result result, const char *message,
                               const struct redisReply *reply) {
  struct store_redis *store = call->store;
  const struct store_transaction *transaction = &store->transaction;
  struct commit_answer answer = {.fenced = NULL};
  if (!store_transaction_ended(call, &result, &message, reply, "store.commit", finish_commit)) return;
  for (size_t i = 0; result == STORE_OK && i < transaction->n_steps; i++)
    judge(store, &transaction->steps[i], redis_reply_at(reply, i), &answer);
  hand_out(call, result, message, &answer);
}

/* ---- which of them ---- */

static void note_claims(struct store_redis *store, const struct commit *commit) {
  if (commit->n_segments > store->cap_claims) {
    store->cap_claims = commit->n_segments;
    store->claims = xrealloc(store->claims, store->cap_claims * sizeof *store->claims);
  }
  store->n_claims = commit->n_segments;
  for (size_t i = 0; i < commit->n_segments; i++)
    store->claims[i] =
        (struct store_claim_of){.partition = commit->segments[i].partition, .epoch = commit->segments[i].epoch};
}

void store_redis_commit(struct store *base, const struct commit *commit, store_commit_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_commit, true, arg);
  struct store_commit_terms terms = {.prefix = store->prefix,
                                     .gateway_entries = store->options.limits.gateway_entries,
                                     .gateway_bytes = store->options.limits.gateway_bytes,
                                     .log_max = store->options.log_max};
  call->cb.commit = cb;
  note_claims(store, commit);
  store_commit_flatten(commit, &terms, &store->args);
  if (!can_be_transaction(store, commit) || !store_transaction_begin(call)) {
    store_call_send(call, "store.commit");
    return;
  }
  call->finish = finish_transaction;
  for (size_t i = 0; i < commit->n_segments; i++) {
    const struct commit_segment *segment = &commit->segments[i];
    for (size_t j = 0; j < segment->n_rooms; j++) add_room(store, segment, &segment->rooms[j]);
    add_trim(store, segment);
  }
  add_done(store, commit);
  add_deliveries(store, commit);
  store_transaction_send(call, "store.commit");
}

void store_commit_close(struct store_redis *store) {
  for (size_t i = 0; i < store->cap_outlets; i++) buf_close(&store->outlets[i].bytes);
  free(store->outlets);
  free(store->claims);
}
