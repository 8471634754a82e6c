/* A store in memory whose answers are the test's: every call is kept until the test answers it, time moves when the
 * test says so. For unit tests of a gateway's parts; only the calls a gateway makes are there.
 *
 * At most one call of each sort may be unanswered (an assertion otherwise), lists excepted: that is what the gateway
 * promises. Answering without a call is an assertion too.
 */
#ifndef HEYA_TESTS_FAKE_STORE_H
#define HEYA_TESTS_FAKE_STORE_H

#include "common/store.h"
#include "proto/bus.pb-c.h"

#define FAKE_APPENDS_MAX 64
#define FAKE_LISTS_MAX   512

struct fake_append {
  uint32_t partition;
  uint64_t number;
  bool system;
  void *data; /* owned copy of the batch */
  size_t len;
  Heya__Bus__Batch *batch; /* owned; decoded */
};

struct fake_store {
  struct store store; /* first: a struct store * is a struct fake_store * */
  bool ready;
  uint64_t now_ms, now_us;
  uint8_t random;  /* the next random byte */
  char server[64]; /* the run of Redis that init tells of */

  /* The unanswered call of each sort; no callback, no call. What it said stays readable until the next one. */
  struct {
    store_append_cb *callback;
    void *arg;
    char gateway[64];
    uint64_t generation;
    struct fake_append items[FAKE_APPENDS_MAX];
    size_t n;
    unsigned count; /* calls so far; likewise below */
  } append;
  struct {
    store_deliveries_cb *callback;
    void *arg;
    char gateway[64];
    struct stream_id after;
    unsigned count;
    unsigned woken; /* read_wake */
  } read;
  struct {
    store_init_cb *callback;
    void *arg;
    uint32_t partitions;
    unsigned count;
  } init;
  struct {
    store_open_cb *callback;
    void *arg;
    char gateway[64];
    bool again;
    unsigned count;
  } open;
  struct {
    store_done_cb *callback;
    void *arg;
    char gateway[64];
    uint64_t generation;
    unsigned count;
  } renew;
  struct {
    store_done_cb *callback;
    void *arg;
    char gateway[64];
    unsigned count;
  } close;
  struct {
    store_list_cb *callbacks[FAKE_LISTS_MAX];
    void *args[FAKE_LISTS_MAX];
    size_t n;
    char kind[64];
    size_t n_where;
    uint32_t limit;
    char after[256];
  } list;
};

/* Ready, at some time, with no calls. */
struct fake_store *fake_store_create(void);
void fake_store_destroy(struct fake_store *);

/* Answers the append with STORE_OK and these verdicts, one per partition in the call. */
void fake_store_append(struct fake_store *, const enum store_append_verdict *verdicts, size_t n);
/* All of its partitions took theirs. */
void fake_store_append_ok(struct fake_store *);
/* Answers it with something else. */
void fake_store_append_fail(struct fake_store *, enum store_result);
/* The append's item for this partition; NULL when it has none. */
const struct fake_append *fake_store_append_for(const struct fake_store *, uint32_t partition);

void fake_store_read(struct fake_store *, enum store_result, const struct store_delivery *, size_t n);
/* One entry with these deliveries, its id one later than the read's position. */
void fake_store_deliver(struct fake_store *, Heya__Bus__Delivery **deliveries, size_t n);
void fake_store_init(struct fake_store *, enum store_result, const char *message, const char *cluster);
void fake_store_open(struct fake_store *, enum store_result, uint64_t generation, const uint64_t *numbers, size_t n);
void fake_store_renew(struct fake_store *, enum store_result);
void fake_store_close(struct fake_store *, enum store_result);
/* Answers the oldest one; so many rooms as there are rows were examined. */
void fake_store_list(struct fake_store *, enum store_result, const struct store_list_row *, size_t n,
                     const char *after);

/* Changes readiness and says so; becoming unready answers every call STORE_LOST. */
void fake_store_set_ready(struct fake_store *, bool ready);

#endif
