/* Where a Redis is, as people write it in an option:
 *
 *   redis://[[user:]password@]host[:port][/db]      host may be [::1]; port 6379 and db 0 unless said
 *   unix:///path/to.sock[?db=N]                     also with [user:]password@ before the path
 *   sentinel://[[user:]password@]host[:port][,host[:port]...]/master[/db][?sentinel_user=U&sentinel_password=P]
 *       up to 8 Sentinels, port 26379 unless said, and the name of the master that they watch. user, password and db
 *       are for the master, those of the query for the Sentinels.
 *
 * Users and passwords may hold %XX. A new scheme is one more branch of redis_url_parse.
 */
#ifndef HEYA_COMMON_REDIS_URL_H
#define HEYA_COMMON_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_SENTINELS_MAX 8

struct redis_place {
  char host[256];
  uint16_t port;
};

struct redis_login {
  char user[128];     /* "": none */
  char password[256]; /* "": none */
};

/* Holds no pointers: may be copied. Exactly one of at.host, path and master is not "". */
struct redis_url {
  struct redis_place at;
  char path[108]; /* of a unix socket */
  struct redis_login login;
  uint32_t db;
  char master[64]; /* its name with the Sentinels */
  struct redis_place sentinels[REDIS_SENTINELS_MAX];
  unsigned n_sentinels;
  struct redis_login sentinel_login;
};

/* False with a sentence in `error`, which never shows the password; *out is then all zero. */
bool redis_url_parse(const char *text, struct redis_url *out, char *error, size_t error_size);

/* For logs: without users and passwords. Cut to `size`. */
void redis_url_print(const struct redis_url *url, char *out, size_t size);

#endif
