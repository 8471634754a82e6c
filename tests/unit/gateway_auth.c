/* Tokens are put together here by hand, with keys made on the spot, so that every forgery can be tried. */
#include "gateway/auth.h"
#include "proto/base64.h"

#include <criterion/criterion.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOW    1000000
#define SECRET "0123456789abcdef0123456789abcdef"

static char error[256];

/* ---- making keys and tokens ---- */

static char *pem_of(EVP_PKEY *key, bool private) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *data;
  if (private)
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
  else
    PEM_write_bio_PUBKEY(bio, key);
  long len = BIO_get_mem_data(bio, &data);
  char *pem = strndup(data, (size_t)len);
  BIO_free(bio);
  return pem;
}

static void append_base64url(char *to, const void *data, size_t len) {
  char *out = to + strlen(to);
  base64_encode(data, len, out);
  out[base64_encoded_len(len)] = '\0';
  for (; *out; out++) {
    if (*out == '+')
      *out = '-';
    else if (*out == '/')
      *out = '_';
    else if (*out == '=')
      *out-- = '\0';
  }
}

static size_t sign_hmac(const void *secret, size_t secret_len, const char *text, unsigned char *out) {
  unsigned len = 0;
  HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)text, strlen(text), out, &len);
  return len;
}

/* JWS wants r and s side by side (RFC 7518, section 3.4), OpenSSL makes DER. */
static size_t raw_signature(const unsigned char *der, size_t len, unsigned char *out) {
  ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)len);
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32);
  ECDSA_SIG_free(signature);
  return 64;
}

static size_t sign_key(EVP_PKEY *key, const char *text, unsigned char *out) {
  unsigned char signature[512];
  size_t len = sizeof signature;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key);
  EVP_DigestSign(context, signature, &len, (const unsigned char *)text, strlen(text));
  EVP_MD_CTX_free(context);
  if (EVP_PKEY_base_id(key) == EVP_PKEY_EC) return raw_signature(signature, len, out);
  memcpy(out, signature, len);
  return len;
}

/* Signs with `key`, or by HMAC with `secret` when there is no key. The result is released with free(). */
static char *make_token(const char *header, const char *claims, EVP_PKEY *key, const char *secret) {
  char *token = calloc(1, 20000);
  unsigned char signature[512];
  append_base64url(token, header, strlen(header));
  strcat(token, ".");
  append_base64url(token, claims, strlen(claims));
  size_t len = key ? sign_key(key, token, signature) : sign_hmac(secret, strlen(secret), token, signature);
  strcat(token, ".");
  append_base64url(token, signature, len);
  return token;
}

/* ---- checking ---- */

static enum auth_result check_at(const struct auth *auth, char *token, int64_t now_s, char *player) {
  Heya__V1__Hello hello;
  const char *why = NULL;
  heya__v1__hello__init(&hello);
  hello.player = (char[]){"mallory"};
  hello.token = token;
  enum auth_result result = auth_check(auth, &hello, now_s, player, &why);
  cr_assert_eq(result == AUTH_OK, player[0] != '\0');
  cr_assert_eq(result == AUTH_OK, why[0] == '\0');
  return result;
}

static enum auth_result check(const struct auth *auth, const char *header, const char *claims, EVP_PKEY *key,
                              const char *secret) {
  char player[PLAYER_MAX + 1];
  char *token = make_token(header, claims, key, secret);
  enum auth_result result = check_at(auth, token, NOW, player);
  free(token);
  return result;
}

static struct auth auth_with(enum jwt_algorithm algorithm, const void *key, uint32_t leeway_s) {
  struct auth auth = {.mode = AUTH_JWT, .leeway_s = leeway_s};
  cr_assert(jwt_key_set(&auth.key, algorithm, key, strlen(key), "key", error, sizeof error), "%s", error);
  return auth;
}

#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define RS256  "{\"alg\":\"RS256\"}"
#define ES256  "{\"alg\":\"ES256\"}"
#define CLAIMS "{\"sub\":\"alice\",\"exp\":1000100}"

Test(auth, dev_believes_a_valid_player_id) {
  struct auth auth;
  Heya__V1__Hello hello;
  char player[PLAYER_MAX + 1];
  cr_assert(auth_open(&auth, AUTH_DEV, JWT_HS256, NULL, 0, error, sizeof error));
  heya__v1__hello__init(&hello);
  hello.player = (char[]){"alice"};
  cr_assert_eq(auth_check(&auth, &hello, NOW, player, NULL), AUTH_OK);
  cr_assert_str_eq(player, "alice");
  hello.player = (char[]){""};
  cr_assert_eq(auth_check(&auth, &hello, NOW, player, NULL), AUTH_UNAUTHENTICATED);
  cr_assert_str_eq(player, "");
  hello.player = (char[]){"a\nb"};
  cr_assert_eq(auth_check(&auth, &hello, NOW, player, NULL), AUTH_UNAUTHENTICATED);
  auth_close(&auth);
  auth_close(&auth);
}

Test(auth, a_good_hs256_token_names_its_player_whatever_hello_claims) {
  struct auth auth = auth_with(JWT_HS256, SECRET "\n", 0);
  char player[PLAYER_MAX + 1], *token = make_token(HS256, CLAIMS, NULL, SECRET);
  cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_OK);
  cr_assert_str_eq(player, "alice");
  free(token);
  auth_close(&auth);
}

Test(auth, rs256_and_es256_tokens_are_verified_with_the_public_key) {
  EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
  char *rsa_pem = pem_of(rsa, false), *ec_pem = pem_of(ec, false);
  struct auth by_rsa = auth_with(JWT_RS256, rsa_pem, 0), by_ec = auth_with(JWT_ES256, ec_pem, 0);
  cr_assert_eq(check(&by_rsa, RS256, CLAIMS, rsa, NULL), AUTH_OK);
  cr_assert_eq(check(&by_ec, ES256, CLAIMS, ec, NULL), AUTH_OK);
  cr_assert_eq(check(&by_ec, ES256, CLAIMS, other, NULL), AUTH_UNAUTHENTICATED);
  cr_assert_eq(check(&by_rsa, ES256, CLAIMS, ec, NULL), AUTH_UNAUTHENTICATED);
  cr_assert_eq(check(&by_ec, RS256, CLAIMS, rsa, NULL), AUTH_UNAUTHENTICATED);
  auth_close(&by_rsa), auth_close(&by_ec);
  free(rsa_pem), free(ec_pem);
  EVP_PKEY_free(rsa), EVP_PKEY_free(ec), EVP_PKEY_free(other);
}

Test(auth, a_public_keys_text_is_no_secret) {
  EVP_PKEY *rsa = EVP_RSA_gen(2048);
  char *pem = pem_of(rsa, false);
  struct auth auth = auth_with(JWT_RS256, pem, 0);
  cr_assert_eq(check(&auth, HS256, CLAIMS, NULL, pem), AUTH_UNAUTHENTICATED);
  cr_assert_eq(check(&auth, RS256, CLAIMS, NULL, pem), AUTH_UNAUTHENTICATED);
  cr_assert_eq(check(&auth, "{\"alg\":\"RS256\",\"alg\":\"HS256\"}", CLAIMS, NULL, pem), AUTH_UNAUTHENTICATED);
  auth_close(&auth);
  free(pem);
  EVP_PKEY_free(rsa);
}

Test(auth, only_the_configured_algorithm_is_accepted) {
  struct auth auth = auth_with(JWT_HS256, SECRET, 0);
  static const char *const headers[] = {"{\"alg\":\"none\"}",
                                        "{\"alg\":\"None\"}",
                                        "{\"alg\":\"hs256\"}",
                                        "{\"alg\":\"HS512\"}",
                                        "{\"alg\":\"RS256\"}",
                                        "{\"alg\":5}",
                                        "{}",
                                        "[]",
                                        "",
                                        "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
                                        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}"};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
    cr_assert_eq(check(&auth, headers[i], CLAIMS, NULL, SECRET), AUTH_UNAUTHENTICATED, "%s", headers[i]);
  char player[PLAYER_MAX + 1];
  char unsigned_token[] = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MTAwMDEwMH0.";
  cr_assert_eq(check_at(&auth, unsigned_token, NOW, player), AUTH_UNAUTHENTICATED);
  auth_close(&auth);
}

Test(auth, the_times_are_checked_with_leeway) {
  static const struct {
    const char *claims;
    enum auth_result strict, lenient; /* without leeway, with 60 s */
  } cases[] = {
      {"{\"sub\":\"a\",\"exp\":1000001}", AUTH_OK, AUTH_OK},
      {"{\"sub\":\"a\",\"exp\":1000000}", AUTH_EXPIRED, AUTH_OK},
      {"{\"sub\":\"a\",\"exp\":999941}", AUTH_EXPIRED, AUTH_OK},
      {"{\"sub\":\"a\",\"exp\":999940}", AUTH_EXPIRED, AUTH_EXPIRED},
      {"{\"sub\":\"a\",\"exp\":1000000.5}", AUTH_OK, AUTH_OK},
      {"{\"sub\":\"a\",\"exp\":-1}", AUTH_EXPIRED, AUTH_EXPIRED},
      {"{\"sub\":\"a\",\"exp\":1000100,\"nbf\":1000000}", AUTH_OK, AUTH_OK},
      {"{\"sub\":\"a\",\"exp\":1000100,\"nbf\":1000060}", AUTH_UNAUTHENTICATED, AUTH_OK},
      {"{\"sub\":\"a\",\"exp\":1000100,\"nbf\":1000061}", AUTH_UNAUTHENTICATED, AUTH_UNAUTHENTICATED},
  };
  struct auth strict = auth_with(JWT_HS256, SECRET, 0), lenient = auth_with(JWT_HS256, SECRET, 60);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_eq(check(&strict, HS256, cases[i].claims, NULL, SECRET), cases[i].strict, "%s", cases[i].claims);
    cr_assert_eq(check(&lenient, HS256, cases[i].claims, NULL, SECRET), cases[i].lenient, "%s", cases[i].claims);
  }
  auth_close(&strict), auth_close(&lenient);
}

Test(auth, claims_must_be_there_and_of_their_type) {
  static const char *const refused[] = {
      "{\"sub\":\"alice\"}",
      "{\"exp\":1000100}",
      "{\"sub\":\"alice\",\"exp\":\"1000100\"}",
      "{\"sub\":\"alice\",\"exp\":null}",
      "{\"sub\":\"alice\",\"exp\":true}",
      "{\"sub\":5,\"exp\":1000100}",
      "{\"sub\":\"\",\"exp\":1000100}",
      "{\"sub\":\"a\\u0007\",\"exp\":1000100}",
      "{\"sub\":\"a\\u0000b\",\"exp\":1000100}",
      "{\"sub\":\"alice\",\"sub\":\"bob\",\"exp\":1000100}",
      "{\"sub\":\"alice\",\"exp\":1,\"exp\":1000100}",
      "{\"sub\":\"alice\",\"exp\":1000100,\"nbf\":\"0\"}",
      "{\"sub\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"exp\":1000100}",
      "[]",
      "5",
      "",
  };
  struct auth auth = auth_with(JWT_HS256, SECRET, 0);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    cr_assert_eq(check(&auth, HS256, refused[i], NULL, SECRET), AUTH_UNAUTHENTICATED, "%s", refused[i]);
  auth_close(&auth);
}

Test(auth, a_token_changed_anywhere_is_refused) {
  struct auth auth = auth_with(JWT_HS256, SECRET, 0);
  char player[PLAYER_MAX + 1], *token = make_token(HS256, CLAIMS, NULL, SECRET);
  size_t len = strlen(token);
  for (size_t i = 0; i < len; i++) {
    static const char others[] = ".A_=+ \x80";
    char kept = token[i];
    for (const char *other = others; *other; other++) {
      if (*other == kept) continue;
      token[i] = *other;
      cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_UNAUTHENTICATED, "byte %zu as %02x", i, *other);
    }
    token[i] = '\0';
    cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_UNAUTHENTICATED, "cut at %zu", i);
    token[i] = kept;
  }
  cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_OK);
  strcat(token, "A");
  cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_UNAUTHENTICATED);
  strcpy(token + len, ".x");
  cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_UNAUTHENTICATED);
  free(token);
  auth_close(&auth);
}

Test(auth, tokens_beyond_the_limit_are_refused_unread) {
  struct auth auth = auth_with(JWT_HS256, SECRET, 0);
  char claims[9000], player[PLAYER_MAX + 1];
  snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"exp\":1000100,\"x\":\"%08000d\"}", 0);
  char *token = make_token(HS256, claims, NULL, SECRET);
  cr_assert_gt(strlen(token), JWT_TOKEN_MAX);
  cr_assert_eq(check_at(&auth, token, NOW, player), AUTH_UNAUTHENTICATED);
  free(token);
  snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"exp\":1000100,\"x\":\"%05000d\"}", 0);
  cr_assert_eq(check(&auth, HS256, claims, NULL, SECRET), AUTH_OK);
  auth_close(&auth);
}

/* ---- keys ---- */

static void refuses_key(enum jwt_algorithm algorithm, const char *text, const char *reason) {
  struct jwt_key key;
  cr_assert_not(jwt_key_set(&key, algorithm, text, strlen(text), "k.pem", error, sizeof error));
  cr_assert_eq(strncmp(error, "k.pem: ", 7), 0);
  cr_assert(strstr(error, reason), "%s", error);
  cr_assert_null(key.data);
}

Test(auth, a_key_that_does_not_serve_the_algorithm_is_refused_at_start) {
  EVP_PKEY *weak = EVP_RSA_gen(1024), *rsa = EVP_RSA_gen(2048), *p256 = EVP_EC_gen("P-256"),
           *p384 = EVP_EC_gen("P-384");
  char *weak_pem = pem_of(weak, false), *rsa_pem = pem_of(rsa, false), *rsa_private = pem_of(rsa, true);
  char *p256_pem = pem_of(p256, false), *p384_pem = pem_of(p384, false);
  refuses_key(JWT_HS256, "0123456789abcdef0123456789abcde\n", "at least 32 bytes");
  refuses_key(JWT_HS256, "", "at least 32 bytes");
  refuses_key(JWT_HS256, rsa_pem, "PEM");
  refuses_key(JWT_RS256, weak_pem, "2048 bits");
  refuses_key(JWT_RS256, p256_pem, "needs an RSA key");
  refuses_key(JWT_RS256, rsa_private, "private key");
  refuses_key(JWT_RS256, SECRET, "not a public key");
  refuses_key(JWT_RS256, "", "not a public key");
  refuses_key(JWT_ES256, rsa_pem, "elliptic curve");
  refuses_key(JWT_ES256, p384_pem, "P-256");
  free(weak_pem), free(rsa_pem), free(rsa_private), free(p256_pem), free(p384_pem);
  EVP_PKEY_free(weak), EVP_PKEY_free(rsa), EVP_PKEY_free(p256), EVP_PKEY_free(p384);
}

Test(auth, the_key_comes_from_a_file) {
  struct auth auth;
  char path[] = "/tmp/heya-auth-XXXXXX";
  int fd = mkstemp(path);
  cr_assert_geq(fd, 0);
  cr_assert_eq(write(fd, SECRET "\r\n", 34), 34);
  cr_assert(auth_open(&auth, AUTH_JWT, JWT_HS256, path, 0, error, sizeof error), "%s", error);
  cr_assert_eq(auth.key.len, 32);
  cr_assert_eq(check(&auth, HS256, CLAIMS, NULL, SECRET), AUTH_OK);
  auth_close(&auth);
  for (int i = 0; i < 600; i++) cr_assert_eq(write(fd, SECRET, 32), 32);
  cr_assert_not(auth_open(&auth, AUTH_JWT, JWT_HS256, path, 0, error, sizeof error));
  cr_assert(strstr(error, "too large"), "%s", error);
  close(fd);
  unlink(path);
  cr_assert_not(auth_open(&auth, AUTH_JWT, JWT_HS256, path, 0, error, sizeof error));
  cr_assert(strstr(error, "No such file"), "%s", error);
  cr_assert_not(auth_open(&auth, AUTH_JWT, JWT_HS256, NULL, 0, error, sizeof error));
  cr_assert_not(auth_open(&auth, AUTH_JWT, JWT_HS256, "/tmp", 0, error, sizeof error));
  cr_assert(strstr(error, "directory"), "%s", error);
}

Test(auth, a_token_made_here_is_taken_here) {
  static const char secret[] = "a secret of thirty-two bytes or more";
  struct jwt_key key;
  struct jwt_claims claims;
  char token[1024];
  const char *why;
  cr_assert(jwt_key_set(&key, JWT_HS256, secret, sizeof secret - 1, "k", error, sizeof error));
  cr_assert(jwt_sign(&key, "ann \xc3\xa9", 2000000000, token, sizeof token));
  cr_assert(jwt_check(&key, token, &claims, &why), "%s", why);
  cr_assert_str_eq(claims.subject, "ann \xc3\xa9");
  cr_assert_eq(claims.expires_s, 2000000000.0);
  cr_assert_not(jwt_sign(&key, "ann", 2000000000, token, 10), "it does not fit");
  jwt_key_close(&key);
  cr_assert_not(jwt_sign(&key, "ann", 2000000000, token, sizeof token), "without a key");
}
