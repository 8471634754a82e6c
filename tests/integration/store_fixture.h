/* A private Redis and a store on it, with every call of the store as a blocking one, for tests of the store.
 *
 * What a call answered is written as text into an answer, so that a test compares strings:
 *   verdicts "ok busy refused behind", entries "0:g-1:batch ", deliveries "events ", rows "chat/a open ann 1/4
 * lang=en; ", rooms of a load "chat/a=image " or "chat/b+ " (only an id) or "chat/c! " (with a tomb).
 */
#ifndef HEYA_TESTS_INTEGRATION_STORE_FIXTURE_H
#define HEYA_TESTS_INTEGRATION_STORE_FIXTURE_H

#include "common/failpoint.h"
#include "common/store.h"
#include "tests/support/process.h"
#include "tests/support/redis_client.h"
#include "tests/support/tmpdir.h"

#include <ev.h>

struct fixture {
  struct tmpdir dir;
  struct process server;
  char socket[128];
  struct redis_client *redis;
  struct ev_loop *loop;
  ev_timer tick;
  struct log *log;
  struct failpoints *failpoints;
  struct store *store;
  uint32_t shards, shard;
  unsigned ups, downs; /* changes of ready */
  char *kept[512];     /* what fixture_string returned */
  size_t n_kept;
};

struct answer {
  unsigned fired;
  enum store_result result;
  char text[32768]; /* see above; cut to fit */
  char message[512];
  uint64_t number; /* epoch, generation, partitions, rooms examined */
  struct stream_id done;
  size_t n;
  struct stream_id last; /* id of the last entry, delivery or parcel */
  struct store_posted posted[8];
  char after[128]; /* of list */
  size_t n_refused;
  char wrong_room[96];
  uint64_t numbers[16];
  struct store_view view; /* owners and counts only: pointers are gone */
  struct store_owner owners[16];
  struct store_claimed claimed;
};

#define FIXTURE_PARTITIONS 4

/* `spec` of failpoints, or NULL. Ends ready. */
void fixture_start(struct fixture *f, const char *spec);
/* A second store on the same Redis, or the first one anew: with these limits, not waited for. */
struct store *fixture_store(struct fixture *f, struct store_limits limits, uint64_t reply_timeout_ms);
/* The same, with a store that takes it for one of several Redis. */
void fixture_start_shard(struct fixture *f, uint32_t shards, uint32_t shard);
void fixture_stop(struct fixture *f);
void fixture_redis_start(struct fixture *f);

/* Asks Redis (redis_string), with printf's formats; the answer is freed by fixture_stop. */
const char *fixture_string(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs the loop until *fired reaches n; false when it did not in time. */
bool fixture_wait(struct fixture *f, const unsigned *fired, unsigned n);
void fixture_wait_ready(struct fixture *f, bool ready);
/* Until none of these keys exists. */
bool fixture_wait_none(struct fixture *f, const char *keys);
void fixture_turn(struct fixture *f);

/* Callbacks that fill an answer. */
void on_done(void *arg, enum store_result);
void on_append(void *arg, enum store_result, const enum store_append_verdict *, size_t n);
void on_read(void *arg, enum store_result, const struct store_entry *, size_t n);
void on_deliveries(void *arg, enum store_result, const struct store_delivery *, size_t n);
void on_commit(void *arg, enum store_result, const struct store_commit_outcome *);
void on_room(void *arg, const char *id, struct bytes image, uint64_t tomb_until_ms);

/* Blocking calls. */
struct answer do_init(struct fixture *f, uint32_t partitions);
struct answer do_renew(struct fixture *f, const char *worker, uint64_t lease_ms, bool draining);
struct answer do_retire(struct fixture *f, const char *worker);
struct answer do_suspect(struct fixture *f, const char *worker);
struct answer do_claim(struct fixture *f, uint32_t p, const char *worker, const char *seen, uint64_t epoch);
struct answer do_blame(struct fixture *f, uint32_t p, const char *worker, uint64_t epoch, const struct store_blame *);
struct answer do_release(struct fixture *f, uint32_t p, const char *worker, uint64_t epoch);
struct answer do_load(struct fixture *f, uint32_t p);
struct answer do_read(struct fixture *f, uint32_t p, struct stream_id after, uint64_t block_ms);
struct answer do_commit(struct fixture *f, const struct commit *commit);
struct answer do_outbox(struct fixture *f, uint32_t p); /* "1:batch ", with `last` the number of the last one */
struct answer do_forward(struct fixture *f, const struct store_forward *items, size_t n);
struct answer do_open(struct fixture *f, const char *gateway, bool again);
struct answer do_gateway_renew(struct fixture *f, const char *gateway, uint64_t generation);
struct answer do_gateway_close(struct fixture *f, const char *gateway);
struct answer do_append(struct fixture *f, const char *gateway, uint64_t generation, uint32_t p, uint64_t number,
                        bool system, const char *batch);
struct answer do_deliveries(struct fixture *f, const char *gateway, struct stream_id after, uint64_t block_ms);
struct answer do_list(struct fixture *f, const struct store_list *list);

/* A commit of one segment by w-1, which fixture_own made the owner of partition p in this epoch. */
uint64_t fixture_own(struct fixture *f, uint32_t p);
struct answer do_commit_room(struct fixture *f, uint32_t p, uint64_t epoch, struct commit_room *room);
struct answer do_deliver(struct fixture *f, uint32_t p, uint64_t epoch, const char *gateway, const char *text);

/* The n-th id "chat/rN" that belongs to partition p. */
const char *fixture_room(uint32_t p, unsigned n, char out[32]);

#endif
