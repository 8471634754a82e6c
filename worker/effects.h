/* What a partition has done since its last commit and has told nobody yet: one per owned partition.
 *
 * Rooms write into it (events and answers per gateway, which rooms changed, which ended); worker/commit.c freezes it
 * into a segment. Knows no store and no loop. All of it is dropped when the partition is lost: nobody has heard of
 * it.
 */
#ifndef HEYA_WORKER_EFFECTS_H
#define HEYA_WORKER_EFFECTS_H

#include "common/buf.h"
#include "common/commit.h"
#include "proto/arena.h"
#include "proto/bus.pb-c.h"
#include "proto/client.pb-c.h"
#include "proto/keys.h"
#include "proto/names.h"
#include "worker/parcels.h"
#include "worker/scene.h"
#include <stdint.h>

struct room;

/* A gateway as this partition knows it. */
struct outlet {
  char gateway[PROCESS_ID_MAX + 1];
  uint32_t bound;         /* members whose connection is there */
  uint64_t last_bound_ms; /* stream time of the last join from there */
  bool gone_said;         /* an entry GatewayGone is on its way */
  uint64_t gone_said_ms;  /* since a view at this time; 0: since a commit said so */
  uint64_t *conns;        /* scratch of the event being sent */
  size_t n_conns, cap_conns;
  struct buf deliveries; /* encoded heya.bus.Deliveries */
};

/* A connection of a client, as its gateway named it. */
struct binding {
  struct outlet *outlet; /* NULL: none */
  uint64_t conn;
  uint32_t attempt; /* the join that made it */
};

struct ended_room {
  char id[ROOM_ID_MAX + 1];
  char kind[KIND_MAX + 1];
  uint64_t tomb_until_ms; /* of the key, margin included; 0: no tomb */
};

/* Entries for one partition's stream, the own one or another's: encoded heya.bus.Batch. */
struct outgoing {
  uint32_t partition;
  size_t n_entries;
  struct buf batch;
};
/* A batch that is so large is followed by another one: what a reader has to unpack at a time is bounded. */
#define OUTGOING_MAX_ENTRIES 256
#define OUTGOING_MAX_BYTES   (256 * 1024)

struct effects {
  uint32_t partition;
  uint32_t partitions; /* of the deployment; 0: there is only this one */
  uint64_t epoch;
  struct scene *scene;    /* not owned; NULL: nobody wants to know */
  struct stream_id entry; /* being applied; its ms is the partition's time */
  uint32_t index;         /* within the entry's batch */
  uint32_t ids_made;      /* of rooms, since the entry */
  uint64_t consumed_bytes;
  bool moved;    /* entries were consumed since the last commit */
  bool settling; /* the partition is about to be handed over: what is saved now is all there is */
  struct outlet **outlets;
  size_t n_outlets, cap_outlets;
  struct room **changed; /* each once, see room->is_changed */
  size_t n_changed, cap_changed;
  struct ended_room *ended;
  size_t n_ended, cap_ended;
  struct outgoing *outgoing; /* in the order in which they were begun */
  size_t n_outgoing, cap_outgoing;
  struct parcels parcels; /* what those for other shards become with the commit; begun with the partition */
  size_t
      waiting_bytes; /* of deliveries, log entries, changed rooms and outgoing entries: about what the commit costs */
  struct arena scratch; /* valid until the entry is applied */
  struct buf saved;     /* what a kind has saved last: kept for its memory */
  uint64_t sent;        /* deliveries, for metrics */
};

void effects_init(struct effects *, uint32_t partition, uint64_t epoch);
void effects_close(struct effects *);
/* After a freeze: forgets what is in the segment; outlets and scratch stay. Rooms reset their own part. */
void effects_clear(struct effects *);
/* Whether there is anything to commit. */
bool effects_any(const struct effects *);

/* Around whatever may call into the kind of a room. Not nested. */
static inline void effects_enter(const struct effects *effects, uint32_t index, const char *room) {
  scene_enter(effects->scene, effects->partition, effects->epoch, effects->entry, index, room);
}
static inline void effects_leave(const struct effects *effects) {
  scene_leave(effects->scene);
}

/* The outlet of a gateway, made if there is none. */
struct outlet *effects_outlet(struct effects *, const char *gateway);
/* Forgets outlets without members and without deliveries. */
void effects_drop_idle_outlets(struct effects *);

/* A message to one connection, telling its gateway what it means for the connection's place in the room. */
void effects_answer(struct effects *, struct binding, const char *room, Heya__V1__ServerMessage *,
                    Heya__Bus__Attachment);
/* An encoded message to the connections collected in every outlet's `conns`, which are cleared. */
void effects_broadcast(struct effects *, const char *room, struct bytes message);
void outlet_collect(struct outlet *, uint64_t conn);

/* An entry for a partition's stream, in the order of these calls. It is there once if the commit is, and else not at
 * all. It may come when the stream is full for gateways, so whoever appends to another partition sees to it that what
 * he has under way there is bounded. */
void effects_append(struct effects *, uint32_t partition, Heya__Bus__Entry *);
/* A shard that is not ours does not get what was said to its partition: what can be said later should be. */
bool effects_is_clogged(const struct effects *, uint32_t partition);
/* Where the rooms of this id live. */
uint32_t effects_partition_of(const struct effects *, const char *room);

void effects_changed(struct effects *, struct room *);
void effects_ended(struct effects *, const char *id, const char *kind, uint64_t tomb_until_ms);

#endif
