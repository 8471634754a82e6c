/* JSON Web Tokens (RFC 7519): loading a verification key and checking a token with it. Wraps libjwt; nothing else
 * includes <jwt.h>. Called by gateway/auth.c.
 *
 * A key belongs to one algorithm, and a token that names another one is refused before its signature is looked at
 * (RFC 8725, section 3.1): otherwise a token signed by HMAC with the text of the RSA public key would pass.
 */
#ifndef HEYA_GATEWAY_JWT_H
#define HEYA_GATEWAY_JWT_H

#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256 };

/* "HS256", "RS256", "ES256", in the order of the enum, NULL-terminated: the choices of the option. */
extern const char *const jwt_algorithm_names[];

#define JWT_TOKEN_MAX     8192  /* bytes */
#define JWT_KEY_FILE_MAX  16384 /* bytes */
#define JWT_HS256_KEY_MIN 32    /* bytes: the hash's size (RFC 7518, section 3.2) */

struct jwt_key {
  enum jwt_algorithm algorithm;
  unsigned char *data; /* owned; the secret, or the public key as PEM; NUL-terminated beyond len */
  size_t len;
};

/* HS256: the file's bytes are the secret, one newline at the end not counted; at least JWT_HS256_KEY_MIN of them, and
 * not a PEM. RS256: a public key in PEM, RSA of 2048 bits or more. ES256: a public key in PEM on P-256. Private keys
 * are refused: a gateway has no use for them. False with one clear line in `error`; *key is then empty. */
bool jwt_key_load(struct jwt_key *key, enum jwt_algorithm algorithm, const char *file, char *error,
                  size_t error_size);

/* The same from memory; `name` stands for the file in messages. */
bool jwt_key_set(struct jwt_key *key, enum jwt_algorithm algorithm, const void *data, size_t len, const char *name,
                 char *error, size_t error_size);

/* Wipes and frees. Idempotent. */
void jwt_key_close(struct jwt_key *key);

struct jwt_claims {
  char subject[PLAYER_MAX + 1]; /* `sub`, a valid player id */
  double expires_s;             /* `exp`, Unix time */
  double not_before_s;          /* `nbf`; 0 when there is none */
};

/* Checks shape, algorithm, signature, then the types of the claims: `sub` a valid player id, `exp` a number and
 * present, `nbf` a number if present. The times are NOT compared with now: that is the caller's. On true *why is "",
 * on false a static phrase. `token` ends in NUL. */
bool jwt_check(const struct jwt_key *key, const char *token, struct jwt_claims *claims, const char **why);

/* A token for this player that jwt_check takes until expires_s (Unix time). Only with HS256, whose key signs as well;
 * false otherwise, or if it does not fit. */
bool jwt_sign(const struct jwt_key *key, const char *player, int64_t expires_s, char *out, size_t size);

#endif
