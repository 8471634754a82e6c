/* Tokens and keys (gateway/jwt.h). libjwt verifies signatures; what it leaves open is checked here: the algorithm is
 * the key's, header and claims are what they seem, every claim that is relied upon has its type. libcrypto reads
 * keys.
 */
#include "gateway/jwt.h"

#include "common/mem.h"
#include "proto/base64.h"

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

const char *const jwt_algorithm_names[] = {"HS256", "RS256", "ES256", NULL};

/* ---- keys ---- */

static bool refuse(char *error, size_t size, const char *name, const char *reason) {
  snprintf(error, size, "%s: %s", name, reason);
  return false;
}

/* A passphrase is never asked for on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context) {
  (void)buffer, (void)size, (void)writing, (void)context;
  return 0;
}

/* NULL when the key serves `algorithm`, otherwise why not. */
static const char *public_key_fault(EVP_PKEY *key, enum jwt_algorithm algorithm) {
  char group[64] = "";
  if (algorithm == JWT_RS256) {
    if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA) return "RS256 needs an RSA key, this is another type";
    return EVP_PKEY_bits(key) < 2048 ? "RS256 needs an RSA key of at least 2048 bits" : NULL;
  }
  if (EVP_PKEY_base_id(key) != EVP_PKEY_EC) return "ES256 needs an elliptic curve key, this is another type";
  if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0)
    return "ES256 needs a key on the curve P-256 (prime256v1)";
  return NULL;
}

static const char *pem_fault(const void *data, size_t len, enum jwt_algorithm algorithm) {
  if (memmem(data, len, "PRIVATE KEY-----", 16)) return "this is a private key; the gateway needs the public one";
  BIO *bio = BIO_new_mem_buf(data, (int)len);
  EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
  const char *reason = key ? public_key_fault(key, algorithm) : "not a public key in PEM (BEGIN PUBLIC KEY)";
  EVP_PKEY_free(key);
  BIO_free(bio);
  ERR_clear_error();
  return reason;
}

static const char *secret_fault(const void *data, size_t len) {
  if (memmem(data, len, "-----BEGIN ", 11)) return "HS256 needs a secret, this is a PEM file";
  return len < JWT_HS256_KEY_MIN ? "HS256 needs a secret of at least 32 bytes" : NULL;
}

bool jwt_key_set(struct jwt_key *key, enum jwt_algorithm algorithm, const void *data, size_t len, const char *name,
                 char *error, size_t error_size) {
  *key = (struct jwt_key){.algorithm = algorithm};
  if (len > JWT_KEY_FILE_MAX) return refuse(error, error_size, name, "too large for a key");
  const char *text = data;
  if (algorithm == JWT_HS256 && len > 0 && text[len - 1] == '\n') len -= len > 1 && text[len - 2] == '\r' ? 2 : 1;
  const char *reason = algorithm == JWT_HS256 ? secret_fault(data, len) : pem_fault(data, len, algorithm);
  if (reason) return refuse(error, error_size, name, reason);
  key->data = xmemdup(data, len);
  key->len = len;
  return true;
}

bool jwt_key_load(struct jwt_key *key, enum jwt_algorithm algorithm, const char *file, char *error,
                  size_t error_size) {
  *key = (struct jwt_key){.algorithm = algorithm};
  FILE *stream = fopen(file, "re");
  if (!stream) return refuse(error, error_size, file, strerror(errno));
  setvbuf(stream, NULL, _IONBF, 0); /* no second copy of a secret */
  unsigned char data[JWT_KEY_FILE_MAX + 1];
  size_t len = fread(data, 1, sizeof data, stream);
  bool failed = ferror(stream);
  int fault = errno;
  fclose(stream);
  bool ok = failed ? refuse(error, error_size, file, strerror(fault))
                   : jwt_key_set(key, algorithm, data, len, file, error, error_size);
  OPENSSL_cleanse(data, sizeof data);
  return ok;
}

void jwt_key_close(struct jwt_key *key) {
  if (key->data) OPENSSL_cleanse(key->data, key->len);
  free(key->data);
  key->data = NULL;
  key->len = 0;
}

/* ---- tokens ---- */

/* The JSON object in one part of a token, or NULL: only the URL-safe alphabet without padding, no name twice. The
 * caller releases it. */
static json_t *parse_part(const char *part, size_t len) {
  static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (strspn(part, url_safe) < len) return NULL;
  char *text = xmalloc(base64_decoded_max(len));
  size_t text_len;
  json_t *json = NULL;
  if (base64_decode(part, len, text, &text_len)) json = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, NULL);
  free(text);
  if (json_is_object(json)) return json;
  json_decref(json);
  return NULL;
}

/* RFC 8725, section 3.1, before any use of the key; and no extension that would have to be understood (`crit`). */
static bool header_is_accepted(const json_t *header, enum jwt_algorithm algorithm) {
  const char *named = json_string_value(json_object_get(header, "alg"));
  if (!named || strcmp(named, jwt_algorithm_names[algorithm]) != 0) return false;
  return !json_object_get(header, "crit");
}

static bool signature_is_valid(const struct jwt_key *key, const char *token) {
  static const jwt_alg_t algorithms[] = {
      [JWT_HS256] = JWT_ALG_HS256, [JWT_RS256] = JWT_ALG_RS256, [JWT_ES256] = JWT_ALG_ES256};
  jwt_t *jwt = NULL;
  bool valid =
      jwt_decode(&jwt, token, key->data, (int)key->len) == 0 && jwt_get_alg(jwt) == algorithms[key->algorithm];
  jwt_free(jwt);
  ERR_clear_error();
  return valid;
}

/* NULL when all is there, otherwise what is wrong. */
static const char *read_claims(const json_t *payload, struct jwt_claims *claims) {
  const json_t *subject = json_object_get(payload, "sub");
  const json_t *expires = json_object_get(payload, "exp");
  const json_t *not_before = json_object_get(payload, "nbf");
  if (!json_is_string(subject) || !player_is_valid(json_string_value(subject), json_string_length(subject)))
    return "the token's `sub` is not a player id of 1 to 64 bytes of text";
  if (!json_is_number(expires)) return "the token has no `exp`";
  if (not_before && !json_is_number(not_before)) return "the token's `nbf` is not a number";
  memcpy(claims->subject, json_string_value(subject), json_string_length(subject) + 1);
  claims->expires_s = json_number_value(expires);
  claims->not_before_s = not_before ? json_number_value(not_before) : 0;
  return NULL;
}

/* The token's parts lie at token, payload, signature; each but the last ends in a dot. */
static const char *check_parts(const struct jwt_key *key, const char *token, const char *payload,
                               const char *signature, struct jwt_claims *claims) {
  json_t *header = parse_part(token, (size_t)(payload - token - 1));
  if (!header) return "the token is malformed";
  bool accepted = header_is_accepted(header, key->algorithm);
  json_decref(header);
  if (!accepted) return "the token's algorithm is not the accepted one";
  if (!signature_is_valid(key, token)) return "the token's signature is not valid";
  json_t *body = parse_part(payload, (size_t)(signature - payload - 1));
  if (!body) return "the token is malformed";
  const char *reason = read_claims(body, claims);
  json_decref(body);
  return reason;
}

bool jwt_check(const struct jwt_key *key, const char *token, struct jwt_claims *claims, const char **why) {
  *claims = (struct jwt_claims){0};
  size_t len = strnlen(token, JWT_TOKEN_MAX + 1);
  const char *payload = strchr(token, '.');
  const char *signature = payload ? strchr(payload + 1, '.') : NULL;
  if (len == 0)
    *why = "a token is required";
  else if (len > JWT_TOKEN_MAX)
    *why = "the token is too long";
  else if (!signature || !signature[1] || strchr(signature + 1, '.'))
    *why = "the token is malformed";
  else
    *why = check_parts(key, token, payload + 1, signature + 1, claims);
  if (!*why) *why = "";
  return !**why;
}

bool jwt_sign(const struct jwt_key *key, const char *player, int64_t expires_s, char *out, size_t size) {
  jwt_t *jwt = NULL;
  char *token = NULL;
  if (key->algorithm != JWT_HS256 || !key->data || jwt_new(&jwt) != 0) return false;
  if (jwt_set_alg(jwt, JWT_ALG_HS256, key->data, (int)key->len) == 0 && jwt_add_grant(jwt, "sub", player) == 0 &&
      jwt_add_grant_int(jwt, "exp", (long)expires_s) == 0) {
    token = jwt_encode_str(jwt);
  }
  bool fits = token && (size_t)snprintf(out, size, "%s", token) < size;
  free(token);
  jwt_free(jwt);
  return fits;
}
