/* What people ask of the Redis store, through the internal API; see common/store_redis_call.h. */
#include "common/store_redis_call.h"

static void finish_report(struct store_call *call, enum store_result result, const char *message,
                          const struct redisReply *reply) {
  struct bytes text = bytes_of_str(message ? message : "");
  if (result == STORE_OK && !redis_reply_bytes(reply, &text)) {
    result = STORE_BROKEN;
    text = bytes_of_str(store_bad_answer);
  }
  call->cb.report(call->arg, result, text);
}

void store_redis_report(struct store *base, enum store_report report, store_report_cb *cb, void *arg) {
  static const char *const functions[] = {[STORE_REPORT_WORKERS] = FUNCTION_WORKERS,
                                          [STORE_REPORT_PARTITIONS] = FUNCTION_PARTITIONS,
                                          [STORE_REPORT_GATEWAYS] = FUNCTION_GATEWAYS};
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_report, false, arg);
  call->cb.report = cb;
  redis_args_call(&store->args, functions[report]);
  redis_args_text(&store->args, "json");
  redis_args_text(&store->args, store->prefix);
  store_call_send(call, "store.report");
}

void store_redis_drain(struct store *base, const char *worker, bool drain, store_done_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_done(store, cb, arg);
  redis_args_call(&store->args, FUNCTION_DRAIN);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, worker);
  redis_args_bool(&store->args, drain);
  store_call_send(call, "store.drain");
}
