/* The arguments of one Redis command, gathered without an allocation per argument.
 *
 * Texts are referred to, not copied: they must live until the command is handed to the link. Numbers are written into
 * a buffer of the list. The arrays are kept for the next command, so a list that is used again and again allocates
 * nothing once it has grown. A zero-initialised list is valid and empty.
 */
#ifndef HEYA_COMMON_REDIS_ARGS_H
#define HEYA_COMMON_REDIS_ARGS_H

#include "common/buf.h"
#include "common/commit.h"

#include <stdint.h>

struct redis_args {
  const char **argv; /* valid after redis_args_finish, until the next change */
  size_t *argvlen;
  size_t n;
  size_t cap;
  struct buf numbers; /* the text of arguments whose argv is NULL until finish, in order */
};

void redis_args_close(struct redis_args *args);

/* Empties it and keeps the memory. */
void redis_args_clear(struct redis_args *args);

/* The same, and begins "FCALL function 0". */
void redis_args_call(struct redis_args *args, const char *function);

void redis_args_bytes(struct redis_args *args, struct bytes bytes);
void redis_args_text(struct redis_args *args, const char *text);
void redis_args_u64(struct redis_args *args, uint64_t value);
void redis_args_bool(struct redis_args *args, bool value); /* "1" or "0" */
void redis_args_stream_id(struct redis_args *args, struct stream_id id);
/* Copies the text, for one that does not live long enough. */
void redis_args_copy(struct redis_args *args, struct bytes bytes);

/* Points argv at the numbers. Nothing may be added afterwards but after a clear. */
void redis_args_finish(struct redis_args *args);

#endif
