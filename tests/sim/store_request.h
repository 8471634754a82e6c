/* What the files of the simulated store share: one request under way. Included by store*.c only. */
#ifndef HEYA_TESTS_SIM_STORE_REQUEST_H
#define HEYA_TESTS_SIM_STORE_REQUEST_H

#include "tests/sim/store.h"

/* First member of every call's own struct. */
struct sim_request {
  struct sim_store *store;
  enum sim_link_name link;
  const char *what; /* in traces */
  uint64_t connection;
  uint64_t not_before_us; /* Redis sees it then at the earliest */
  bool refused;           /* was never sent */
  bool lost;              /* never reaches Redis */
  bool executed, finished;
  enum store_result result;
  /* At Redis, atomically; sets result. False: no answer yet. */
  bool (*execute)(struct sim_request *);
  /* In the process, once. */
  void (*finish)(struct sim_request *, enum store_result);
  struct sim_request *next;
};

struct sim_store *sim_store_of(const struct store *);
/* `size` bytes that begin with a struct sim_request. */
void *sim_request_new(struct store *, enum sim_link_name, const char *what, size_t size);
void sim_request_send(struct sim_request *);
/* By a connection of its own that nothing else uses, of a process that will not hear the answer. */
void sim_request_send_apart(struct sim_request *);
/* A blocked one has its answer now. */
void sim_request_answer(struct sim_request *);

/* store_read.c: the connection of the blocked read is gone; it is ready again. */
void sim_store_hang_up(struct sim_store *);
void sim_store_wake_again(struct sim_store *);

/* ---- the calls, as in struct store_ops ---- */
void sim_store_init(struct store *, struct store_deployment, store_init_cb *, void *arg);
void sim_store_renew(struct store *, const struct store_worker_info *, store_view_cb *, void *arg);
void sim_store_retire(struct store *, const char *worker, store_done_cb *, void *arg);
void sim_store_suspect(struct store *, const char *worker, store_done_cb *, void *arg);
void sim_store_claim(struct store *, uint32_t partition, const char *worker, const struct store_owner *seen,
                     store_claim_cb *, void *arg);
void sim_store_blame(struct store *, uint32_t partition, const char *worker, uint64_t epoch,
                     const struct store_blame *, store_done_cb *, void *arg);
void sim_store_release(struct store *, uint32_t partition, const char *worker, uint64_t epoch, const char *successor,
                       store_done_cb *, void *arg);
void sim_store_load(struct store *, uint32_t partition, store_room_cb *, store_done_cb *, void *arg);
void sim_store_read(struct store *, const char *worker, const struct store_position *, size_t n, uint64_t block_ms,
                    store_read_cb *, void *arg);
void sim_store_read_wake(struct store *);
void sim_store_commit(struct store *, const struct commit *, store_commit_cb *, void *arg);
void sim_store_outbox(struct store *, uint32_t partition, store_parcel_cb *, store_done_cb *, void *arg);
void sim_store_forward(struct store *, const char *worker, const struct store_forward *, size_t n, store_append_cb *,
                       void *arg);
void sim_store_gateway_open(struct store *, const char *gateway, bool again, const char *address, uint64_t ttl_ms,
                            store_open_cb *, void *arg);
void sim_store_gateway_renew(struct store *, const char *gateway, uint64_t generation, uint64_t ttl_ms,
                             store_done_cb *, void *arg);
void sim_store_gateway_close(struct store *, const char *gateway, store_done_cb *, void *arg);
void sim_store_gateway_suspect(struct store *, const char *gateway, store_done_cb *, void *arg);
void sim_store_append(struct store *, const char *gateway, uint64_t generation, const struct store_append *, size_t n,
                      store_append_cb *, void *arg);
void sim_store_deliveries(struct store *, const char *gateway, struct stream_id after, uint64_t block_ms,
                          store_deliveries_cb *, void *arg);
void sim_store_list(struct store *, const struct store_list *, store_list_cb *, void *arg);

#endif
