/* Transactions in place of functions; see common/store_redis_call.h.
 *
 * A function looks whether its caller may write, and writes. What it wrote as plain commands is much cheaper in a
 * transaction (Lua hashes every byte that passes through it), but a transaction cannot look. So a function looks
 * once, and tells the value of one key that would change if it had to find otherwise; that key is watched (WATCH),
 * read, and holds that value; then nothing has changed until EXEC, or EXEC answers nil and nothing was done. Then, as
 * after any other refusal, the function is called after all, with the arguments that it would have been called with.
 *
 * The connection has one such key: heya:owners for a worker, its own hash for a gateway. */
#include "common/store_redis_call.h"

#include "common/mem.h"

#define KEEP_BYTES (1u << 20) /* of the arguments kept for the function, for next time */

/* ---- the fence ---- */

static void on_nothing(void *arg, const struct redisReply *reply) {
  (void)arg, (void)reply;
}

static void say(struct store_redis *store, redis_link_cb *cb) {
  redis_args_finish(&store->args);
  store_send(store, store->commands, "store.transaction", 0, cb, store);
}

static void on_watching(void *arg, const struct redisReply *reply) {
  ((struct store_redis *)arg)->fence.is_watched = redis_reply_is(reply, "OK");
}

/* Only the answer to the last question is about the watch that is in force. What cannot be read is not known; then
 * functions are called. */
static void on_value(void *arg, const struct redisReply *reply) {
  struct store_fence *fence = &((struct store_redis *)arg)->fence;
  fence->value = 0;
  if (--fence->asked > 0 || !fence->is_watched) return;
  if (!redis_reply_u64(reply, &fence->value)) fence->value = 0;
}

static void watch(struct store_redis *store) {
  struct store_fence *fence = &store->fence;
  struct redis_args *args = &store->args;
  fence->value = 0;
  fence->asked++;
  redis_args_clear(args);
  redis_args_text(args, "WATCH");
  redis_args_bytes(args, key_bytes(&fence->key));
  say(store, on_watching);
  redis_args_clear(args);
  redis_args_text(args, fence->field ? "HGET" : "GET");
  redis_args_bytes(args, key_bytes(&fence->key));
  if (fence->field) redis_args_text(args, fence->field);
  say(store, on_value);
}

void store_fence_watch(struct store_redis *store, struct key key, const char *field) {
  store->fence.key = key;
  store->fence.field = field;
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "UNWATCH"); /* and whatever has happened to the key meanwhile is forgotten */
  say(store, on_nothing);
  watch(store);
}

void store_fence_forget(struct store_redis *store) {
  store->fence.value = 0;
  memset(store->known, 0, store->options.partitions * sizeof *store->known);
}

/* ---- a transaction ---- */

bool store_transaction_begin(struct store_call *call) {
  struct store_redis *store = call->store;
  struct store_transaction *transaction = &store->transaction;
  struct redis_args *function = &transaction->function;
  if (!store->was_ready || !store->fence.value || transaction->call) return false;
  transaction->call = call;
  transaction->n_steps = 0;
  buf_clear(&transaction->names);
  redis_args_clear(function);
  for (size_t i = 0; i < store->args.n; i++)
    redis_args_copy(function, bytes_of(store->args.argv[i], store->args.argvlen[i]));
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "MULTI");
  say(store, on_nothing);
  return true;
}

struct redis_args *store_transaction_command(struct store_redis *store, const char *command, const struct key *key) {
  redis_args_clear(&store->args);
  redis_args_text(&store->args, command);
  redis_args_bytes(&store->args, key_bytes(key));
  return &store->args;
}

void store_transaction_add(struct store_redis *store, enum store_step_of what, uint32_t partition, const char *name) {
  struct store_transaction *transaction = &store->transaction;
  if (transaction->n_steps == transaction->cap_steps) {
    transaction->cap_steps = transaction->cap_steps ? transaction->cap_steps * 2 : 64;
    transaction->steps = xrealloc(transaction->steps, transaction->cap_steps * sizeof *transaction->steps);
  }
  transaction->steps[transaction->n_steps++] =
      (struct store_step){.of = what, .partition = partition, .name = transaction->names.len};
  buf_append(&transaction->names, name, strlen(name) + 1);
  say(store, on_nothing);
}

const char *store_step_name(const struct store_redis *store, const struct store_step *step) {
  return (const char *)store->transaction.names.data + step->name;
}

void store_transaction_send(struct store_call *call, const char *seam) {
  redis_args_clear(&call->store->args);
  redis_args_text(&call->store->args, "EXEC");
  store_call_send(call, seam);
  watch(call->store);
}

bool store_transaction_ended(struct store_call *call, enum store_result *result, const char **message,
                             const struct redisReply *reply, const char *seam, store_finish *finish) {
  struct store_redis *store = call->store;
  struct store_transaction *transaction = &store->transaction;
  bool nothing = *message ? strncmp(*message, "EXECABORT ", 10) == 0 : redis_reply_is_nil(reply);
  transaction->call = NULL;
  if (!nothing) {
    if (transaction->function.numbers.cap > KEEP_BYTES) redis_args_close(&transaction->function);
    if (*result == STORE_OK && redis_reply_count(reply) != transaction->n_steps) {
      *result = STORE_BROKEN;
      *message = store_bad_answer;
    }
    return true;
  }
  struct redis_args args = store->args; /* the function's are all copied: nobody else's bytes are needed */
  store->args = transaction->function;
  transaction->function = args;
  call->finish = finish;
  store_call_send(call, seam);
  return false;
}

void store_transaction_close(struct store_redis *store) {
  redis_args_close(&store->transaction.function);
  buf_close(&store->transaction.names);
  free(store->transaction.steps);
  free(store->known);
}
