/* One pass over the partitions in order; the rank is a hash of worker and partition. */
#include "worker/assignment.h"
#include "common/mem.h"

/* FNV-1a over the id, then the partition mixed in with the finalizer of MurmurHash3. */
static uint64_t rank_of(const char *worker, uint32_t partition) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const unsigned char *c = (const unsigned char *)worker; *c; c++) hash = (hash ^ *c) * 0x100000001b3u;
  hash ^= ((uint64_t)partition + 1) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

void assignment_compute(const char *const *workers, size_t n, uint32_t partitions, size_t *owners) {
  if (n == 0) {
    for (uint32_t p = 0; p < partitions; p++) owners[p] = ASSIGNMENT_NOBODY;
    return;
  }
  size_t share = partitions / n, extras = partitions % n; /* so many workers may have one more */
  size_t *load = xcalloc(n, sizeof *load);
  for (uint32_t p = 0; p < partitions; p++) {
    size_t best = ASSIGNMENT_NOBODY;
    uint64_t best_rank = 0;
    for (size_t w = 0; w < n; w++) {
      if (load[w] > share || (load[w] == share && extras == 0)) continue;
      uint64_t rank = rank_of(workers[w], p);
      if (best != ASSIGNMENT_NOBODY && rank < best_rank) continue;
      if (best != ASSIGNMENT_NOBODY && rank == best_rank && strcmp(workers[w], workers[best]) > 0) continue;
      best = w;
      best_rank = rank;
    }
    if (load[best]++ == share) extras--;
    owners[p] = best;
  }
  free(load);
}
