/* Players from Hellos (gateway/auth.h). A third way to know a player would be a mode here and a file beside jwt.c. */
#include "gateway/auth.h"

#include <stdio.h>
#include <string.h>

const char *const auth_mode_names[] = {"dev", "jwt", NULL};

bool auth_open(struct auth *auth, enum auth_mode mode, enum jwt_algorithm algorithm, const char *key_file,
               uint32_t leeway_s, char *error, size_t error_size) {
  *auth = (struct auth){.mode = mode, .leeway_s = leeway_s};
  if (mode == AUTH_DEV) return true;
  if (!key_file || !*key_file) {
    snprintf(error, error_size, "authentication by JWT needs a key file");
    return false;
  }
  return jwt_key_load(&auth->key, algorithm, key_file, error, error_size);
}

void auth_close(struct auth *auth) {
  jwt_key_close(&auth->key);
}

static enum auth_result check_claimed(const char *claimed, char *player, const char **why) {
  size_t len = strlen(claimed);
  if (!player_is_valid(claimed, len)) {
    *why = "the player id must be 1 to 64 bytes of text";
    return AUTH_UNAUTHENTICATED;
  }
  memcpy(player, claimed, len + 1);
  return AUTH_OK;
}

static enum auth_result check_token(const struct auth *auth, const char *token, int64_t now_s, char *player,
                                    const char **why) {
  struct jwt_claims claims;
  if (!jwt_check(&auth->key, token, &claims, why)) return AUTH_UNAUTHENTICATED;
  double now = (double)now_s, leeway = (double)auth->leeway_s;
  if (now >= claims.expires_s + leeway) {
    *why = "the token has expired";
    return AUTH_EXPIRED;
  }
  if (now < claims.not_before_s - leeway) {
    *why = "the token is not valid yet";
    return AUTH_UNAUTHENTICATED;
  }
  memcpy(player, claims.subject, sizeof claims.subject);
  return AUTH_OK;
}

enum auth_result auth_check(const struct auth *auth, const Heya__V1__Hello *hello, int64_t now_s,
                            char player[PLAYER_MAX + 1], const char **why) {
  const char *ignored;
  if (!why) why = &ignored;
  *why = "";
  player[0] = '\0';
  if (auth->mode == AUTH_DEV) return check_claimed(hello->player, player, why);
  return check_token(auth, hello->token, now_s, player, why);
}
