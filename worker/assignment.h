/* Who should own which partition: the same answer in every worker from the same list of workers.
 *
 * Rendezvous hashing (Thaler and Ravishankar, 1998) with an even cap: each partition goes to the worker that ranks
 * highest for it among those that are not full; loads differ by at most one. When a worker comes or goes, mostly its
 * own share moves. Pure.
 */
#ifndef HEYA_WORKER_ASSIGNMENT_H
#define HEYA_WORKER_ASSIGNMENT_H

#include <stddef.h>
#include <stdint.h>

#define ASSIGNMENT_NOBODY SIZE_MAX

/* owners[p] becomes an index into workers, or ASSIGNMENT_NOBODY when there are none. The order of workers is of no
 * importance; ids are distinct. */
void assignment_compute(const char *const *workers, size_t n, uint32_t partitions, size_t *owners);

#endif
