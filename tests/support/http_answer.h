/* One HTTP/1.1 response, as a client reads it that has asked for something small before it upgrades its connection
 * (RFC 9112). Pure: it takes bytes, and owns none. */
#ifndef HEYA_TESTS_SUPPORT_HTTP_ANSWER_H
#define HEYA_TESTS_SUPPORT_HTTP_ANSWER_H

#include "common/bytes.h"

struct http_answer {
  unsigned status;
  struct bytes body; /* a view into what was read; empty with 101, after which another protocol begins */
  size_t len;        /* of the whole response: what is behind it is not its own */
};

enum http_answer_result {
  HTTP_ANSWER_OK,
  HTTP_ANSWER_INCOMPLETE, /* come back with more */
  HTTP_ANSWER_INVALID,    /* no such response, or one whose body has no length, or has several chunks */
};

/* *out is set with HTTP_ANSWER_OK only. */
enum http_answer_result http_answer_read(struct bytes in, struct http_answer *out);

#endif
