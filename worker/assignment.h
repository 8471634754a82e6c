/* Who should own which partition: the same answer in every worker from the same workers and present owners.
 *
 * An even cap: loads differ by at most one. Whoever owns something keeps it up to his cap; only what is over
 * somebody's cap, or nobody's, moves, by rendezvous hashing (Thaler and Ravishankar, 1998): to the worker that ranks
 * highest for it among those that are not full. So no more moves than must. Pure.
 */
#ifndef HEYA_WORKER_ASSIGNMENT_H
#define HEYA_WORKER_ASSIGNMENT_H

#include <stddef.h>
#include <stdint.h>

#define ASSIGNMENT_NOBODY SIZE_MAX

/* One of several Redis, whose partitions are dealt by themselves, from what it alone says: those whose number leaves
 * `number` when divided by `of`. Where they cannot be dealt evenly, who has one more than others goes round from one
 * Redis to the next, so that loads are even all together. {0, 1} where there is one. */
struct assignment_part {
  uint32_t number, of;
};

/* current[p] is an index into workers, or ASSIGNMENT_NOBODY for what is free or owned by one who is not in the list;
 * owners[p] likewise, and NOBODY only when there are no workers. Both are of all partitions, and of others than those
 * of the part nothing is read or said. The order of workers is of no importance; ids are distinct. */
void assignment_compute(const char *const *workers, size_t n, uint32_t partitions, struct assignment_part,
                        const size_t *current, size_t *owners);

#endif
