/* Checked access into hiredis replies; see common/redis_reply.h. */
#include "common/redis_reply.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

bool redis_reply_error(const struct redisReply *reply, struct bytes *text) {
  if (!reply || reply->type != REDIS_REPLY_ERROR) return false;
  *text = bytes_of(reply->str, (size_t)reply->len);
  return true;
}

bool redis_reply_is_nil(const struct redisReply *reply) {
  return reply && reply->type == REDIS_REPLY_NIL;
}

bool redis_reply_is_array(const struct redisReply *reply) {
  return reply && reply->type == REDIS_REPLY_ARRAY;
}

size_t redis_reply_count(const struct redisReply *reply) {
  return redis_reply_is_array(reply) ? reply->elements : 0;
}

const struct redisReply *redis_reply_at(const struct redisReply *reply, size_t i) {
  return i < redis_reply_count(reply) ? reply->element[i] : NULL;
}

bool redis_reply_bytes(const struct redisReply *reply, struct bytes *out) {
  if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)) return false;
  *out = bytes_of(reply->str, (size_t)reply->len);
  return true;
}

bool redis_reply_is(const struct redisReply *reply, const char *text) {
  struct bytes bytes;
  return redis_reply_bytes(reply, &bytes) && bytes_equal_str(bytes, text);
}

const char *redis_reply_string(const struct redisReply *reply) {
  struct bytes bytes;
  if (!redis_reply_bytes(reply, &bytes) || memchr(bytes.data, '\0', bytes.len)) return NULL;
  return reply->str; /* hiredis ends every string with a NUL */
}

bool redis_reply_text(const struct redisReply *reply, char *out, size_t size) {
  const char *text = redis_reply_string(reply);
  if (!text || strlen(text) >= size) return false;
  memcpy(out, text, strlen(text) + 1);
  return true;
}

static bool digits(const char *text, size_t len, uint64_t *out) {
  uint64_t value = 0;
  if (len == 0) return false;
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    uint64_t digit = (uint64_t)(text[i] - '0');
    if (value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = value;
  return true;
}

bool redis_reply_u64(const struct redisReply *reply, uint64_t *out) {
  struct bytes bytes;
  if (reply && reply->type == REDIS_REPLY_INTEGER) {
    if (reply->integer < 0) return false;
    *out = (uint64_t)reply->integer;
    return true;
  }
  return redis_reply_bytes(reply, &bytes) && digits(bytes.data, bytes.len, out);
}

bool redis_reply_i64(const struct redisReply *reply, int64_t *out) {
  uint64_t value;
  if (reply && reply->type == REDIS_REPLY_INTEGER) {
    *out = reply->integer;
    return true;
  }
  if (!redis_reply_u64(reply, &value) || value > INT64_MAX) return false;
  *out = (int64_t)value;
  return true;
}

bool stream_id_parse(struct bytes text, struct stream_id *out) {
  const char *data = text.data, *dash = text.len ? memchr(data, '-', text.len) : NULL;
  if (!dash) return false;
  size_t ms_len = (size_t)(dash - data);
  return digits(data, ms_len, &out->ms) && digits(dash + 1, text.len - ms_len - 1, &out->seq);
}

bool redis_reply_stream_id(const struct redisReply *reply, struct stream_id *out) {
  struct bytes bytes;
  return redis_reply_bytes(reply, &bytes) && stream_id_parse(bytes, out);
}

/* Backwards from `at`. */
static char *print_backwards(uint64_t value, char *at) {
  do {
    *--at = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  return at;
}

size_t stream_id_print(struct stream_id id, char out[STREAM_ID_TEXT]) {
  char text[STREAM_ID_TEXT], *end = text + sizeof text, *at = end;
  at = print_backwards(id.seq, at);
  *--at = '-';
  at = print_backwards(id.ms, at);
  size_t len = (size_t)(end - at);
  memcpy(out, at, len);
  out[len] = '\0';
  return len;
}
