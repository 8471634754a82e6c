/* What the files of the Redis store share: the store itself and one pending call. Included by store_redis*.c only. */
#ifndef HEYA_COMMON_STORE_REDIS_CALL_H
#define HEYA_COMMON_STORE_REDIS_CALL_H

#include "common/redis_args.h"
#include "common/redis_link.h"
#include "common/redis_reply.h"
#include "common/store_redis.h"
#include "proto/keys.h"
#include "proto/names.h"

#include <ev.h>
#include <sys/queue.h>

struct store_call;
struct store_read;
struct store_delayed;
TAILQ_HEAD(store_call_list, store_call);
TAILQ_HEAD(store_delayed_list, store_delayed);

/* Redis's clock against this machine's monotonic one. */
struct store_clock {
  int64_t offset_us;  /* Redis = monotonic + offset; 0: never measured */
  uint64_t rtt_us;    /* of the measurement in use */
  uint64_t taken_us;  /* when; 0: never */
  uint64_t floor_ms;  /* what has been said already when the offset was last changed */
  uint64_t asked_us;  /* when TIME was last sent */
  uint64_t newest_ms; /* of all stream ids that were read */
  struct log_limit limit;
};

/* An entry given out by `deliveries` and not yet trimmed. */
struct store_handed {
  struct stream_id id;
  uint64_t bytes;
};

/* The key that transactions are fenced by: see common/store_redis_fence.c. */
struct store_fence {
  struct key key;
  const char *field; /* of that key, a hash; NULL: it is a string */
  uint64_t value;    /* what it has held since it is watched; 0: not known, or nothing is watched */
  bool is_watched;   /* as Redis said when it was last asked to */
  unsigned asked;    /* for the value, and not answered yet */
};

/* What a function has seen of a partition since this connection is up, so that a transaction may do without looking.
 */
struct store_known {
  uint64_t owners; /* of a worker: heya:owners when the partition was its own, in this epoch; 0: look again */
  uint64_t epoch;
  uint64_t number; /* of a gateway: of the last batch it took */
  bool roomy;      /* likewise: the stream is there, and not half full */
  uint8_t counted; /* commits since the count of its bytes was last looked at */
};

/* One batch of an append. */
struct store_appended {
  uint32_t partition;
  uint64_t number;
};

/* One command of a transaction: whose answer it will be. */
enum store_step_of {
  STEP_ROOM,   /* name: its id */
  STEP_LOG,    /* likewise */
  STEP_TRIM,   /* the command stream */
  STEP_COUNT,  /* of bytes that wait in it */
  STEP_DONE,   /* all checkpoints */
  STEP_EVENTS, /* name: of the gateway */
  STEP_QUEUED, /* likewise: bytes that wait for it */
  STEP_LENGTH, /* of a stream */
  STEP_APPEND,
  STEP_NUMBERS,
};
struct store_step {
  enum store_step_of of;
  uint32_t partition;
  size_t name; /* where in names */
};
struct store_transaction {
  const struct store_call *call; /* whose; NULL: none is under way */
  struct store_step *steps;
  size_t n_steps, cap_steps;
  struct buf names;           /* each ends in NUL */
  struct redis_args function; /* the call to make if it comes to nothing */
};

struct store_redis {
  struct store base;
  struct ev_loop *loop;
  struct log *log;
  struct store_redis_options options; /* url is not kept */
  char prefix[KEY_PREFIX_MAX + 1];
  struct redis_link *commands;
  struct redis_link *reads;
  unsigned setup_library; /* index of the function library being compared or loaded */
  bool loaded;            /* the commands link has its functions */
  char *load_error;       /* why Redis refused them; said by init. NULL: it did not */
  char *refusal;          /* what Redis said last when it would not serve us for now; NULL: it serves */
  bool resting;           /* such a thing was said to init: not ready until rest_timer fires */
  ev_timer rest_timer;
  uint64_t reads_id;     /* CLIENT ID of the reads link; 0: not known */
  char commands_run[41]; /* run id of the server behind each link; "": not known */
  char reads_run[41];
  bool was_ready; /* what on_ready was last told */
  struct store_clock clock;
  struct redis_args args; /* of the call being made */
  struct store_fence fence;
  struct store_known *known; /* by partition */
  struct store_transaction transaction;
  struct store_outlet *outlets; /* of the commit being made: see common/store_redis_commit.c */
  size_t cap_outlets;
  struct store_claim_of *claims; /* partitions of the commit under way */
  size_t n_claims, cap_claims;
  struct key gateway;              /* key of the gateway that was opened last */
  struct store_appended *appended; /* the append under way, without its batches; NULL: there was none yet */
  struct buf scratch;              /* for arrays handed to a callback, and for keys */
  struct store_call_list calls;
  struct store_delayed_list delayed; /* by a failpoint, in order */
  ev_timer delay_timer;
  ev_timer wake_timer;            /* to ask again for a wake-up that came before the read */
  struct store_read *read;        /* the one blocking read; NULL: none */
  struct stream_id control_after; /* what was read of the worker's control stream */
  struct store_handed *handed;
  size_t n_handed, cap_handed;
  uint64_t trimmed_us; /* when the gateway's stream was last trimmed */
  bool trim_unsure;    /* a trim was sent and not answered: repeat it before anything else */
  /* Of refusals, which may come with every call while Redis is out of memory, say. */
  struct {
    struct log_limit append, list, open, commit, renew, claim, load, room, read, trim, call, setup;
  } logged;
};

/* One call under way. Its finish fires once, with the reply of a STORE_OK and the message of everything else. */
typedef void store_finish(struct store_call *, enum store_result, const char *message, const struct redisReply *);
struct store_call {
  TAILQ_ENTRY(store_call) entry;
  struct store_redis *store;
  bool writes; /* an unknown error means STORE_BROKEN */
  store_finish *finish;
  void (*discard)(struct store_call *); /* when the store is destroyed; NULL: nothing is owned */
  union {
    store_init_cb *init;
    store_view_cb *view;
    store_claim_cb *claim;
    store_done_cb *done;
    store_commit_cb *commit;
    store_open_cb *open;
    store_append_cb *append;
    store_list_cb *list;
    store_report_cb *report;
  } cb;
  void *arg;
  uint64_t sent_us; /* on the monotonic clock */
  bool sent_again;  /* by finish: it is not over yet */
  bool finishing;   /* finish is running */
  union {
    uint32_t partition;
    size_t n; /* answers expected */
    void *state;
  } with;
};

static inline struct store_redis *store_redis_of(const struct store *store) {
  union {
    const struct store *in;
    struct store_redis *out; /* base is its first member */
  } cast = {.in = store};
  return cast.out;
}

/* A call is made in three steps: store_call_new, arguments into store->args (begun with redis_args_call or _clear),
 * store_call_send. The seam names the failpoint. After finish the call is freed, unless finish sent it again. */
struct store_call *store_call_new(struct store_redis *store, store_finish *finish, bool writes, void *arg);
void store_call_send(struct store_call *call, const char *seam);
/* For a finish that goes on by other means: it sets sent_again, and ends the call with this after its callback. */
void store_call_end(struct store_call *call);
/* For calls answered by done only: store_call_new with the finish that does that. */
struct store_call *store_call_done(struct store_redis *store, store_done_cb *done, void *arg);

/* The same on a link of one's own choice and without a call around the callback: for load and reads. block_ms is 0 on
 * the commands link. */
void store_send(struct store_redis *store, struct redis_link *link, const char *seam, uint64_t block_ms,
                redis_link_cb *cb, void *arg);

/* Commands that failpoints hold back: the timer's callback, and the end. */
void store_delayed_due(struct ev_loop *loop, ev_timer *timer, int events);
void store_delayed_destroy(struct store_redis *store);

/* What a reply means. `message` is set for everything but STORE_OK and STORE_LOST. */
enum store_result store_redis_result(const struct redisReply *reply, bool writes, const char **message);
/* The same, and drops the connections when the server cannot serve. */
enum store_result store_redis_judge(struct store_redis *store, const struct redisReply *reply, bool writes,
                                    const char **message);

/* Whether a refusal is worth waiting out. */
bool store_redis_passes(const char *message);
/* For store_redis_refusal; NULL: all is well. */
void store_redis_note_refusal(struct store_redis *store, const char *message);

/* ---- store_redis_clock.c ---- */
/* The estimate; never goes back. */
uint64_t store_clock_now_ms(const struct store_clock *clock, uint64_t monotonic_us);
/* A measurement taken between two moments of the monotonic clock. How far Redis's clock was stepped since the one
 * before, in microseconds; 0: it was not. */
int64_t store_clock_sample(struct store_clock *clock, uint64_t redis_us, uint64_t sent_us, uint64_t received_us);
/* The same, and sounds the alarm. */
void store_clock_measured(struct store_redis *store, uint64_t redis_us, uint64_t sent_us);
/* Asks Redis; `cb` hands its answer to store_clock_time. False: that is no time. */
void store_clock_ask(struct store_redis *store, redis_link_cb *cb);
bool store_clock_time(struct store_redis *store, const struct redisReply *reply);
/* After each read: the newest id in it, 0 for none. Asks for the time when the last measurement is old. */
void store_clock_read(struct store_redis *store, uint64_t newest_ms);

/* Which partitions are here, as a function's argument (a.span in proto/heya.lua), and as a loop. */
void store_redis_span(struct store_redis *store);
static inline uint32_t store_redis_shards(const struct store_redis *store) {
  return store->options.shards ? store->options.shards : 1;
}
/* How many that are. */
static inline size_t store_redis_here(const struct store_redis *store) {
  uint32_t shards = store_redis_shards(store);
  return (store->options.partitions + shards - 1 - store->options.shard) / shards;
}

/* A malformed answer of a function: STORE_BROKEN, with this message. */
extern const char store_bad_answer[];

/* ---- store_redis_setup.c ---- */
void store_setup_begin(struct store_redis *store); /* the commands link came up */
void store_setup_reads(struct store_redis *store); /* the reads link came up */
void store_redis_update_ready(struct store_redis *store);
void store_setup_rested(struct ev_loop *loop, ev_timer *timer, int events);
void store_redis_init(struct store *, struct store_deployment, store_init_cb *, void *arg);

/* ---- store_redis_fence.c ---- */
/* From now on this key is the fence. */
void store_fence_watch(struct store_redis *store, struct key key, const char *field);
/* The connection is down: nothing is known any more. */
void store_fence_forget(struct store_redis *store);

/* A transaction instead of the function whose arguments are in store->args: they are kept, and MULTI is sent. False:
 * not now, call the function. Then for each command _command and _add, at last _send. */
bool store_transaction_begin(struct store_call *call);
/* Begins its next command: more arguments may follow. The key must live until it is added. */
struct redis_args *store_transaction_command(struct store_redis *store, const char *command, const struct key *key);
void store_transaction_add(struct store_redis *store, enum store_step_of what, uint32_t partition, const char *name);
void store_transaction_send(struct store_call *call, const char *seam);
/* To be asked first by its finish. False: it came to nothing and the function was called, with this finish; go. True:
 * it is over, as said; with STORE_OK there is an answer for each step. */
bool store_transaction_ended(struct store_call *call, enum store_result *result, const char **message,
                             const struct redisReply *reply, const char *seam, store_finish *finish);
const char *store_step_name(const struct store_redis *store, const struct store_step *step);
void store_transaction_close(struct store_redis *store);

/* ---- store_redis_commit.c ---- */
void store_redis_commit(struct store *, const struct commit *, store_commit_cb *, void *arg);
void store_commit_close(struct store_redis *store);

/* ---- store_redis_worker.c ---- */
void store_redis_renew(struct store *, const struct store_worker_info *, store_view_cb *, void *arg);
void store_redis_retire(struct store *, const char *worker, store_done_cb *, void *arg);
void store_redis_suspect(struct store *, const char *worker, store_done_cb *, void *arg);
void store_redis_claim(struct store *, uint32_t partition, const char *worker, const struct store_owner *seen,
                       store_claim_cb *, void *arg);
void store_redis_blame(struct store *, uint32_t partition, const char *worker, uint64_t epoch,
                       const struct store_blame *, store_done_cb *, void *arg);
void store_redis_release(struct store *, uint32_t partition, const char *worker, uint64_t epoch,
                         const char *successor, store_done_cb *, void *arg);

/* ---- store_redis_outbox.c ---- */
void store_redis_outbox(struct store *, uint32_t partition, store_parcel_cb *, store_done_cb *, void *arg);
void store_redis_forward(struct store *, const char *worker, const struct store_forward *, size_t n,
                         store_append_cb *, void *arg);
/* The verdicts of append and forward: n of them, to be freed; NULL if they are none. */
enum store_append_verdict *store_redis_verdicts(const struct redisReply *reply, size_t n);

/* ---- store_redis_load.c ---- */
void store_redis_load(struct store *, uint32_t partition, store_room_cb *, store_done_cb *, void *arg);

/* ---- store_redis_gateway.c ---- */
void store_redis_gateway_open(struct store *, const char *gateway, bool again, const char *address, uint64_t ttl_ms,
                              store_open_cb *, void *arg);
void store_redis_gateway_renew(struct store *, const char *gateway, uint64_t generation, uint64_t ttl_ms,
                               store_done_cb *, void *arg);
void store_redis_gateway_close(struct store *, const char *gateway, store_done_cb *, void *arg);
void store_redis_gateway_suspect(struct store *, const char *gateway, store_done_cb *, void *arg);
void store_redis_append(struct store *, const char *gateway, uint64_t generation, const struct store_append *,
                        size_t n, store_append_cb *, void *arg);
void store_redis_list(struct store *, const struct store_list *, store_list_cb *, void *arg);

/* ---- store_redis_people.c ---- */
void store_redis_report(struct store *, enum store_report, store_report_cb *, void *arg);
void store_redis_drain(struct store *, const char *worker, bool drain, store_done_cb *, void *arg);

/* ---- store_redis_read.c ---- */
void store_redis_read(struct store *, const char *worker, const struct store_position *, size_t n, uint64_t block_ms,
                      store_read_cb *, void *arg);
void store_redis_read_wake(struct store *);
void store_redis_deliveries(struct store *, const char *gateway, struct stream_id after, uint64_t block_ms,
                            store_deliveries_cb *, void *arg);
void store_read_ready(struct store_redis *store); /* after a reconnect */
void store_read_wake_again(struct ev_loop *loop, ev_timer *timer, int events);
void store_read_forget_handed(struct store_redis *store); /* another gateway begins */
void store_read_destroy(struct store_redis *store);

#endif
