/* What the tests of the kind `arena` share: a ring of fighters, what they do, and reading what was sent. */
#ifndef HEYA_TESTS_KINDS_ARENA_RING_H
#define HEYA_TESTS_KINDS_ARENA_RING_H

#include "proto/kinds/arena.pb-c.h"
#include "tests/kind_harness.h"
#include "tests/kinds/messages.h"
#include "worker/kinds/arena.h"

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE
#define NOW              1700000000000u
#define NO_BYTES         bytes_of(NULL, 0)

typedef Heya__Kinds__Arena__Event arena_event;
typedef Heya__Kinds__Arena__Options arena_options;

#define FRAME     HEYA__KINDS__ARENA__EVENT__BODY_FRAME
#define ATTACKED  HEYA__KINDS__ARENA__EVENT__BODY_ATTACKED
#define DIED      HEYA__KINDS__ARENA__EVENT__BODY_DIED
#define RESPAWNED HEYA__KINDS__ARENA__EVENT__BODY_RESPAWNED

struct room *ring_open(const arena_options *, kind_code *);
/* With p1 to p<n> in it, of whom a first frame has told, and no events since. NULL: the default options. */
struct room *ring_of(int players, const arena_options *);
/* The nth fighter, from 1, may be put anywhere: as if the last frame had told so. */
const struct arena_fighter *fighter(struct room *, int number);
void put(struct room *, int number, uint32_t x, uint32_t y);

/* Each is queued; its number is for harness_outcome. */
size_t move(struct room *, const char *player, float x, float y);
size_t attack(struct room *, const char *player, const char *target);
size_t respawn(struct room *, const char *player);
kind_code code_of(struct room *, size_t command);

/* The event of this index, which must be of this sort. */
const arena_event *ring_event(struct room *, size_t index, Heya__Kinds__Arena__Event__BodyCase);
/* What the frame says of him; NULL: nothing. */
const Heya__Kinds__Arena__Fighter *in_frame(const arena_event *, const char *player);
/* The index of the next event from this one on that he heard; fails the test if there is none. */
size_t heard_by(struct room *, const char *player, size_t from);

#endif
