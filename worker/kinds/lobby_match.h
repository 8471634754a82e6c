/* Who plays with whom: groups of waiting parties of about the same skill. Pure; knows no room and no player.
 *
 * A party accepts others whose skill is within its range of its own; in a group all accept each other. Whoever has
 * waited for longest is served first, with those nearest to him.
 */
#ifndef HEYA_WORKER_KINDS_LOBBY_MATCH_H
#define HEYA_WORKER_KINDS_LOBBY_MATCH_H

#include <stddef.h>
#include <stdint.h>

struct lobby_candidate {
  int32_t skill;
  uint32_t players; /* at least 1 */
  uint64_t range;
};

/* How many neighbours are looked at for each, and how many ways of putting them together: beyond that a group that
 * exists may not be found yet. Parties of one are always found. */
#define LOBBY_MATCH_NEAR  64
#define LOBBY_MATCH_STEPS 1000
#define LOBBY_MATCH_SIZE  64

/* Makes groups of exactly `size` players (up to LOBBY_MATCH_SIZE) out of n candidates, who stand in the order in
 * which they came. group[i] is the number of the group of candidate i, from 1; 0: he waits on. Returns how many
 * groups there are; the first is that of whoever has waited for longest. */
uint32_t lobby_match(const struct lobby_candidate *candidates, size_t n, uint32_t size, uint32_t *group);

#endif
