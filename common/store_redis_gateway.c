/* What gateways ask of the Redis store, but for deliveries; see common/store_redis_call.h. */
#include "common/store_redis_call.h"

#include "common/mem.h"

static void warn(struct store_call *call, struct log_limit *limit, const char *event, const char *message) {
  if (message) log_limited(call->store->log, limit, LOG_LEVEL_WARN, event, F_S("message", message));
}

/* ---- open, renew, close ---- */

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
  redis_args_call(&store->args, FUNCTION_GATEWAY_OPEN);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, gateway);
  redis_args_bool(&store->args, again);
  redis_args_text(&store->args, address);
  redis_args_u64(&store->args, ttl_ms);
  store_redis_span(store);
  store_call_send(call, "store.gateway_open");
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
  } verdicts[] = {{"ok", STORE_APPENDED},
                  {"dup", STORE_APPENDED},
                  {"busy", STORE_BUSY},
                  {"gap", STORE_REFUSED},
                  {"clock", STORE_BEHIND}};
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

static void finish_append(struct store_call *call, enum store_result result, const char *message,
                          const struct redisReply *reply) {
  enum store_append_verdict *verdicts = NULL;
  size_t n = call->with.n;
  if (result == STORE_OK) {
    verdicts = store_redis_verdicts(reply, n);
    if (!verdicts) {
      result = STORE_BROKEN;
      message = store_bad_answer;
    }
  }
  warn(call, &call->store->logged.append, "append_refused", message);
  call->cb.append(call->arg, result, verdicts, result == STORE_OK ? n : 0);
  free(verdicts);
}

void store_redis_append(struct store *base, const char *gateway, uint64_t generation,
                        const struct store_append *appends, size_t n, store_append_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_append, true, arg);
  struct redis_args *args = &store->args;
  call->cb.append = cb;
  call->with.n = n;
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
  store_call_send(call, "store.append");
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
