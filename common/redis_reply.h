/* Checked access into what Redis answered.
 *
 * Anybody with access to Redis may have written anything into it, so every reader here takes a possibly missing or
 * ill-typed element (NULL too) and says false rather than guess. Nothing is copied but by redis_reply_text: views
 * live as long as the reply, which is the duration of the link's callback.
 */
#ifndef HEYA_COMMON_REDIS_REPLY_H
#define HEYA_COMMON_REDIS_REPLY_H

#include "common/bytes.h"
#include "common/commit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;

/* The text of an error reply; false for anything else. It is NUL-terminated. */
bool redis_reply_error(const struct redisReply *reply, struct bytes *text);

bool redis_reply_is_nil(const struct redisReply *reply);
bool redis_reply_is_array(const struct redisReply *reply);

/* Elements of an array; 0 for anything else. */
size_t redis_reply_count(const struct redisReply *reply);
/* NULL when it is not an array or has no such element. */
const struct redisReply *redis_reply_at(const struct redisReply *reply, size_t i);

/* A string or a status. */
bool redis_reply_bytes(const struct redisReply *reply, struct bytes *out);
bool redis_reply_is(const struct redisReply *reply, const char *text);
/* The same copied with a NUL; false when it does not fit or has a NUL inside. */
bool redis_reply_text(const struct redisReply *reply, char *out, size_t size);
/* The same as a C string in place; NULL when it is none, or has a NUL inside. */
const char *redis_reply_string(const struct redisReply *reply);

/* An integer, or a string that is the decimal form of one. */
bool redis_reply_u64(const struct redisReply *reply, uint64_t *out);
bool redis_reply_i64(const struct redisReply *reply, int64_t *out);

/* "ms-seq" */
bool redis_reply_stream_id(const struct redisReply *reply, struct stream_id *out);
bool stream_id_parse(struct bytes text, struct stream_id *out);

#define STREAM_ID_TEXT 42 /* two 64-bit numbers, "-" and NUL */
/* Returns the length. */
size_t stream_id_print(struct stream_id id, char out[STREAM_ID_TEXT]);

#endif
