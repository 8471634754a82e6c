/* A room as bytes, and back: what a new owner gets to know of it (proto/image.proto). save, load, save is identity.
 */
#ifndef HEYA_WORKER_IMAGE_H
#define HEYA_WORKER_IMAGE_H

#include "worker/room.h"

#define IMAGE_SCHEMA 1 /* of what is saved; a higher one is of a younger worker, and left alone */

struct kind_registry;

/* The image, in `out`, which is not the partition's scratch arena: that is used on the way. */
struct bytes image_save(struct room *, struct arena *out);

/* The room in `image`, which came from Redis and is hostile. NULL with a reason if it is not a sound image of room
 * `id`; `foreign` is then true if a worker of another version, or with more kinds, may be able to read it. The caller
 * owns the room; effects become the room's. */
struct room *image_load(const struct kind_registry *, struct effects *, const char *id, struct bytes image,
                        const char **reason, bool *foreign);

/* The same without its kind, which is never called: only to be ended. */
struct room *image_load_shell(const struct kind_registry *, struct effects *, const char *id, struct bytes image,
                              const char **reason, bool *foreign);

#endif
