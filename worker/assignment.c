/* Caps, then what is over them, then what is nobody's; the rank is a hash of worker and partition. */
#include "worker/assignment.h"
#include "common/mem.h"
#include <stdbool.h>

/* FNV-1a over the id, then the partition mixed in with the finalizer of MurmurHash3. */
static uint64_t rank_of(const char *worker, uint32_t partition) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const unsigned char *c = (const unsigned char *)worker; *c; c++) hash = (hash ^ *c) * 0x100000001b3u;
  hash ^= ((uint64_t)partition + 1) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

/* A worker while partitions are dealt. */
struct hand {
  const char *id;
  size_t load, cap;
};

/* Whether a may have one more before b may: who has most keeps most. */
static bool comes_before(const struct hand *a, const struct hand *b) {
  return a->load != b->load ? a->load > b->load : strcmp(a->id, b->id) < 0;
}

static void set_caps(struct hand *hands, size_t n, uint32_t partitions) {
  size_t share = partitions / n, extras = partitions % n; /* so many workers have one more */
  for (size_t w = 0; w < n; w++) {
    size_t before = 0;
    for (size_t other = 0; other < n; other++) before += comes_before(&hands[other], &hands[w]);
    hands[w].cap = share + (before < extras);
  }
}

/* Takes from a worker what ranks lowest for it, until it is not over its cap. */
static void take_excess(struct hand *hand, size_t w, uint32_t partitions, size_t *owners) {
  for (; hand->load > hand->cap; hand->load--) {
    uint32_t worst = partitions;
    for (uint32_t p = 0; p < partitions; p++) {
      if (owners[p] != w) continue;
      if (worst == partitions || rank_of(hand->id, p) < rank_of(hand->id, worst)) worst = p;
    }
    owners[worst] = ASSIGNMENT_NOBODY;
  }
}

/* The caps add up to all partitions, so somebody has room. */
static size_t best_for(const struct hand *hands, size_t n, uint32_t p) {
  size_t best = ASSIGNMENT_NOBODY;
  uint64_t best_rank = 0;
  for (size_t w = 0; w < n; w++) {
    if (hands[w].load >= hands[w].cap) continue;
    uint64_t rank = rank_of(hands[w].id, p);
    if (best != ASSIGNMENT_NOBODY && rank < best_rank) continue;
    if (best != ASSIGNMENT_NOBODY && rank == best_rank && strcmp(hands[w].id, hands[best].id) > 0) continue;
    best = w;
    best_rank = rank;
  }
  return best;
}

void assignment_compute(const char *const *workers, size_t n, uint32_t partitions, const size_t *current,
                        size_t *owners) {
  struct hand *hands = xcalloc(n ? n : 1, sizeof *hands);
  for (size_t w = 0; w < n; w++) hands[w].id = workers[w];
  for (uint32_t p = 0; p < partitions; p++) {
    owners[p] = current[p] < n ? current[p] : ASSIGNMENT_NOBODY;
    if (owners[p] != ASSIGNMENT_NOBODY) hands[owners[p]].load++;
  }
  if (n > 0) set_caps(hands, n, partitions);
  for (size_t w = 0; w < n; w++) take_excess(&hands[w], w, partitions, owners);
  for (uint32_t p = 0; n > 0 && p < partitions; p++) {
    if (owners[p] != ASSIGNMENT_NOBODY) continue;
    owners[p] = best_for(hands, n, p);
    hands[owners[p]].load++;
  }
  free(hands);
}
