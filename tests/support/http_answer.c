/* See tests/support/http_answer.h. */
#include "tests/support/http_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#define STATUS_AT  9 /* after "HTTP/1.1 " */
#define BODY_MAX   (1u << 20)
#define DIGITS_MAX 16 /* of a length */

static const char version[] = "HTTP/1.";

/* The value of a header; its data is NULL if there is none. `head` begins with the status line and ends with an end
 * of line. */
static struct bytes header(struct bytes head, const char *name) {
  const char *at = head.data, *end = at + head.len;
  size_t name_len = strlen(name);
  while ((at = memmem(at, (size_t)(end - at), "\r\n", 2))) {
    at += 2;
    if ((size_t)(end - at) <= name_len || strncasecmp(at, name, name_len) != 0 || at[name_len] != ':') continue;
    at += name_len + 1;
    while (*at == ' ') at++;
    return bytes_of(at, (size_t)((const char *)memmem(at, (size_t)(end - at), "\r\n", 2) - at));
  }
  return bytes_of(NULL, 0);
}

/* A whole number and nothing else. */
static bool take_number(struct bytes text, int base, size_t *value) {
  char copy[DIGITS_MAX + 1], *end;
  if (text.len == 0 || text.len > DIGITS_MAX) return false;
  memcpy(copy, text.data, text.len);
  copy[text.len] = '\0';
  *value = strtoul(copy, &end, base);
  return *end == '\0' && *value <= BODY_MAX;
}

/* One chunk and the last, empty one: "5\r\nhello\r\n0\r\n\r\n". */
static enum http_answer_result read_chunk(struct bytes in, struct http_answer *out) {
  static const char last[] = "\r\n0\r\n\r\n";
  const char *data = in.data, *line_end = memmem(data, in.len, "\r\n", 2);
  size_t len;
  if (!line_end) return in.len > DIGITS_MAX ? HTTP_ANSWER_INVALID : HTTP_ANSWER_INCOMPLETE;
  if (!take_number(bytes_of(data, (size_t)(line_end - data)), 16, &len)) return HTTP_ANSWER_INVALID;
  size_t at = (size_t)(line_end + 2 - data), whole = at + len + sizeof last - 1;
  if (in.len < whole) return HTTP_ANSWER_INCOMPLETE;
  if (memcmp(data + at + len, last, sizeof last - 1) != 0) return HTTP_ANSWER_INVALID;
  out->body = bytes_of(data + at, len);
  out->len += whole;
  return HTTP_ANSWER_OK;
}

static enum http_answer_result read_body(struct bytes head, struct bytes in, struct http_answer *out) {
  struct bytes length = header(head, "content-length"), coding = header(head, "transfer-encoding");
  size_t len = 0;
  if (out->status == 101) return HTTP_ANSWER_OK;
  if (coding.data) return bytes_equal_str(coding, "chunked") ? read_chunk(in, out) : HTTP_ANSWER_INVALID;
  if (!take_number(length, 10, &len)) return HTTP_ANSWER_INVALID;
  if (in.len < len) return HTTP_ANSWER_INCOMPLETE;
  out->body = bytes_of(in.data, len);
  out->len += len;
  return HTTP_ANSWER_OK;
}

enum http_answer_result http_answer_read(struct bytes in, struct http_answer *out) {
  const char *data = in.data;
  struct http_answer answer = {0};
  size_t known = in.len < sizeof version - 1 ? in.len : sizeof version - 1, status;
  if (known && memcmp(data, version, known) != 0) return HTTP_ANSWER_INVALID;
  const char *head_end = in.len ? memmem(data, in.len, "\r\n\r\n", 4) : NULL;
  if (!head_end) return HTTP_ANSWER_INCOMPLETE;
  size_t head = (size_t)(head_end + 2 - data);
  if (head < STATUS_AT + 3 || !take_number(bytes_of(data + STATUS_AT, 3), 10, &status)) return HTTP_ANSWER_INVALID;
  answer.status = (unsigned)status;
  answer.len = head + 2;
  enum http_answer_result result =
      read_body(bytes_of(data, head), bytes_of(data + answer.len, in.len - answer.len), &answer);
  if (result == HTTP_ANSWER_OK) *out = answer;
  return result;
}
