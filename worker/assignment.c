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

static size_t count_of(uint32_t partitions, struct assignment_part part) {
  return (partitions + part.of - 1 - part.number) / part.of;
}

/* How many in a row, by id, have had one more on the parts before this one. */
static size_t turn_of(size_t n, uint32_t partitions, struct assignment_part part) {
  size_t turn = 0;
  for (uint32_t i = 0; i < part.number; i++)
    turn += count_of(partitions, (struct assignment_part){.number = i, .of = part.of}) % n;
  return turn % n;
}

static void set_caps(struct hand *hands, size_t n, uint32_t partitions, struct assignment_part part) {
  size_t here = count_of(partitions, part);
  size_t share = here / n, extras = here % n; /* so many workers have one more */
  size_t turn = turn_of(n, partitions, part);
  for (size_t w = 0; w < n; w++) {
    size_t before = 0, place = 0;
    for (size_t other = 0; other < n; other++) {
      before += comes_before(&hands[other], &hands[w]);
      place += strcmp(hands[other].id, hands[w].id) < 0;
    }
    if (part.of > 1) before = (place + n - turn) % n;
    hands[w].cap = share + (before < extras);
  }
}

/* Takes from a worker what ranks lowest for it, until it is not over its cap. */
static void take_excess(struct hand *hand, size_t w, uint32_t partitions, struct assignment_part part,
                        size_t *owners) {
  for (; hand->load > hand->cap; hand->load--) {
    uint32_t worst = partitions;
    for (uint32_t p = part.number; p < partitions; p += part.of) {
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

void assignment_compute(const char *const *workers, size_t n, uint32_t partitions, struct assignment_part part,
                        const size_t *current, size_t *owners) {
  struct hand *hands = xcalloc(n ? n : 1, sizeof *hands);
  for (size_t w = 0; w < n; w++) hands[w].id = workers[w];
  for (uint32_t p = part.number; p < partitions; p += part.of) {
    owners[p] = current[p] < n ? current[p] : ASSIGNMENT_NOBODY;
    if (owners[p] != ASSIGNMENT_NOBODY) hands[owners[p]].load++;
  }
  if (n > 0) set_caps(hands, n, partitions, part);
  for (size_t w = 0; w < n; w++) take_excess(&hands[w], w, partitions, part, owners);
  for (uint32_t p = part.number; n > 0 && p < partitions; p += part.of) {
    if (owners[p] != ASSIGNMENT_NOBODY) continue;
    owners[p] = best_for(hands, n, p);
    hands[owners[p]].load++;
  }
  free(hands);
}
