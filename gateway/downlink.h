/* The way back: reads the gateway's event stream and hands each delivery to the connections it names.
 *
 * One read of the store is outstanding at any time. A delivery is encoded into a frame once per format, however many
 * receive it: for heya.v1.proto its bytes as they are, for heya.v1.json transcoded. Attachments (which connection is
 * in which room) follow what deliveries say. See downlink.c for the races between joining, leaving and being
 * replaced.
 */
#ifndef HEYA_GATEWAY_DOWNLINK_H
#define HEYA_GATEWAY_DOWNLINK_H

#include "common/pace.h"
#include "common/store.h"

#include <stdbool.h>
#include <stdint.h>

struct failpoints;
struct gateway_metrics;
struct log;
struct sessions;
struct uplink;

#define DOWNLINK_NEVER    UINT64_MAX
#define DOWNLINK_BLOCK_MS 2000 /* how long Redis holds an empty read */

enum downlink_trouble {
  DOWNLINK_GONE,       /* the store says that this gateway id is dead */
  DOWNLINK_UNREADABLE, /* an entry of its stream cannot be decoded: what it tells clients is lost. Not read past: told
                          again after a pause, unless stopped */
};

struct downlink_config {
  uint64_t pace_us;              /* of reads, see common/pace.h */
  struct failpoints *failpoints; /* "gateway.read"; NULL: none */
  /* The last thing within the store's callback; may stop, not free. */
  void (*trouble)(void *arg, enum downlink_trouble);
  void *arg;
};

struct downlink;

/* Starts stopped. Destroy after the store, which then calls back no more. */
struct downlink *downlink_create(struct store *, const struct downlink_config *, struct sessions *, struct uplink *,
                                 struct gateway_metrics *, struct log *);
void downlink_destroy(struct downlink *);

/* Reads the stream of this id from its beginning. An answer still owed to an older id is thrown away. */
void downlink_open(struct downlink *, const char *gateway);

/* Reads no more: a read that is waiting is woken, and what it answers thrown away. */
void downlink_stop(struct downlink *);

/* Starts a read when none is outstanding and the store is ready. Returns after how many microseconds to be called
 * again at the latest, or DOWNLINK_NEVER. */
uint64_t downlink_turn(struct downlink *, uint64_t now_us);

/* True while the stream of the present id is being read; the first read has been asked for. */
bool downlink_is_reading(const struct downlink *);

/* The store refused the last read that it answered, of whichever id. */
bool downlink_is_refused(const struct downlink *);

#endif
