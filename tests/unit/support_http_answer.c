/* Promises of the little HTTP that a WebSocket client of the tests reads before it upgrades. */
#include "tests/support/http_answer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char plain[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length:  5\r\n\r\nhello";
static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

/* A copy that ends where it says, so that a sanitizer sees a read beyond. */
static enum http_answer_result read_copy(const char *text, size_t len, struct http_answer *out) {
  char *copy = malloc(len ? len : 1);
  memcpy(copy, text, len);
  enum http_answer_result result = http_answer_read(bytes_of(copy, len), out);
  if (result == HTTP_ANSWER_OK) out->body = bytes_of(text + ((const char *)out->body.data - copy), out->body.len);
  free(copy);
  return result;
}

static void is_read_however_it_is_cut(const char *text, unsigned status, const char *body) {
  struct http_answer answer;
  size_t len = strlen(text);
  for (size_t cut = 0; cut < len; cut++)
    cr_assert_eq(read_copy(text, cut, &answer), HTTP_ANSWER_INCOMPLETE, "%zu of %s", cut, text);
  cr_assert_eq(http_answer_read(bytes_of_str(text), &answer), HTTP_ANSWER_OK);
  cr_assert_eq(answer.status, status);
  cr_assert(bytes_equal_str(answer.body, body));
  cr_assert_eq(answer.len, len);
}

Test(http_answer, is_read_however_it_is_cut) {
  is_read_however_it_is_cut(plain, 200, "hello");
  is_read_however_it_is_cut(chunked, 200, "hello");
  is_read_however_it_is_cut(upgraded, 101, "");
}

Test(http_answer, what_comes_behind_is_left) {
  struct http_answer answer;
  char text[sizeof upgraded + 8];
  snprintf(text, sizeof text, "%s\x81\x01J", upgraded);
  cr_assert_eq(http_answer_read(bytes_of_str(text), &answer), HTTP_ANSWER_OK);
  cr_assert_eq(answer.len, sizeof upgraded - 1);
}

Test(http_answer, other_text_is_none) {
  static const char *const wrong[] = {
      "SSH-2.0-OpenSSH\r\n",
      "HTTP/1.1 abc Odd\r\n\r\n",
      "HTTP/1.1\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n", /* how long? */
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n",
  };
  struct http_answer answer;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    cr_assert_eq(read_copy(wrong[i], strlen(wrong[i]), &answer), HTTP_ANSWER_INVALID, "%s", wrong[i]);
}
