/* Kinds from shared objects: `heya-worker --kind FILE.so`. The file defines `const struct kind heya_kind` and uses
 * the functions of worker/kind.h, which the program exports. Its code runs with all the rights of the worker. */
#ifndef HEYA_WORKER_KINDS_SHARED_H
#define HEYA_WORKER_KINDS_SHARED_H

#include "worker/kinds/registry.h"

#define KIND_SYMBOL "heya_kind"

/* Loads the file, for good, and adds its kind. NULL with a sentence in `error`, which names the file; then the
 * registry is as it was. `path` is a path also without a slash in it: nothing is searched. */
const struct kind *kind_shared_add(struct kind_registry *, const char *path, char *error, size_t error_size);

#endif
