/* The Redis store's life and table; see common/store_redis.h. */
#include "common/store_redis_call.h"

#include "common/clock.h"
#include "common/mem.h"

#include <stdio.h>
#include <sys/random.h>

#define CONNECT_TIMEOUT_MS 2000
#define REPLY_TIMEOUT_MS   5000

const struct metric_row store_redis_metric_rows[STORE_REDIS_METRICS] = {
    {.name = "heya_redis_clock_ahead_ms",
     .type = METRIC_GAUGE,
     .offset = offsetof(struct store_redis_metrics, clock_ahead_ms),
     .help = "By how much stream ids are ahead of Redis's clock; much more than 0 when that was set back."},
};

/* ---- small entries of the table ---- */

static bool is_ready(const struct store *base) {
  return store_redis_of(base)->was_ready;
}

static uint64_t now_ms(const struct store *base, uint32_t partition) {
  (void)partition; /* it is here */
  return store_clock_now_ms(&store_redis_of(base)->clock, clock_monotonic_us());
}

static uint64_t monotonic_us(const struct store *base) {
  (void)base;
  return clock_monotonic_us();
}

static void fill_random(struct store *base, void *out, size_t n) {
  unsigned char *at = out;
  (void)base;
  while (n > 0) {
    ssize_t got = getrandom(at, n < 256 ? n : 256, 0);
    if (got < 0) continue; /* EINTR: nothing else can happen to 256 bytes */
    at += got;
    n -= (size_t)got;
  }
}

const char *store_redis_refusal(const struct store *base) {
  return store_redis_of(base)->refusal;
}

/* ---- life ---- */

static void commands_up(void *arg) {
  store_setup_begin(arg);
}

static void commands_down(void *arg) {
  struct store_redis *store = arg;
  store->loaded = false;
  store->commands_run[0] = '\0';
  store_fence_forget(store);
  store_redis_update_ready(store);
}

static void reads_up(void *arg) {
  store_setup_reads(arg);
}

static void reads_down(void *arg) {
  struct store_redis *store = arg;
  store->reads_id = 0;
  store->reads_run[0] = '\0';
  store_redis_update_ready(store);
}

static void destroy(struct store *base) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call;
  redis_link_destroy(store->commands);
  redis_link_destroy(store->reads);
  ev_timer_stop(store->loop, &store->rest_timer);
  store_delayed_destroy(store);
  store_read_destroy(store);
  while ((call = TAILQ_FIRST(&store->calls))) {
    TAILQ_REMOVE(&store->calls, call, entry);
    if (call->discard) call->discard(call);
    free(call);
  }
  redis_args_close(&store->args);
  store_commit_close(store);
  store_transaction_close(store);
  free(store->appended);
  buf_close(&store->scratch);
  free(store->handed);
  free(store->load_error);
  free(store->refusal);
  free(store);
}

static const struct store_ops ops = {
    .destroy = destroy,
    .ready = is_ready,
    .now_ms = now_ms,
    .monotonic_us = monotonic_us,
    .random = fill_random,
    .init = store_redis_init,
    .renew = store_redis_renew,
    .retire = store_redis_retire,
    .suspect = store_redis_suspect,
    .claim = store_redis_claim,
    .blame = store_redis_blame,
    .release = store_redis_release,
    .load = store_redis_load,
    .read = store_redis_read,
    .read_wake = store_redis_read_wake,
    .commit = store_redis_commit,
    .outbox = store_redis_outbox,
    .forward = store_redis_forward,
    .gateway_open = store_redis_gateway_open,
    .gateway_renew = store_redis_gateway_renew,
    .gateway_close = store_redis_gateway_close,
    .gateway_suspect = store_redis_gateway_suspect,
    .append = store_redis_append,
    .deliveries = store_redis_deliveries,
    .list = store_redis_list,
    .report = store_redis_report,
    .drain = store_redis_drain,
};

struct store *store_redis_create(struct ev_loop *loop, const struct store_redis_options *options, struct log *log,
                                 char *error, size_t error_size) {
  struct redis_url url;
  if (!redis_url_parse(options->url, &url, error, error_size)) return NULL;
  if (!key_prefix_is_valid(options->prefix)) {
    snprintf(error, error_size, "the prefix may have up to %d of A-Z a-z 0-9 _ . : { } -", KEY_PREFIX_MAX);
    return NULL;
  }
  struct store_redis *store = xmalloc(sizeof *store);
  *store = (struct store_redis){.base.ops = &ops, .loop = loop, .log = log, .options = *options};
  store->options.url = NULL;
  store->options.prefix = NULL;
  snprintf(store->prefix, sizeof store->prefix, "%s", options->prefix);
  store->known = xcalloc(options->partitions, sizeof *store->known);
  store->clock.limit.per_second = 1;
  TAILQ_INIT(&store->calls);
  TAILQ_INIT(&store->delayed);
  ev_timer_init(&store->delay_timer, store_delayed_due, 0., 0.);
  ev_timer_init(&store->wake_timer, store_read_wake_again, 0., 0.);
  ev_timer_init(&store->rest_timer, store_setup_rested, 0., 0.);
  store->delay_timer.data = store->wake_timer.data = store->rest_timer.data = store;
  struct redis_link_options link = {
      .url = url,
      .name = "commands",
      .connect_timeout_ms = CONNECT_TIMEOUT_MS,
      .reply_timeout_ms = options->reply_timeout_ms ? options->reply_timeout_ms : REPLY_TIMEOUT_MS,
      .on_up = commands_up,
      .on_down = commands_down,
      .arg = store,
  };
  store->commands = redis_link_create(loop, &link, log);
  link.name = "reads";
  link.on_up = reads_up;
  link.on_down = reads_down;
  store->reads = redis_link_create(loop, &link, log);
  return &store->base;
}
