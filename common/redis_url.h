/* Where a Redis is, as people write it in an option:
 *
 *   redis://[[user:]password@]host[:port][/db]      host may be [::1]; port 6379 and db 0 unless said
 *   unix:///path/to.sock[?db=N]                     also with [user:]password@ before the path
 *
 * User and password may hold %XX. A new scheme is one more row in redis_url.c.
 */
#ifndef HEYA_COMMON_REDIS_URL_H
#define HEYA_COMMON_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holds no pointers: may be copied. Exactly one of host and path is not "". */
struct redis_url {
  char host[256];
  uint16_t port;
  char path[108];     /* of a unix socket */
  char user[128];     /* "": none */
  char password[256]; /* "": none */
  uint32_t db;
};

/* False with a sentence in `error`, which never shows the password; *out is then all zero. */
bool redis_url_parse(const char *text, struct redis_url *out, char *error, size_t error_size);

/* For logs: without user and password. Cut to `size`. */
void redis_url_print(const struct redis_url *url, char *out, size_t size);

#endif
