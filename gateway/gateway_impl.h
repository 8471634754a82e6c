/* The gateway and its anchors, for gateway.c and anchor.c only.
 *
 * An anchor is the gateway's id on one shard: a registration there that must be renewed, the way in to the partitions
 * of that shard, and the stream of events from there. Each has its life by itself, since shards fail by themselves;
 * but the id is one. It is alive only where all anchors that have it keep it: who loses it on one shard gives it up
 * on all.
 */
#ifndef HEYA_GATEWAY_GATEWAY_IMPL_H
#define HEYA_GATEWAY_GATEWAY_IMPL_H

#include "gateway/gateway.h"

#include "common/log.h"
#include "gateway/downlink.h"
#include "proto/keys.h"

enum anchor_state { WAITING, CHECKING, OPENABLE, OPENING, RUNNING, CLOSING, FINISHED, REFUSED, ANCHOR_STATES };

struct anchor {
  struct gateway *gateway;
  struct store *store;
  uint32_t number; /* of the shard */
  enum anchor_state state;
  bool opened;       /* the gateway's id was, here: open it again, do not make it */
  bool unsure;       /* whether it was: the answer was lost */
  bool ever_opened;  /* any id was */
  uint64_t identity; /* OPENING: which one that call is for */
  char opening[PROCESS_ID_MAX + 1];
  uint64_t generation; /* of the id */
  char server[96];     /* which Redis this is; "" before the first check */
  char message[512];   /* why the store refuses; "" */

  bool suspect; /* check Redis before the next id is opened, a second after this one at the earliest */
  bool renewing;
  bool renew_failed; /* the last one */
  uint64_t renew_identity;
  uint64_t renew_at_us;
  uint64_t opened_at_us;    /* an id, first or again */
  uint64_t renewed_at_us;   /* opening renews too */
  uint64_t broken_until_us; /* so long a broken append counts against us unless one is taken; 0: none does */
  uint64_t retry_at_us;     /* in WAITING and OPENABLE */

  struct uplink *uplink;
  struct downlink *downlink;
};

struct gateway {
  struct store *store; /* of the only shard, or one that asks all (common/store_shards.h) */
  struct gateway_config config;
  struct gateway_metrics *metrics;
  struct log *log;
  struct log_limit trouble_limit;
  uint64_t created_us, count_at_us;

  char base[GATEWAY_ID_MAX + 1]; /* what ids are made of; "" : random ones */
  char address[128];
  char id[PROCESS_ID_MAX + 1];
  uint64_t identity; /* counts ids, so that late answers for an older one are known */
  char cluster[33];  /* the deployment's; "" before the first check */

  bool lost;  /* the id is dead or cannot be trusted: give it up in the next turn */
  bool close; /* and say so to Redis, which may think otherwise */

  bool draining;
  bool goodbyes_said;
  bool timed_out; /* the drain, with something undone */
  uint64_t drain_until_us;

  struct sessions *sessions;
  struct uplink *uplinks[STORE_SHARDS_MAX]; /* those of the anchors */
  struct anchor anchors[STORE_SHARDS_MAX];
  uint32_t n_anchors;
};

/* For a shard that was never reached: so long one that starts waits for it. */
#define GATEWAY_PATIENCE_US 3000000

/* ---- gateway.c ---- */
void gateway_take_id(struct gateway *);
void gateway_give_up_id(struct gateway *, bool close, const char *why);
/* It has its id here for the first time; others may have it already. */
void gateway_opened(struct gateway *);

/* ---- anchor.c ---- */
void anchor_init(struct anchor *, struct gateway *, struct store *, uint32_t number);
void anchor_close(struct anchor *);
/* The id is another one from now on. */
void anchor_forget(struct anchor *);
/* Checks, opens, renews: whatever is due. */
void anchor_go_on(struct anchor *, uint64_t now_us);
/* Returns when it wants to be called again at the latest. */
uint64_t anchor_wait_us(struct anchor *, uint64_t now_us);
/* Part of a drain; false when that was cut short. */
bool anchor_drain(struct anchor *, bool empty, bool late, uint64_t now_us);
/* Why nothing goes through it; NULL: it does. */
const char *anchor_fault(const struct anchor *, uint64_t now_us);

#endif
