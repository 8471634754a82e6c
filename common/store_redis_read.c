/* The blocking reads: commands of partitions (and news of released ones) for a worker, deliveries for a gateway. One
 * at a time, on the reads link.
 *
 * A blocked read is woken with CLIENT UNBLOCK on the other link. That may reach Redis before the read itself does,
 * and then answers 0: so it is sent again until the read is answered.
 *
 * DEL does not wake a blocked XREAD, and a stream that is gone looks like an empty one: so every read is bounded, and
 * a gateway finds out that it is dead from trimming and renewing. */
#include "common/store_redis_call.h"

#include "common/clock.h"
#include "common/mem.h"

#include <assert.h>

#define COUNT              32    /* entries of one stream in an answer; what a worker cannot take yet is read again */
#define BLOCK_MAX_MS       60000 /* whatever the caller says */
#define WAKE_AGAIN_S       0.001
#define TRIM_EVERY_US      100000 /* a gateway's stream is trimmed when so much time has passed, */
#define TRIM_EVERY_ENTRIES 16     /* or so many entries have been read, */
#define TRIM_EVERY_BYTES   65536  /* or bytes: each trim costs Redis as much as an append */

struct store_read {
  struct store_redis *store;
  store_read_cb *read;             /* or */
  store_deliveries_cb *deliveries; /* for a gateway */
  void *arg;
  bool waking;
  bool forgotten; /* of deliveries: of a gateway that is no more; nothing of it is noted */
  uint64_t block_ms;
  struct key events;      /* of deliveries: the stream; of read: the worker's control stream */
  struct stream_id after; /* of deliveries */
  size_t n_trimmed;       /* entries in the trim under way */
  size_t n;
  uint32_t partitions[]; /* of read: in the order they were asked for */
};

/* ---- taking answers apart ---- */

/* The value of a field in an entry's flat list; an empty view when there is none. */
static struct bytes field_of(const struct redisReply *fields, const char *name) {
  struct bytes value = {0};
  for (size_t i = 0; i + 1 < redis_reply_count(fields); i += 2)
    if (redis_reply_is(redis_reply_at(fields, i), name) && redis_reply_bytes(redis_reply_at(fields, i + 1), &value))
      return value;
  return (struct bytes){0};
}

/* Which of the partitions asked for a key of the answer belongs to. Streams are answered in the order they were asked
 * for, those without entries are left out: `at` is where to look on. */
static bool partition_of(const struct store_read *read, const struct redisReply *key, size_t *at, uint32_t *out) {
  for (; *at < read->n; ++*at) {
    struct key expected = key_part_commands(read->store->prefix, read->partitions[*at]);
    if (!redis_reply_is(key, expected.text)) continue;
    *out = read->partitions[(*at)++];
    return true;
  }
  return false;
}

static size_t count_entries(const struct redisReply *streams) {
  size_t n = 0;
  for (size_t i = 0; i < redis_reply_count(streams); i++)
    n += redis_reply_count(redis_reply_at(redis_reply_at(streams, i), 1));
  return n;
}

/* An entry without our fields keeps its place, with an empty batch, so that the reader gets past it. */
static size_t parse_entries(const struct store_read *read, const struct redisReply *streams,
                            struct store_entry *entries) {
  size_t n = 0, at = 0;
  for (size_t i = 0; i < redis_reply_count(streams); i++) {
    const struct redisReply *stream = redis_reply_at(streams, i), *list = redis_reply_at(stream, 1);
    uint32_t partition;
    if (!partition_of(read, redis_reply_at(stream, 0), &at, &partition)) continue;
    for (size_t j = 0; j < redis_reply_count(list); j++) {
      const struct redisReply *entry = redis_reply_at(list, j), *fields = redis_reply_at(entry, 1);
      struct store_entry *out = &entries[n];
      if (!redis_reply_stream_id(redis_reply_at(entry, 0), &out->id)) continue;
      out->partition = partition;
      out->sender = field_of(fields, "g");
      out->batch = field_of(fields, "m");
      if (!out->sender.len) out->batch = (struct bytes){0};
      n++;
    }
  }
  return n;
}

static uint64_t newest_entry_ms(const struct store_entry *entries, size_t n) {
  uint64_t newest_ms = 0;
  for (size_t i = 0; i < n; i++)
    if (entries[i].id.ms > newest_ms) newest_ms = entries[i].id.ms;
  return newest_ms;
}

/* Partitions that others released for this worker: hints, so what cannot be one is passed over. */
static void hand_out_freed(struct store_redis *store, const struct redisReply *list) {
  for (size_t i = 0; i < redis_reply_count(list); i++) {
    const struct redisReply *entry = redis_reply_at(list, i), *fields = redis_reply_at(entry, 1);
    uint64_t partition, epoch;
    struct stream_id id;
    if (!redis_reply_stream_id(redis_reply_at(entry, 0), &id)) continue;
    store->control_after = id;
    if (redis_reply_u64(redis_reply_at(fields, 1), &partition) && partition < store->options.partitions &&
        redis_reply_u64(redis_reply_at(fields, 3), &epoch) && store->base.on_freed)
      store->base.on_freed(store->base.on_ready_arg, (uint32_t)partition, epoch);
  }
}

static void hand_out_control(const struct store_read *read, const struct redisReply *streams) {
  for (size_t i = 0; i < redis_reply_count(streams); i++) {
    const struct redisReply *stream = redis_reply_at(streams, i);
    if (redis_reply_is(redis_reply_at(stream, 0), read->events.text))
      hand_out_freed(read->store, redis_reply_at(stream, 1));
  }
}

static size_t parse_deliveries(const struct redisReply *streams, struct store_delivery *deliveries) {
  const struct redisReply *list = redis_reply_at(redis_reply_at(streams, 0), 1);
  size_t n = 0;
  for (size_t i = 0; i < redis_reply_count(list); i++) {
    const struct redisReply *entry = redis_reply_at(list, i);
    if (!redis_reply_stream_id(redis_reply_at(entry, 0), &deliveries[n].id)) continue;
    deliveries[n++].deliveries = field_of(redis_reply_at(entry, 1), "m");
  }
  return n;
}

/* ---- one read ---- */

/* Notes what is about to be handed out, so that trimming can say how many bytes it was. */
static void note_handed(struct store_redis *store, const struct store_delivery *deliveries, size_t n) {
  if (store->n_handed + n > store->cap_handed) {
    store->cap_handed = (store->n_handed + n) * 2;
    store->handed = xrealloc(store->handed, store->cap_handed * sizeof *store->handed);
  }
  for (size_t i = 0; i < n; i++)
    store->handed[store->n_handed++] =
        (struct store_handed){.id = deliveries[i].id, .bytes = deliveries[i].deliveries.len};
}

static void read_finish(struct store_read *read, enum store_result result, const struct redisReply *streams) {
  struct store_redis *store = read->store;
  size_t n = count_entries(streams);
  ev_timer_stop(store->loop, &store->wake_timer);
  store->read = NULL; /* the callback may begin the next one */
  buf_clear(&store->scratch);
  struct buf scratch = store->scratch; /* and needs another buffer then */
  store->scratch = (struct buf){0};
  if (read->read) {
    struct store_entry *entries = (void *)buf_reserve(&scratch, (n + 1) * sizeof *entries);
    n = parse_entries(read, streams, entries);
    if (result == STORE_OK) store_clock_read(store, newest_entry_ms(entries, n));
    hand_out_control(read, streams);
    read->read(read->arg, result, entries, n);
  } else {
    struct store_delivery *deliveries = (void *)buf_reserve(&scratch, (n + 1) * sizeof *deliveries);
    n = parse_deliveries(streams, deliveries);
    if (!read->forgotten) note_handed(store, deliveries, n);
    if (result == STORE_OK) store_clock_read(store, n > 0 ? deliveries[n - 1].id.ms : 0);
    read->deliveries(read->arg, result, deliveries, n);
  }
  buf_close(&store->scratch);
  store->scratch = scratch;
  free(read);
}

static void on_read(void *arg, const struct redisReply *reply) {
  struct store_read *read = arg;
  const char *message;
  enum store_result result = store_redis_judge(read->store, reply, false, &message);
  if (message)
    log_limited(read->store->log, &read->store->logged.read, LOG_LEVEL_ERROR, "read_refused",
                F_S("message", message));
  read_finish(read, result, result == STORE_OK ? reply : NULL);
}

static void begin_xread(struct store_read *read) {
  struct redis_args *args = &read->store->args;
  redis_args_clear(args);
  redis_args_text(args, "XREAD");
  redis_args_text(args, "COUNT");
  redis_args_u64(args, COUNT);
  if (read->block_ms) { /* BLOCK 0 would be for ever */
    redis_args_text(args, "BLOCK");
    redis_args_u64(args, read->block_ms);
  }
  redis_args_text(args, "STREAMS");
}

static void send_xread(struct store_read *read) {
  struct store_redis *store = read->store;
  redis_args_finish(&store->args);
  store_send(store, store->reads, read->read ? "store.read" : "store.deliveries", read->block_ms, on_read, read);
}

static struct store_read *read_new(struct store_redis *store, size_t n, uint64_t block_ms, void *arg) {
  struct store_read *read = xmalloc(sizeof *read + n * sizeof *read->partitions);
  assert(!store->read); /* one at a time */
  *read = (struct store_read){
      .store = store, .arg = arg, .n = n, .block_ms = block_ms < BLOCK_MAX_MS ? block_ms : BLOCK_MAX_MS};
  store->read = read;
  return read;
}

void store_redis_read(struct store *base, const char *worker, const struct store_position *positions, size_t n,
                      uint64_t block_ms, store_read_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_read *read = read_new(store, n, block_ms, arg);
  read->read = cb;
  read->events = key_worker_control(store->prefix, worker);
  for (size_t i = 0; i < n; i++) read->partitions[i] = positions[i].partition;
  if (!store->was_ready) {
    redis_link_refuse(store->reads, on_read, read);
    return;
  }
  begin_xread(read);
  for (size_t i = 0; i < n; i++) {
    struct key key = key_part_commands(store->prefix, positions[i].partition);
    redis_args_copy(&store->args, key_bytes(&key));
  }
  redis_args_bytes(&store->args, key_bytes(&read->events));
  for (size_t i = 0; i < n; i++) redis_args_stream_id(&store->args, positions[i].after);
  redis_args_stream_id(&store->args, store->control_after);
  send_xread(read);
}

/* ---- deliveries ---- */

void store_read_forget_handed(struct store_redis *store) {
  store->n_handed = 0;
  store->trim_unsure = false;
  if (store->read) store->read->forgotten = true; /* its answer is still to come */
}

static void read_deliveries(struct store_read *read) {
  struct store_redis *store = read->store;
  begin_xread(read);
  redis_args_bytes(&store->args, key_bytes(&read->events));
  redis_args_stream_id(&store->args, read->after);
  send_xread(read);
}

static void on_trimmed(void *arg, const struct redisReply *reply) {
  struct store_read *read = arg;
  struct store_redis *store = read->store;
  const char *message;
  enum store_result result = store_redis_judge(store, reply, true, &message);
  if (!read->forgotten) store->trim_unsure = result == STORE_LOST;
  if (result == STORE_OK && !store->was_ready) result = STORE_LOST; /* the reads link is down */
  if (!read->forgotten && !store->trim_unsure) {
    store->n_handed -= read->n_trimmed;
    memmove(store->handed, store->handed + read->n_trimmed, store->n_handed * sizeof *store->handed);
  }
  if (message) log_limited(store->log, &store->logged.trim, LOG_LEVEL_WARN, "trim_refused", F_S("message", message));
  if (result != STORE_OK) {
    read_finish(read, result, NULL);
  } else if (read->waking) {
    read_finish(read, STORE_OK, NULL);
  } else {
    read_deliveries(read);
  }
}

/* How many of the entries handed out are read for good, and their bytes. The rest will be read again. */
static uint64_t settle_handed(struct store_redis *store, struct stream_id after, size_t *n) {
  uint64_t bytes = 0;
  for (*n = 0; *n < store->n_handed && stream_id_compare(store->handed[*n].id, after) <= 0; ++*n)
    bytes += store->handed[*n].bytes;
  store->n_handed = *n;
  return bytes;
}

/* A trim whose answer was lost is repeated for the same entries before more are read: the function counts their bytes
 * only when it removes them, so nothing is subtracted twice. */
void store_redis_deliveries(struct store *base, const char *gateway, struct stream_id after, uint64_t block_ms,
                            store_deliveries_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_read *read = read_new(store, 0, block_ms, arg);
  read->deliveries = cb;
  read->events = key_gateway_events(store->prefix, gateway);
  read->after = after;
  if (!store->was_ready) {
    redis_link_refuse(store->reads, on_read, read);
    return;
  }
  uint64_t bytes = settle_handed(store, after, &read->n_trimmed);
  uint64_t now_us = clock_monotonic_us();
  if (read->n_trimmed == 0 || (!store->trim_unsure && read->n_trimmed < TRIM_EVERY_ENTRIES &&
                               bytes < TRIM_EVERY_BYTES && now_us - store->trimmed_us < TRIM_EVERY_US)) {
    read_deliveries(read);
    return;
  }
  store->trimmed_us = now_us;
  redis_args_call(&store->args, FUNCTION_GATEWAY_TRIM);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, gateway);
  redis_args_stream_id(&store->args, after);
  redis_args_u64(&store->args, bytes);
  redis_args_finish(&store->args);
  store_send(store, store->commands, "store.trim", 0, on_trimmed, read);
}

/* ---- waking ---- */

static void on_unblocked(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  int64_t woken = 0;
  if (!store->read || !store->read->waking || !reply) return; /* no reply: again when ready */
  if (redis_reply_i64(reply, &woken) && woken != 0) return;
  ev_timer_stop(store->loop, &store->wake_timer);
  ev_timer_set(&store->wake_timer, WAKE_AGAIN_S, 0.);
  ev_timer_start(store->loop, &store->wake_timer);
}

static void send_unblock(struct store_redis *store) {
  if (!store->was_ready) return;
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "CLIENT");
  redis_args_text(&store->args, "UNBLOCK");
  redis_args_u64(&store->args, store->reads_id);
  redis_args_finish(&store->args);
  redis_link_call(store->commands, store->args.n, store->args.argv, store->args.argvlen, on_unblocked, store);
}

void store_read_wake_again(struct ev_loop *loop, ev_timer *timer, int events) {
  struct store_redis *store = timer->data;
  (void)loop, (void)events;
  if (store->read && store->read->waking) send_unblock(store);
}

void store_redis_read_wake(struct store *base) {
  struct store_redis *store = store_redis_of(base);
  if (!store->read || store->read->waking) return;
  store->read->waking = true;
  send_unblock(store);
}

void store_read_ready(struct store_redis *store) {
  if (store->read && store->read->waking) send_unblock(store);
}

void store_read_destroy(struct store_redis *store) {
  ev_timer_stop(store->loop, &store->wake_timer);
  free(store->read);
  store->read = NULL;
}
