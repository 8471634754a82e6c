/* Who a connection is: turns its Hello into a player id, or refuses.
 *
 * `dev` believes what the client claims; for development and trusted networks only. `jwt` requires a token signed
 * with the one configured algorithm and key (gateway/jwt.h). The session calls auth_check once per connection and
 * keeps only the player id: nothing is cached, so an expired token is never believed because it once was good.
 */
#ifndef HEYA_GATEWAY_AUTH_H
#define HEYA_GATEWAY_AUTH_H

#include "gateway/jwt.h"
#include "proto/client.pb-c.h"
#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum auth_mode { AUTH_DEV, AUTH_JWT };

/* "dev", "jwt", in the order of the enum, NULL-terminated: the choices of the option --auth. */
extern const char *const auth_mode_names[];

struct auth {
  enum auth_mode mode;
  struct jwt_key key; /* mode jwt */
  uint32_t leeway_s;  /* how far the clocks of issuer and gateway may differ */
};

/* Mode jwt loads the key for `algorithm` from `key_file` (see jwt_key_load); both may be NULL in mode dev. False with
 * one clear line in `error` when that fails; *auth then needs no close. */
bool auth_open(struct auth *auth, enum auth_mode mode, enum jwt_algorithm algorithm, const char *key_file,
               uint32_t leeway_s, char *error, size_t error_size);

/* Wipes the key. Idempotent. */
void auth_close(struct auth *auth);

enum auth_result {
  AUTH_OK,
  AUTH_UNAUTHENTICATED, /* -> UNAUTHENTICATED */
  AUTH_EXPIRED          /* -> TOKEN_EXPIRED: all was well but the time */
};

/* On AUTH_OK `player` holds the player id, NUL-terminated; otherwise it is empty. *why, when not NULL, gets a static
 * phrase for the log and the client, which tells nothing about the key; "" on AUTH_OK. `now_s` is Unix time. */
enum auth_result auth_check(const struct auth *auth, const Heya__V1__Hello *hello, int64_t now_s,
                            char player[PLAYER_MAX + 1], const char **why);

#endif
