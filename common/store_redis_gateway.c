/* What gateways ask of the Redis store, but for deliveries; see common/store_redis_call.h. */
#include "common/store_redis_call.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>

static void warn(struct store_call *call, struct log_limit *limit, const char *event, const char *message) {
  if (message) log_limited(call->store->log, limit, LOG_LEVEL_WARN, event, F_S("message", message));
}

/* ---- open, renew, close ---- */

/* The gateway's hash is the fence of its appends. After each call that changes it. */
static void watch_gateway(struct store_redis *store) {
  store_fence_watch(store, store->gateway, "generation");
}

static void finish_open(struct store_call *call, enum store_result result, const char *message,
                        const struct redisReply *reply) {
  uint64_t generation = 0, *numbers = NULL;
  const struct store_redis *store = call->store;
  size_t n = store->options.partitions, here = store_redis_here(store);
  if (result == STORE_OK) {
    bool ok = redis_reply_count(reply) == here + 1 && redis_reply_u64(redis_reply_at(reply, 0), &generation);
    numbers = xcalloc(n, sizeof *numbers);
    for (size_t i = 0; ok && i < here; i++)
      ok = redis_reply_u64(redis_reply_at(reply, i + 1),
                           &numbers[i * store_redis_shards(store) + store->options.shard]);
    if (!ok) {
      result = STORE_BROKEN;
      message = store_bad_answer;
    }
  }
  warn(call, &call->store->logged.open, "gateway_open_refused", message);
  call->cb.open(call->arg, result, generation, numbers, result == STORE_OK ? n : 0);
  free(numbers);
}

void store_redis_gateway_open(struct store *base, const char *gateway, bool again, const char *address,
                              uint64_t ttl_ms, store_open_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_open, true, arg);
  call->cb.open = cb;
  if (!again) store_read_forget_handed(store);
  store->gateway = key_gateway(store->prefix, gateway);
  redis_args_call(&store->args, FUNCTION_GATEWAY_OPEN);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, gateway);
  redis_args_bool(&store->args, again);
  redis_args_text(&store->args, address);
  redis_args_u64(&store->args, ttl_ms);
  store_redis_span(store);
  store_call_send(call, "store.gateway_open");
  watch_gateway(store);
}

void store_redis_gateway_renew(struct store *base, const char *gateway, uint64_t generation, uint64_t ttl_ms,
                               store_done_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_done(store, cb, arg);
  redis_args_call(&store->args, FUNCTION_GATEWAY_RENEW);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, gateway);
  redis_args_u64(&store->args, generation);
  redis_args_u64(&store->args, ttl_ms);
  store_call_send(call, "store.gateway_renew");
  watch_gateway(store);
}

static void call_with_gateway(struct store *base, const char *function, const char *seam, const char *gateway,
                              store_done_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_done(store, cb, arg);
  redis_args_call(&store->args, function);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, gateway);
  store_call_send(call, seam);
}

void store_redis_gateway_close(struct store *base, const char *gateway, store_done_cb *cb, void *arg) {
  call_with_gateway(base, FUNCTION_GATEWAY_CLOSE, "store.gateway_close", gateway, cb, arg);
}

void store_redis_gateway_suspect(struct store *base, const char *gateway, store_done_cb *cb, void *arg) {
  call_with_gateway(base, FUNCTION_GATEWAY_SUSPECT, "store.gateway_suspect", gateway, cb, arg);
}

/* ---- append ---- */

static bool parse_verdict(const struct redisReply *word, enum store_append_verdict *out) {
  static const struct {
    const char *word;
    enum store_append_verdict verdict;
  } verdicts[] = {{"ok", STORE_APPENDED}, {"ample", STORE_APPENDED}, {"dup", STORE_APPENDED},
                  {"busy", STORE_BUSY},   {"gap", STORE_REFUSED},    {"clock", STORE_BEHIND}};
  for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
    if (!redis_reply_is(word, verdicts[i].word)) continue;
    *out = verdicts[i].verdict;
    return true;
  }
  return false;
}

enum store_append_verdict *store_redis_verdicts(const struct redisReply *reply, size_t n) {
  bool ok = redis_reply_count(reply) == n;
  enum store_append_verdict *verdicts = xcalloc(n, sizeof *verdicts);
  for (size_t i = 0; ok && i < n; i++) ok = parse_verdict(redis_reply_at(reply, i), &verdicts[i]);
  if (ok) return verdicts;
  free(verdicts);
  return NULL;
}

static void hand_out(struct store_call *call, enum store_result result, const char *message,
                     const enum store_append_verdict *verdicts) {
  warn(call, &call->store->logged.append, "append_refused", message);
  call->cb.append(call->arg, result, verdicts, result == STORE_OK ? call->with.n : 0);
}

static void finish_append(struct store_call *call, enum store_result result, const char *message,
                          const struct redisReply *reply) {
  struct store_redis *store = call->store;
  enum store_append_verdict *verdicts = NULL;
  if (result == STORE_OK) {
    verdicts = store_redis_verdicts(reply, call->with.n);
    if (!verdicts) {
      result = STORE_BROKEN;
      message = store_bad_answer;
    }
  }
  for (size_t i = 0; verdicts && i < call->with.n; i++) {
    const struct store_appended *item = &store->appended[i];
    store->known[item->partition].roomy = redis_reply_is(redis_reply_at(reply, i), "ample");
    store->known[item->partition].number = item->number;
  }
  hand_out(call, result, message, verdicts);
  free(verdicts);
}

/* ---- the same as a transaction ----
 * The generation is fenced (common/store_redis_fence.c), and while it stands nobody else counts the batches: the next
 * number is the one after the last. What is left to look at is whether the partition has room: of one that was half
 * full when it was last seen, or was not seen yet, or whose keys are damaged, the function decides. */

#define STEPS_OF_ITEM 3

static bool is_roomy(const struct store_limits *limits, const struct redisReply *bytes,
                     const struct redisReply *entries) {
  uint64_t n_bytes, n_entries;
  return redis_reply_u64(bytes, &n_bytes) && n_bytes <= limits->partition_bytes / 2 &&
         redis_reply_u64(entries, &n_entries) && n_entries <= limits->partition_entries / 2;
}

static enum store_append_verdict judge(struct store_redis *store, const struct store_appended *item,
                                       const struct redisReply *reply, size_t at) {
  struct store_known *known = &store->known[item->partition];
  struct stream_id id;
  known->number = item->number;
  known->roomy = is_roomy(&store->options.limits, redis_reply_at(reply, at + 1), redis_reply_at(reply, at + 2));
  if (redis_reply_stream_id(redis_reply_at(reply, at), &id)) return STORE_APPENDED;
  known->roomy = false; /* there is no such stream, or it is something else */
  return STORE_VANISHED;
}

static void finish_transaction(struct store_call *call, enum store_result result, const char *message,
                               const struct redisReply *reply) {
  struct store_redis *store = call->store;
  size_t n = call->with.n;
  if (!store_transaction_ended(call, &result, &message, reply, "store.append", finish_append)) {
    watch_gateway(store);
    return;
  }
  enum store_append_verdict *verdicts = xcalloc(n, sizeof *verdicts);
  for (size_t i = 0; result == STORE_OK && i < n; i++)
    verdicts[i] = judge(store, &store->appended[i], reply, i * STEPS_OF_ITEM);
  hand_out(call, result, message, verdicts);
  free(verdicts);
}

static void add_item(struct store_redis *store, const char *gateway, const struct store_append *item) {
  struct key commands = key_part_commands(store->prefix, item->partition);
  struct key bytes = key_part_bytes(store->prefix, item->partition);
  struct redis_args *args = store_transaction_command(store, "XADD", &commands);
  redis_args_text(args, "NOMKSTREAM");
  redis_args_text(args, "*");
  redis_args_text(args, "g");
  redis_args_text(args, gateway);
  redis_args_text(args, "m");
  redis_args_bytes(args, item->batch);
  store_transaction_add(store, STEP_APPEND, item->partition, "");
  args = store_transaction_command(store, "INCRBY", &bytes);
  redis_args_u64(args, item->batch.len);
  store_transaction_add(store, STEP_COUNT, item->partition, "");
  store_transaction_command(store, "XLEN", &commands);
  store_transaction_add(store, STEP_LENGTH, item->partition, "");
}

static void add_numbers(struct store_redis *store, const struct store_append *appends, size_t n) {
  struct redis_args *args = store_transaction_command(store, "HSET", &store->gateway);
  for (size_t i = 0; i < n; i++) {
    char name[16];
    int len = snprintf(name, sizeof name, "n:%" PRIu32, appends[i].partition);
    redis_args_copy(args, bytes_of(name, (size_t)len));
    redis_args_u64(args, appends[i].number);
  }
  store_transaction_add(store, STEP_NUMBERS, 0, "");
}

static bool can_be_transaction(const struct store_redis *store, uint64_t generation,
                               const struct store_append *appends, size_t n) {
  if (store->fence.value != generation) return false;
  for (size_t i = 0; i < n; i++) {
    const struct store_known *known = &store->known[appends[i].partition];
    if (!known->roomy || appends[i].batch.len > store->options.limits.partition_bytes / 2) return false;
    if (appends[i].number != known->number + 1) return false;
  }
  return true;
}

static void append_flatten(struct store_redis *store, const char *gateway, uint64_t generation,
                           const struct store_append *appends, size_t n) {
  struct redis_args *args = &store->args;
  redis_args_call(args, FUNCTION_APPEND);
  redis_args_text(args, store->prefix);
  redis_args_text(args, gateway);
  redis_args_u64(args, generation);
  redis_args_u64(args, store->options.limits.partition_entries);
  redis_args_u64(args, store->options.limits.partition_bytes);
  redis_args_u64(args, n);
  for (size_t i = 0; i < n; i++) {
    redis_args_u64(args, appends[i].partition);
    redis_args_u64(args, appends[i].number);
    redis_args_bool(args, appends[i].system);
    redis_args_bytes(args, appends[i].batch);
  }
  redis_args_finish(args);
}

/* For the answer: one append is under way at a time, and names each partition once. */
static void note_appended(struct store_redis *store, const struct store_append *appends, size_t n) {
  if (!store->appended) store->appended = xcalloc(store->options.partitions, sizeof *store->appended);
  for (size_t i = 0; i < n; i++)
    store->appended[i] = (struct store_appended){.partition = appends[i].partition, .number = appends[i].number};
}

void store_redis_append(struct store *base, const char *gateway, uint64_t generation,
                        const struct store_append *appends, size_t n, store_append_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_append, true, arg);
  call->cb.append = cb;
  call->with.n = n;
  note_appended(store, appends, n);
  append_flatten(store, gateway, generation, appends, n);
  if (!can_be_transaction(store, generation, appends, n) || !store_transaction_begin(call)) {
    store_call_send(call, "store.append");
    watch_gateway(store);
    return;
  }
  call->finish = finish_transaction;
  for (size_t i = 0; i < n; i++) add_item(store, gateway, &appends[i]);
  add_numbers(store, appends, n);
  store_transaction_send(call, "store.append");
}

/* ---- list ---- */

/* What the host says of it. */
static bool parse_config(const struct redisReply *row, struct store_list_row *out) {
  uint64_t password, spectators;
  out->title = redis_reply_string(redis_reply_at(row, 7));
  if (!out->title || !redis_reply_u64(redis_reply_at(row, 8), &password) ||
      !redis_reply_u64(redis_reply_at(row, 9), &spectators) || spectators > UINT32_MAX)
    return false;
  out->password = password != 0;
  out->spectators = (uint32_t)spectators;
  return true;
}

static bool parse_row(const struct redisReply *row, struct store_list_row *out, struct property *properties) {
  uint64_t members, max_members, kept;
  const struct redisReply *list = redis_reply_at(row, 6);
  struct room_id id;
  out->room = redis_reply_string(redis_reply_at(row, 0));
  out->status = redis_reply_string(redis_reply_at(row, 1));
  out->host = redis_reply_string(redis_reply_at(row, 2));
  if (!out->room || !out->status || !out->host || !room_id_parse(out->room, strlen(out->room), &id) ||
      !redis_reply_u64(redis_reply_at(row, 3), &members) || members > UINT32_MAX ||
      !redis_reply_u64(redis_reply_at(row, 4), &max_members) || max_members > UINT32_MAX ||
      !redis_reply_u64(redis_reply_at(row, 5), &out->created_ms) || !parse_config(row, out) ||
      !redis_reply_u64(redis_reply_at(row, 10), &kept) || kept > UINT32_MAX)
    return false;
  out->members = (uint32_t)members;
  out->max_members = (uint32_t)max_members;
  out->kept = (uint32_t)kept;
  out->properties = properties;
  for (size_t i = 0; i + 1 < redis_reply_count(list); i += 2) {
    struct property *property = &properties[out->n_properties];
    property->name = redis_reply_string(redis_reply_at(list, i));
    property->value = redis_reply_string(redis_reply_at(list, i + 1));
    if (property->name && property->value) out->n_properties++;
  }
  return true;
}

static void finish_list(struct store_call *call, enum store_result result, const char *message,
                        const struct redisReply *reply) {
  const struct redisReply *list = redis_reply_at(reply, 0);
  const char *after = redis_reply_string(redis_reply_at(reply, 1));
  size_t n = 0, n_properties = 0;
  uint64_t examined = 0;
  if (result == STORE_OK &&
      (!redis_reply_is_array(list) || !after || !redis_reply_u64(redis_reply_at(reply, 2), &examined))) {
    result = STORE_BROKEN;
    message = store_bad_answer;
    list = NULL;
  }
  for (size_t i = 0; i < redis_reply_count(list); i++)
    n_properties += redis_reply_count(redis_reply_at(redis_reply_at(list, i), 6)) / 2;
  struct store_list_row *rows = xcalloc(redis_reply_count(list), sizeof *rows);
  struct property *properties = xcalloc(n_properties, sizeof *properties);
  n_properties = 0;
  for (size_t i = 0; i < redis_reply_count(list); i++) {
    rows[n] = (struct store_list_row){0};
    if (!parse_row(redis_reply_at(list, i), &rows[n], properties + n_properties)) continue; /* not a room */
    n_properties += rows[n++].n_properties;
  }
  warn(call, &call->store->logged.list, "list_refused", message);
  call->cb.list(call->arg, result,
                &(struct store_list_page){
                    .rows = rows, .n = n, .after = result == STORE_OK ? after : "", .examined = examined});
  free(properties);
  free(rows);
}

void store_redis_list(struct store *base, const struct store_list *list, store_list_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_list, true, arg);
  struct redis_args *args = &store->args;
  call->cb.list = cb;
  redis_args_call(args, FUNCTION_LIST);
  redis_args_text(args, store->prefix);
  redis_args_text(args, list->kind);
  redis_args_bool(args, list->joinable);
  redis_args_u64(args, list->limit);
  redis_args_text(args, list->after ? list->after : "");
  redis_args_u64(args, list->n_where);
  for (size_t i = 0; i < list->n_where; i++) {
    redis_args_text(args, list->where[i].name);
    redis_args_text(args, list->where[i].value);
  }
  store_call_send(call, "store.list");
}
