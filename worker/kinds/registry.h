/* Which kinds this worker can run, by name: the built-in ones, and those that are added at start.
 *
 * A registry is filled before the first room is opened and only read after. The tables in it are not copied: they
 * outlive it and do not change.
 */
#ifndef HEYA_WORKER_KINDS_REGISTRY_H
#define HEYA_WORKER_KINDS_REGISTRY_H

#include "worker/kind.h"
#include <stddef.h>

#define KIND_REGISTRY_MAX   32
#define KIND_STATE_SIZE_MAX (1024 * 1024) /* of room_state; what grows belongs behind a pointer */

struct kind_registry {
  const struct kind *kinds[KIND_REGISTRY_MAX]; /* not owned */
  size_t count;
};

enum kind_added {
  KIND_ADDED,
  KIND_BAD_ABI,    /* built for another version of worker/kind.h: nothing else of it was looked at */
  KIND_BAD_NAME,   /* NULL, or not [a-z][a-z0-9_]{0,15} */
  KIND_INCOMPLETE, /* lacks a function that may not be NULL */
  KIND_BAD_LIMITS, /* no members, a default above the limit, or a state above KIND_STATE_SIZE_MAX */
  KIND_DUPLICATE,  /* the name is taken; a built-in kind cannot be replaced */
  KIND_FULL
};

/* With the built-in kinds in it. Nothing to close. */
void kind_registry_init(struct kind_registry *registry);

/* Anything but KIND_ADDED leaves the registry as it was. */
enum kind_added kind_registry_add(struct kind_registry *registry, const struct kind *kind);

/* NULL if there is none of this name, or `name` is NULL. */
const struct kind *kind_find(const struct kind_registry *registry, const char *name);

/* One short English phrase, for the log. Static. */
const char *kind_added_text(enum kind_added added);

#endif
