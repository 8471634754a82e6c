/* What partitions say to those of other shards: reading it where it waits, bringing it where it is to go. */
#include "common/store_redis_call.h"

#include "common/mem.h"

/* ---- what waits ---- */

/* The streams are read in turns, each from the last entry that was told on, until none has any more. */
struct outbox {
  struct store_call *call;
  store_parcel_cb *parcel;
  uint32_t partition;
  struct stream_id after[]; /* by shard */
};

static void outbox_discard(struct store_call *call) {
  free(call->with.state);
}

static void outbox_send(struct outbox *outbox) {
  struct store_redis *store = outbox->call->store;
  struct redis_args *args = &store->args;
  uint32_t shards = store_redis_shards(store);
  redis_args_clear(args);
  redis_args_text(args, "XREAD");
  redis_args_text(args, "COUNT");
  redis_args_u64(args, 256);
  redis_args_text(args, "STREAMS");
  for (uint32_t shard = 0; shard < shards; shard++) {
    struct key key = key_part_outbox(store->prefix, outbox->partition, shard);
    if (shard != store->options.shard) redis_args_copy(args, key_bytes(&key));
  }
  for (uint32_t shard = 0; shard < shards; shard++) {
    if (shard != store->options.shard) redis_args_stream_id(args, outbox->after[shard]);
  }
  store_call_send(outbox->call, "store.outbox");
}

/* An entry that is none of ours is passed over: it was never said. */
static void tell(struct outbox *outbox, const struct redisReply *entry, uint32_t shard) {
  struct store_call *call = outbox->call;
  const struct redisReply *fields = redis_reply_at(entry, 1);
  struct stream_id number;
  struct bytes batch;
  uint64_t to;
  if (!redis_reply_stream_id(redis_reply_at(entry, 0), &number)) return;
  outbox->after[shard] = number;
  if (!redis_reply_is(redis_reply_at(fields, 0), "to") || !redis_reply_u64(redis_reply_at(fields, 1), &to) ||
      to >= call->store->options.partitions || to % store_redis_shards(call->store) != shard ||
      !redis_reply_bytes(redis_reply_at(fields, 3), &batch)) {
    log_limited(call->store->log, &call->store->logged.load, LOG_LEVEL_ERROR, "outbox_entry_unreadable",
                F_U("partition", outbox->partition), F_U("id_ms", number.ms));
    return;
  }
  outbox->parcel(call->arg, (uint32_t)to, number, batch);
}

/* Which shard's stream of an answer this is. */
static bool shard_of(const struct outbox *outbox, const struct redisReply *name, uint32_t *shard) {
  const struct store_redis *store = outbox->call->store;
  for (*shard = 0; *shard < store_redis_shards(store); ++*shard) {
    struct key key = key_part_outbox(store->prefix, outbox->partition, *shard);
    if (redis_reply_is(name, key.text)) return true;
  }
  return false;
}

static void finish_outbox(struct store_call *call, enum store_result result, const char *message,
                          const struct redisReply *reply) {
  struct outbox *outbox = call->with.state;
  if (message)
    log_limited(call->store->log, &call->store->logged.load, LOG_LEVEL_ERROR, "outbox_refused",
                F_U("partition", outbox->partition), F_S("message", message));
  for (size_t i = 0; i < redis_reply_count(reply); i++) {
    const struct redisReply *stream = redis_reply_at(reply, i), *entries = redis_reply_at(stream, 1);
    uint32_t shard;
    if (!shard_of(outbox, redis_reply_at(stream, 0), &shard)) continue;
    for (size_t j = 0; j < redis_reply_count(entries); j++) tell(outbox, redis_reply_at(entries, j), shard);
  }
  if (result == STORE_OK && redis_reply_count(reply) > 0) {
    outbox_send(outbox);
    return;
  }
  call->cb.done(call->arg, result);
  free(outbox);
}

void store_redis_outbox(struct store *base, uint32_t partition, store_parcel_cb *parcel, store_done_cb *done,
                        void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_outbox, false, arg);
  struct outbox *outbox = xcalloc(1, sizeof *outbox + store_redis_shards(store) * sizeof *outbox->after);
  outbox->call = call;
  outbox->parcel = parcel;
  outbox->partition = partition;
  call->cb.done = done;
  call->with.state = outbox;
  call->discard = outbox_discard;
  outbox_send(outbox);
}

/* ---- bringing it ---- */

static void finish_forward(struct store_call *call, enum store_result result, const char *message,
                           const struct redisReply *reply) {
  enum store_append_verdict *verdicts = result == STORE_OK ? store_redis_verdicts(reply, call->with.n) : NULL;
  if (result == STORE_OK && !verdicts) {
    result = STORE_BROKEN;
    message = store_bad_answer;
  }
  if (message)
    log_limited(call->store->log, &call->store->logged.append, LOG_LEVEL_WARN, "forward_refused",
                F_S("message", message));
  call->cb.append(call->arg, result, verdicts, result == STORE_OK ? call->with.n : 0);
  free(verdicts);
}

void store_redis_forward(struct store *base, const char *worker, const struct store_forward *items, size_t n,
                         store_append_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_forward, true, arg);
  struct redis_args *args = &store->args;
  call->cb.append = cb;
  call->with.n = n;
  redis_args_call(args, FUNCTION_FORWARD);
  redis_args_text(args, store->prefix);
  redis_args_u64(args, n);
  for (size_t i = 0; i < n; i++) {
    redis_args_text(args, worker);
    redis_args_u64(args, items[i].from);
    redis_args_stream_id(args, items[i].number);
    redis_args_u64(args, items[i].to);
    redis_args_bytes(args, items[i].batch);
  }
  store_call_send(call, "store.forward");
}
