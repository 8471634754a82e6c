/* The files of --www: read once at start into a table, so that a request is a look-up and no disk is waited for.
 *
 * Only regular files are taken; symbolic links are not followed (the directory itself may be one), and names
 * beginning with a dot are passed over, so nothing outside the directory and nothing half-written by an editor is
 * served. The table never changes; a new version is served by a new process.
 */
#ifndef HEYA_GATEWAY_FILES_H
#define HEYA_GATEWAY_FILES_H

#include "common/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define FILES_MAX        4096
#define FILES_DEPTH_MAX  8 /* directories inside directories */
#define FILES_PATH_BYTES 512
#define FILES_ETAG_BYTES 36 /* two quotes, 32 hexadecimal digits, NUL */

struct files;
struct frame;

struct file {
  char *path;                  /* "/index.html": what a request names; owned */
  const char *type;            /* media type, with charset where it is text; a literal */
  char etag[FILES_ETAG_BYTES]; /* strong: from SHA-256 of the content */
  struct frame *body;          /* shared with the outboxes it is being sent from */
};

/* NULL with a sentence in `error` when the directory cannot be read, holds more than `max_bytes` or FILES_MAX, or
 * goes too deep. */
struct files *files_load(const char *directory, uint64_t max_bytes, char *error, size_t error_size);

void files_destroy(struct files *files);

/* `path` as in the request line, without the query; a last "/" stands for its index.html. No decoding: the names that
 * can be asked for are those that need none. NULL when there is no such file; `files` may be NULL. */
const struct file *files_find(const struct files *files, struct bytes path);

size_t files_count(const struct files *files);

#endif
