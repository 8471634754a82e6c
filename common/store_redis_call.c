/* One call to Redis and what its answer means; see common/store_redis_call.h. */
#include "common/store_redis_call.h"

#include "common/clock.h"
#include "common/mem.h"

#include <stdio.h>

const char store_bad_answer[] = "unexpected answer from a Redis function";

/* ---- what an answer means ---- */

struct meaning {
  const char *prefix;
  enum store_result result;
};

/* Said by proto/heya.lua, always before it wrote anything. */
static const struct meaning own_meanings[] = {
    {"GONE ", STORE_GONE},       {"DENIED ", STORE_DENIED},    {"BADCALL ", STORE_FAILED},
    {"WRONGKEY ", STORE_FAILED}, {"WRONGROOM ", STORE_FAILED}, {"SELFTEST ", STORE_FAILED},
};

/* Said by Redis instead of running the function at all. Errors from inside a function may begin the same (NOPERM of a
 * command in its middle), but carry its name: see ran_half. LOST: this server cannot serve us; reconnecting loads the
 * functions again, and tries until it can. */
static const struct meaning passing_refusals[] = {
    {"OOM ", STORE_FULL},
    {"LOADING ", STORE_LOST},
    {"READONLY ", STORE_LOST},
    {"MASTERDOWN ", STORE_LOST},
    {"UNBLOCKED ", STORE_LOST}, /* a blocking read: the master has become a replica */
    {"ERR Function not found", STORE_LOST},
    {"ERR max number of clients", STORE_LOST},
    {"BUSY ", STORE_FAILED},       /* somebody's script runs for too long */
    {"MISCONF ", STORE_FAILED},    /* cannot persist */
    {"NOREPLICAS ", STORE_FAILED}, /* min-replicas-to-write */
};
/* These stay until somebody changes the configuration. */
static const struct meaning lasting_refusals[] = {
    {"NOPERM ", STORE_FAILED},
    {"NOAUTH ", STORE_FAILED},
    {"ERR unknown command", STORE_FAILED},
};
#define N_OF(table) (sizeof(table) / sizeof *(table))

static const struct meaning *meaning_of(const char *text, const struct meaning *from, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strncmp(text, from[i].prefix, strlen(from[i].prefix)) == 0) return &from[i];
  return NULL;
}

/* Redis ends an error from inside a function with " script: <function>, on ...". */
static bool ran_half(const char *text) {
  return strstr(text, " script: ") != NULL;
}

enum store_result store_redis_result(const struct redisReply *reply, bool writes, const char **message) {
  struct bytes error;
  const struct meaning *meaning;
  *message = NULL;
  if (!reply) return STORE_LOST;
  if (!redis_reply_error(reply, &error)) return STORE_OK;
  const char *text = error.data;
  *message = text;
  meaning = meaning_of(text, own_meanings, N_OF(own_meanings));
  if (!meaning && !ran_half(text)) meaning = meaning_of(text, passing_refusals, N_OF(passing_refusals));
  if (!meaning && !ran_half(text)) meaning = meaning_of(text, lasting_refusals, N_OF(lasting_refusals));
  if (meaning) return meaning->result;
  return writes ? STORE_BROKEN : STORE_FAILED;
}

bool store_redis_passes(const char *message) {
  return !ran_half(message) && meaning_of(message, passing_refusals, N_OF(passing_refusals));
}

void store_redis_note_refusal(struct store_redis *store, const char *message) {
  free(store->refusal);
  store->refusal = message ? xstrdup(message) : NULL;
}

enum store_result store_redis_judge(struct store_redis *store, const struct redisReply *reply, bool writes,
                                    const char **message) {
  enum store_result result = store_redis_result(reply, writes, message);
  if (result == STORE_LOST && reply) {
    store_redis_note_refusal(store, *message);
    redis_link_drop(store->commands, *message);
  }
  return result;
}

/* ---- sending, and failpoints ---- */

/* A command held back by a failpoint. */
struct store_delayed {
  TAILQ_ENTRY(store_delayed) entry;
  uint64_t due_us; /* on the monotonic clock */
  struct redis_link *link;
  const char *seam;
  uint64_t block_ms;
  redis_link_cb *cb;
  void *arg;
  struct redis_args args; /* every argument copied */
};

static void send_now(struct store_redis *store, struct redis_link *link, const char *seam, uint64_t block_ms,
                     struct redis_args *args, redis_link_cb *cb, void *arg) {
  redis_link_call_blocking(link, block_ms, args->n, args->argv, args->argvlen, cb, arg);
  if (failpoint_hit(store->options.failpoints, seam)) redis_link_drop(link, "failpoint");
}

static void delayed_arm(struct store_redis *store) {
  struct store_delayed *first = TAILQ_FIRST(&store->delayed);
  uint64_t now_us = clock_monotonic_us();
  if (!first) return;
  ev_timer_stop(store->loop, &store->delay_timer);
  ev_timer_set(&store->delay_timer, first->due_us > now_us ? (double)(first->due_us - now_us) / 1e6 : 0., 0.);
  ev_timer_start(store->loop, &store->delay_timer);
}

void store_delayed_due(struct ev_loop *loop, ev_timer *timer, int events) {
  struct store_redis *store = timer->data;
  struct store_delayed *delayed;
  (void)loop, (void)events;
  while ((delayed = TAILQ_FIRST(&store->delayed)) && delayed->due_us <= clock_monotonic_us()) {
    TAILQ_REMOVE(&store->delayed, delayed, entry);
    send_now(store, delayed->link, delayed->seam, delayed->block_ms, &delayed->args, delayed->cb, delayed->arg);
    redis_args_close(&delayed->args);
    free(delayed);
  }
  delayed_arm(store);
}

void store_send(struct store_redis *store, struct redis_link *link, const char *seam, uint64_t block_ms,
                redis_link_cb *cb, void *arg) {
  uint64_t delay_us = failpoint_delay_us(store->options.failpoints, seam);
  if (!delay_us && TAILQ_EMPTY(&store->delayed)) {
    send_now(store, link, seam, block_ms, &store->args, cb, arg);
    return;
  }
  const struct store_delayed *last = TAILQ_LAST(&store->delayed, store_delayed_list);
  uint64_t due_us = clock_monotonic_us() + delay_us;
  struct store_delayed *delayed = xmalloc(sizeof *delayed);
  *delayed = (struct store_delayed){.due_us = last && last->due_us > due_us ? last->due_us : due_us,
                                    .link = link,
                                    .seam = seam,
                                    .block_ms = block_ms,
                                    .cb = cb,
                                    .arg = arg};
  for (size_t i = 0; i < store->args.n; i++)
    redis_args_copy(&delayed->args, bytes_of(store->args.argv[i], store->args.argvlen[i]));
  redis_args_finish(&delayed->args);
  TAILQ_INSERT_TAIL(&store->delayed, delayed, entry);
  delayed_arm(store);
}

void store_delayed_destroy(struct store_redis *store) {
  struct store_delayed *delayed;
  ev_timer_stop(store->loop, &store->delay_timer);
  while ((delayed = TAILQ_FIRST(&store->delayed))) {
    TAILQ_REMOVE(&store->delayed, delayed, entry);
    redis_args_close(&delayed->args);
    free(delayed);
  }
}

/* ---- calls ---- */

struct store_call *store_call_new(struct store_redis *store, store_finish *finish, bool writes, void *arg) {
  struct store_call *call = xmalloc(sizeof *call);
  *call = (struct store_call){.store = store, .finish = finish, .writes = writes, .arg = arg};
  TAILQ_INSERT_TAIL(&store->calls, call, entry);
  return call;
}

void store_call_end(struct store_call *call) {
  call->sent_again = false;
  if (call->finishing) return; /* on_answer frees it */
  TAILQ_REMOVE(&call->store->calls, call, entry);
  free(call);
}

static void on_answer(void *arg, const struct redisReply *reply) {
  struct store_call *call = arg;
  const char *message;
  enum store_result result = store_redis_judge(call->store, reply, call->writes, &message);
  call->sent_again = false;
  call->finishing = true;
  call->finish(call, result, message, result == STORE_OK ? reply : NULL);
  call->finishing = false;
  if (!call->sent_again) store_call_end(call);
}

void store_call_send(struct store_call *call, const char *seam) {
  struct store_redis *store = call->store;
  call->sent_again = true;
  call->sent_us = clock_monotonic_us();
  if (!store->was_ready) {
    redis_link_refuse(store->commands, on_answer, call);
    return;
  }
  redis_args_finish(&store->args);
  store_send(store, store->commands, seam, 0, on_answer, call);
}

static void finish_done(struct store_call *call, enum store_result result, const char *message,
                        const struct redisReply *reply) {
  (void)reply;
  struct store_redis *store = call->store;
  if (message)
    log_limited(store->log, &store->logged.call, LOG_LEVEL_WARN, "store_call_refused", F_S("message", message));
  call->cb.done(call->arg, result);
}

void store_redis_span(struct store_redis *store) {
  const struct store_redis_options *options = &store->options;
  char span[64];
  int len = snprintf(span, sizeof span, "%u", (unsigned)options->partitions);
  if (store_redis_shards(store) > 1)
    len += snprintf(span + len, sizeof span - (size_t)len, " %u %u", (unsigned)options->shards,
                    (unsigned)options->shard);
  redis_args_copy(&store->args, bytes_of(span, (size_t)len));
}

struct store_call *store_call_done(struct store_redis *store, store_done_cb *done, void *arg) {
  struct store_call *call = store_call_new(store, finish_done, true, arg);
  call->cb.done = done;
  return call;
}
