/* Lists, one for each shard. See worker/parcels.h. */
#include "worker/parcels.h"
#include "common/mem.h"

#include <assert.h>

void parcels_init(struct parcels *parcels, uint32_t shards) {
  *parcels = (struct parcels){.shards = shards};
  if (shards < 2) return;
  parcels->lanes = xcalloc(shards, sizeof *parcels->lanes);
  for (uint32_t i = 0; i < shards; i++) STAILQ_INIT(&parcels->lanes[i].list);
}

void parcels_close(struct parcels *parcels) {
  for (uint32_t i = 0; parcels->lanes && i < parcels->shards; i++) {
    struct parcel_list *list = &parcels->lanes[i].list;
    struct parcel *parcel;
    while ((parcel = STAILQ_FIRST(list))) {
      STAILQ_REMOVE_HEAD(list, next);
      free(parcel);
    }
  }
  free(parcels->lanes);
  free(parcels->fresh);
  *parcels = (struct parcels){0};
}

static struct parcel *add(struct parcels *parcels, uint32_t to, struct bytes batch) {
  struct parcels_lane *lane = &parcels->lanes[to % parcels->shards];
  struct parcel *parcel = xmalloc(sizeof *parcel + batch.len);
  *parcel = (struct parcel){.to = to, .len = batch.len};
  memcpy(parcel->batch, batch.data, batch.len);
  STAILQ_INSERT_TAIL(&lane->list, parcel, next);
  lane->n++;
  parcels->n++;
  parcels->bytes += batch.len;
  return parcel;
}

void parcels_add(struct parcels *parcels, uint32_t to, struct bytes batch) {
  struct parcel *parcel = add(parcels, to, batch);
  if (parcels->n_fresh == parcels->cap_fresh) {
    parcels->cap_fresh = parcels->cap_fresh ? 2 * parcels->cap_fresh : 8;
    parcels->fresh = xrealloc(parcels->fresh, parcels->cap_fresh * sizeof(struct parcel *));
  }
  parcel->fresh = true;
  parcels->fresh[parcels->n_fresh++] = parcel;
}

void parcels_load(struct parcels *parcels, uint32_t to, struct stream_id number, struct bytes batch) {
  add(parcels, to, batch)->number = number;
}

bool parcels_posted(struct parcels *parcels, struct stream_id number) {
  if (!parcels_is_fresh(parcels)) return false;
  struct parcel *parcel = parcels->fresh[parcels->n_posted++];
  parcel->fresh = false;
  parcel->number = number;
  if (parcels->n_posted == parcels->n_fresh) parcels->n_posted = parcels->n_fresh = 0;
  return true;
}

struct parcel *parcels_next(const struct parcels *parcels, uint32_t shard, const struct parcel *after) {
  if (!parcels->lanes) return NULL;
  struct parcel *parcel = after ? STAILQ_NEXT(after, next) : STAILQ_FIRST(&parcels->lanes[shard].list);
  while (parcel && parcel->under_way) parcel = STAILQ_NEXT(parcel, next);
  return parcel && !parcel->fresh ? parcel : NULL; /* behind a fresh one all are */
}

/* One in the middle may arrive before an older one, which its partition cannot take: only what all are behind is
 * trimmed. */
void parcels_arrived(struct parcels *parcels, struct parcel *parcel, uint64_t now_us) {
  struct parcels_lane *lane = &parcels->lanes[parcel->to % parcels->shards];
  bool was_first = STAILQ_FIRST(&lane->list) == parcel;
  assert(!parcel->fresh);
  if (stream_id_compare(parcel->number, lane->newest) > 0) lane->newest = parcel->number;
  if (was_first) lane->arrived = parcel->number;
  STAILQ_REMOVE(&lane->list, parcel, parcel, next);
  lane->n--;
  parcels->n--;
  parcels->bytes -= parcel->len;
  free(parcel);
  const struct parcel *first = STAILQ_FIRST(&lane->list);
  if (!first || first->fresh) lane->arrived = lane->newest;
  if (!parcels->settled_us && stream_id_compare(lane->arrived, lane->trimmed) > 0) parcels->settled_us = now_us;
}

size_t parcels_settle(struct parcels *parcels, struct commit_settled *out) {
  size_t n = 0;
  for (uint32_t shard = 0; parcels->settled_us && shard < parcels->shards; shard++) {
    struct parcels_lane *lane = &parcels->lanes[shard];
    if (stream_id_compare(lane->arrived, lane->trimmed) <= 0) continue;
    lane->trimmed = lane->arrived;
    out[n++] = (struct commit_settled){.shard = shard, .number = lane->arrived};
  }
  parcels->settled_us = 0;
  return n;
}
