/* Redis's clock: what this process takes it for, and the alarm when it is not to be trusted.
 *
 * Rooms go by the ids of streams, which are Redis's clock but for one thing: they never go back. When the clock does,
 * ids stand still until it has caught up, and all deadlines are late by as much. When it jumps ahead, leases and
 * rooms end early. Nothing can be done about either here but to say so: in the log, and by a gauge. */
#include "common/store_redis_call.h"

#include "common/clock.h"

#define SAMPLE_LIFE_US 60000000 /* after which any newer measurement is better: clocks drift, and step */
#define ALARM_MS       1000

static uint64_t raw_now_ms(const struct store_clock *clock, uint64_t monotonic_us) {
  int64_t now_us = (int64_t)monotonic_us + clock->offset_us;
  return now_us > 0 ? (uint64_t)now_us / 1000 : 0;
}

uint64_t store_clock_now_ms(const struct store_clock *clock, uint64_t monotonic_us) {
  uint64_t now_ms = raw_now_ms(clock, monotonic_us);
  return now_ms > clock->floor_ms ? now_ms : clock->floor_ms;
}

/* The quickest round trip of late has the smallest error; what has been said is never taken back. A measurement that
 * the one in use cannot explain (the clock was stepped) replaces it at once. */
int64_t store_clock_sample(struct store_clock *clock, uint64_t redis_us, uint64_t sent_us, uint64_t received_us) {
  uint64_t rtt_us = received_us - sent_us;
  int64_t offset_us = (int64_t)redis_us - (int64_t)(sent_us + rtt_us / 2);
  int64_t difference = clock->taken_us ? offset_us - clock->offset_us : 0;
  bool stepped = (uint64_t)(difference < 0 ? -difference : difference) > rtt_us + clock->rtt_us + 100000;
  bool aged = received_us - clock->taken_us > SAMPLE_LIFE_US;
  if (clock->taken_us && rtt_us > clock->rtt_us && !aged && !stepped) return 0;
  if (clock->taken_us) clock->floor_ms = store_clock_now_ms(clock, received_us);
  clock->offset_us = offset_us;
  clock->rtt_us = rtt_us;
  clock->taken_us = received_us;
  return stepped ? difference : 0;
}

void store_clock_measured(struct store_redis *store, uint64_t redis_us, uint64_t sent_us) {
  int64_t stepped_ms = store_clock_sample(&store->clock, redis_us, sent_us, clock_monotonic_us()) / 1000;
  if (stepped_ms > ALARM_MS || stepped_ms < -ALARM_MS)
    log_limited(store->log, &store->clock.limit, LOG_LEVEL_ERROR, "redis_clock_stepped", F_I("by_ms", stepped_ms));
}

void store_clock_ask(struct store_redis *store, redis_link_cb *cb) {
  store->clock.asked_us = clock_monotonic_us();
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "TIME");
  redis_args_finish(&store->args);
  redis_link_call(store->commands, store->args.n, store->args.argv, store->args.argvlen, cb, store);
}

bool store_clock_time(struct store_redis *store, const struct redisReply *reply) {
  uint64_t seconds, micros;
  if (!redis_reply_u64(redis_reply_at(reply, 0), &seconds) || !redis_reply_u64(redis_reply_at(reply, 1), &micros) ||
      seconds >= UINT64_MAX / 10000000)
    return false;
  store_clock_measured(store, seconds * 1000000 + micros, store->clock.asked_us);
  return true;
}

static void on_time(void *arg, const struct redisReply *reply) {
  store_clock_time(arg, reply);
}

static void note_ahead(struct store_redis_metrics *metrics, uint32_t shard, uint64_t ahead_ms) {
  metrics->ahead_ms[shard] = ahead_ms;
  metrics->clock_ahead_ms = 0;
  for (size_t i = 0; i < STORE_SHARDS_MAX; i++) {
    if (metrics->ahead_ms[i] > metrics->clock_ahead_ms) metrics->clock_ahead_ms = metrics->ahead_ms[i];
  }
}

/* Only the quickest of the measurements counts, so one that is late may look ahead by half a round trip. */
static void watch(struct store_redis *store, uint64_t now_us) {
  const struct store_clock *clock = &store->clock;
  uint64_t now_ms = raw_now_ms(clock, now_us);
  uint64_t ahead_ms = clock->taken_us && clock->newest_ms > now_ms ? clock->newest_ms - now_ms : 0;
  if (store->options.metrics) note_ahead(store->options.metrics, store->options.shard, ahead_ms);
  if (ahead_ms > ALARM_MS)
    log_limited(store->log, &store->clock.limit, LOG_LEVEL_ERROR, "redis_clock_behind", F_U("by_ms", ahead_ms));
}

void store_clock_read(struct store_redis *store, uint64_t newest_ms) {
  uint64_t now_us = clock_monotonic_us();
  if (newest_ms > store->clock.newest_ms) store->clock.newest_ms = newest_ms;
  watch(store, now_us);
  bool aged = now_us - store->clock.taken_us > SAMPLE_LIFE_US && now_us - store->clock.asked_us > SAMPLE_LIFE_US;
  if (aged && store->was_ready) store_clock_ask(store, on_time);
}
