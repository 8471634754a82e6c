/* The messages of kinds from shared objects, for clients that speak JSON: `heya-gateway --kind-proto FILE.so`.
 *
 * The file defines `const struct payload_kind heya_payloads` (proto/payload.h). It may be the one that workers load
 * as a kind: none of its code runs here, and functions that only a worker has are not looked for. Without this a
 * kind's payloads are base64 in JSON; the binary protocol needs nothing of it.
 */
#ifndef HEYA_GATEWAY_KIND_PROTO_H
#define HEYA_GATEWAY_KIND_PROTO_H

#include "proto/payload.h"

#define KIND_PROTO_SYMBOL "heya_payloads"

/* Loads the file, for good, and adds its kind, whose name is returned. NULL with a sentence in `error`, which names
 * the file; then the registry is as it was. `path` is a path also without a slash in it: nothing is searched. */
const char *kind_proto_add(struct payload_registry *, const char *path, char *error, size_t error_size);

#endif
