/* A store in memory for a worker under test: every call is kept until the test answers it, and time moves when the
 * test says so. Only the calls a worker makes are there. What a view shows is in `workers`, `owners` and `gateways`,
 * for the test to change.
 *
 * At most one call of each sort may be unanswered (for one partition, where it is about one), an assertion otherwise:
 * that is what the worker promises. Answering without a call is an assertion too.
 */
#ifndef HEYA_TESTS_WORKER_STORE_H
#define HEYA_TESTS_WORKER_STORE_H

#include "common/buf.h"
#include "common/store.h"

#define STORE_PARTITIONS   4
#define STORE_WORKERS_MAX  4
#define STORE_GATEWAYS_MAX 4
#define STORE_FORWARDS_MAX 256

/* What a commit had for one partition; of the last commit with it. */
struct store_segment {
  uint64_t epoch;
  struct stream_id done;
  size_t n_rooms, n_whole, n_gone, n_appends, n_deliveries;
  char image_of[96]; /* the last room with an image */
  struct buf image;  /* owned */
  unsigned count;    /* commits that had one */
};

struct worker_store {
  struct store store; /* first: a struct store * is a struct worker_store * */
  bool ready;
  uint64_t now_ms, now_us;

  struct store_worker workers[STORE_WORKERS_MAX];
  size_t n_workers;
  struct store_owner owners[STORE_PARTITIONS];
  const char *gateways[STORE_GATEWAYS_MAX];
  size_t n_gateways;

  /* The unanswered calls; no callback, no call. `count`: so far. */
  struct {
    store_init_cb *callback;
    void *arg;
    char cluster[33]; /* as told */
    unsigned count;
  } init;
  struct {
    store_view_cb *callback;
    void *arg;
    bool draining;
    unsigned count;
  } renew;
  struct {
    store_claim_cb *callback;
    void *arg;
    struct store_owner seen;
    unsigned count;
  } claim[STORE_PARTITIONS];
  struct store_claimed found[STORE_PARTITIONS]; /* what a granted claim tells besides epoch and done; the test's */
  struct {
    store_done_cb *callback;
    void *arg;
    struct store_blame blame;
    unsigned count;
  } blame[STORE_PARTITIONS];
  struct {
    store_room_cb *room;
    store_done_cb *callback;
    void *arg;
    unsigned count;
  } load[STORE_PARTITIONS];
  struct {
    store_parcel_cb *parcel;
    store_done_cb *callback;
    void *arg;
    unsigned count;
  } outbox[STORE_PARTITIONS]; /* where there are several shards */
  struct {
    store_append_cb *callback;
    void *arg;
    struct store_forward items[STORE_FORWARDS_MAX]; /* without their batches */
    size_t n;
    unsigned count;
  } forward;
  struct {
    store_done_cb *callback;
    void *arg;
    uint64_t epoch;
    char successor[64];
    unsigned count;
  } release[STORE_PARTITIONS];
  struct {
    store_read_cb *callback;
    void *arg;
    struct store_position positions[STORE_PARTITIONS];
    size_t n;
    unsigned count, wakes;
  } read;
  struct {
    store_commit_cb *callback;
    void *arg;
    size_t n;
    unsigned count;
  } commit;
  struct store_segment segments[STORE_PARTITIONS];
  struct {
    store_done_cb *callback;
    void *arg;
    unsigned count;
  } retire;
};

/* Ready, with nobody and nothing in it. */
struct worker_store *worker_store_create(void);
void worker_store_destroy(struct worker_store *);

void worker_store_init(struct worker_store *, enum store_result, const char *message);
/* STORE_OK, from a Redis of this deployment. */
void worker_store_init_of(struct worker_store *, const char *cluster);
/* Answers the renewal with the view as it is now. */
void worker_store_view(struct worker_store *);
void worker_store_renew(struct worker_store *, enum store_result);
/* Grants the claim: the owner's epoch rises, and the view shows it from now on. */
void worker_store_grant(struct worker_store *, uint32_t partition, const char *worker, struct stream_id done);
void worker_store_claim(struct worker_store *, uint32_t partition, enum store_result);
void worker_store_blame(struct worker_store *, uint32_t partition, enum store_result);
/* A room of the partition being loaded. */
void worker_store_room(struct worker_store *, uint32_t partition, const char *id, struct bytes image);
void worker_store_loaded(struct worker_store *, uint32_t partition, enum store_result);
/* A parcel in the outbox that is being read; and that there are no more. */
void worker_store_parcel(struct worker_store *, uint32_t partition, uint32_t to, struct stream_id number);
void worker_store_outbox(struct worker_store *, uint32_t partition, enum store_result);
/* STORE_OK: with this verdict on what goes to `partition`, and STORE_APPENDED on everything else. */
void worker_store_forward(struct worker_store *, enum store_result, uint32_t partition, enum store_append_verdict);
/* STORE_OK: the partition is free from now on. */
void worker_store_release(struct worker_store *, uint32_t partition, enum store_result);
void worker_store_read(struct worker_store *, enum store_result, const struct store_entry *, size_t n);
/* Outcome NULL: nothing special. */
void worker_store_commit(struct worker_store *, enum store_result, const struct store_commit_outcome *);
void worker_store_retire(struct worker_store *, enum store_result);

/* Changes readiness and says so; becoming unready answers every call STORE_LOST. */
void worker_store_set_ready(struct worker_store *, bool ready);

#endif
