/* Who may ask, where a request goes, and those that wait. See gateway/api.h. */
#include "common/mem.h"
#include "gateway/api_impl.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

/* ---- answers ---- */

static struct admin_response response_of(unsigned status, json_t *json) {
  struct admin_response response = {.status = status, .content_type = "application/json"};
  char *text = json_dumps(json, JSON_COMPACT);
  buf_append_str(&response.body, text ? text : "{}");
  buf_append_char(&response.body, '\n');
  free(text);
  json_decref(json);
  return response;
}

static json_t *error_of(const char *code, const char *message) {
  return json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message);
}

void api_reply(struct api_call *call, unsigned status, json_t *json) {
  *call->response = response_of(status, json);
}

void api_refuse(struct api_call *call, unsigned status, const char *code, const char *message) {
  api_reply(call, status, error_of(code, message));
}

/* ---- those that wait ---- */

struct api_pending *api_wait(struct api_call *call) {
  struct api *api = call->api;
  struct store *store = api->sessions->store;
  if (HASH_COUNT(api->pending) >= API_PENDING_MAX) {
    api_refuse(call, 503, "BUSY", "too many requests wait for an answer");
    return NULL;
  }
  struct api_pending *pending = xcalloc(1, sizeof *pending);
  pending->number = ++api->last_number;
  pending->until_us = store->ops->monotonic_us(store) + API_TIMEOUT_US;
  pending->deferred = admin_defer(call->request);
  HASH_ADD(hh, api->pending, number, sizeof pending->number, pending);
  return pending;
}

struct api_pending *api_find(struct api *api, uint64_t number) {
  struct api_pending *pending;
  HASH_FIND(hh, api->pending, &number, sizeof number, pending);
  return pending;
}

static void forget(struct api *api, struct api_pending *pending) {
  HASH_DELETE(hh, api->pending, pending);
  for (size_t i = 0; i < pending->n_members; i++) free(pending->members[i]);
  free(pending->members);
  free(pending);
}

void api_end(struct api *api, struct api_pending *pending, unsigned status, json_t *json) {
  struct admin_response response = response_of(status, json);
  admin_answer(pending->deferred, &response);
  forget(api, pending);
}

void api_end_refused(struct api *api, struct api_pending *pending, unsigned status, const char *code,
                     const char *message) {
  api_end(api, pending, status, error_of(code, message));
}

struct api_ask *api_ask(struct api *api, const struct api_pending *pending) {
  struct api_ask *ask = xmalloc(sizeof *ask);
  *ask = (struct api_ask){.api = api, .number = pending->number};
  DL_APPEND(api->asks, ask);
  return ask;
}

struct api_pending *api_answer_to(struct api_ask *ask, struct api **api) {
  struct api_pending *pending = api_find(ask->api, ask->number);
  *api = ask->api;
  DL_DELETE((*api)->asks, ask);
  free(ask);
  return pending;
}

uint64_t api_turn(struct api *api) {
  struct store *store = api->sessions->store;
  uint64_t now_us = store->ops->monotonic_us(store), wait_us = API_NEVER;
  struct api_pending *pending, *next;
  HASH_ITER(hh, api->pending, pending, next) {
    uint64_t until_us = pending->until_us; /* cppcheck-suppress uninitvar ; HASH_ITER sets it */
    if (until_us <= now_us) {
      api_end_refused(api, pending, 504, "TIMEOUT", "no answer in time; it may have been done all the same");
    } else if (until_us - now_us < wait_us) {
      wait_us = until_us - now_us;
    }
  }
  return wait_us;
}

/* ---- as a guest of the sessions ---- */

static bool is_alive(void *arg, uint64_t number) {
  return api_find(arg, number) != NULL;
}

static void on_busy(void *arg, uint64_t number) {
  struct api_pending *pending = api_find(arg, number);
  if (pending) api_end_refused(arg, pending, 503, "BUSY", "too much waits for this room's partition");
}

static void on_delivery(void *arg, uint64_t number, struct bytes message) {
  struct api *api = arg;
  struct api_pending *pending = api_find(api, number);
  if (pending && message.len) api_rooms_heard(api, pending, message);
  arena_reset(&api->arena);
}

/* ---- who may ask ---- */

/* Digests are compared, in constant time: how long it takes tells neither how long the right token is nor how much of
 * it was guessed. */
static bool token_is_right(const struct api *api, const struct admin_request *request) {
  static const char scheme[] = "Bearer ";
  unsigned char digest[SHA256_DIGEST_LENGTH];
  const char *header = admin_header(request, "Authorization");
  if (!header || strncasecmp(header, scheme, strlen(scheme)) != 0) return false; /* RFC 9110, section 11.1 */
  const char *token = header + strlen(scheme);
  SHA256((const unsigned char *)token, strlen(token), digest);
  return CRYPTO_memcmp(digest, api->token_digest, sizeof digest) == 0;
}

/* ---- routes ---- */

static const struct {
  const char *method, *path; /* a last "*" stands for the rest */
  void (*handler)(struct api_call *);
} routes[] = {
    {"GET", "/v1/rooms", api_rooms_list},      {"POST", "/v1/rooms", api_rooms_create},
    {"GET", "/v1/rooms/*", api_room_look},     {"POST", "/v1/rooms/*", api_room_act},
    {"GET", "/v1/workers", api_workers},       {"POST", "/v1/workers/*", api_worker_act},
    {"GET", "/v1/partitions", api_partitions}, {"GET", "/v1/gateways", api_gateways},
};

static bool matches(const char *pattern, const char *path, const char **rest) {
  size_t len = strcspn(pattern, "*");
  if (strncmp(pattern, path, len) != 0) return false;
  *rest = path + len;
  return pattern[len] == '*' || **rest == '\0';
}

static void dispatch(struct api_call *call) {
  bool known = false;
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (!matches(routes[i].path, call->request->path, &call->rest)) continue;
    known = true;
    if (strcmp(routes[i].method, call->request->method) != 0) continue;
    routes[i].handler(call);
    return;
  }
  if (known) {
    api_refuse(call, 405, "BAD_METHOD", "not with this method");
  } else {
    api_refuse(call, 404, "NO_SUCH_PATH", "there is nothing here");
  }
}

void api_serve(struct api *api, const struct admin_request *request, struct admin_response *response) {
  struct api_call call = {.api = api, .request = request, .response = response};
  if (!token_is_right(api, request)) {
    log_limited(api->log, &api->refused_limit, LOG_LEVEL_WARN, "api_refused",
                F_BYTES("path", bytes_of(request->path, strnlen(request->path, 128))));
    api_refuse(&call, 401, "UNAUTHENTICATED", "a valid bearer token is needed");
    return;
  }
  dispatch(&call);
  arena_reset(&api->arena);
}

/* ---- create, destroy ---- */

static bool read_token(struct api *api, const char *file, char *error, size_t error_size) {
  char token[API_TOKEN_MAX + 2];
  FILE *stream = fopen(file, "re");
  if (!stream) {
    snprintf(error, error_size, "%s: %s", file, strerror(errno));
    return false;
  }
  setvbuf(stream, NULL, _IONBF, 0); /* no second copy of a secret */
  size_t len = fread(token, 1, sizeof token, stream);
  fclose(stream);
  while (len && (token[len - 1] == '\n' || token[len - 1] == '\r')) len--;
  bool sound = len >= API_TOKEN_MIN && len <= API_TOKEN_MAX;
  if (sound) SHA256((const unsigned char *)token, len, api->token_digest);
  OPENSSL_cleanse(token, sizeof token);
  if (!sound) snprintf(error, error_size, "%s: a token is %d to %d bytes", file, API_TOKEN_MIN, API_TOKEN_MAX);
  return sound;
}

struct api *api_create(const char *token_file, struct sessions *sessions, const struct jwt_key *key, struct log *log,
                       char *error, size_t error_size) {
  struct api *api = xcalloc(1, sizeof *api);
  *api = (struct api){.sessions = sessions, .key = key, .log = log, .last_number = GUEST_FIRST};
  if (!read_token(api, token_file, error, error_size)) {
    free(api);
    return NULL;
  }
  arena_init(&api->arena, 16384, ARENA_NO_LIMIT);
  sessions->guests = (struct guests){.alive = is_alive, .busy = on_busy, .deliver = on_delivery, .arg = api};
  return api;
}

void api_destroy(struct api *api) {
  if (!api) return;
  struct api_pending *pending, *next;
  HASH_ITER(hh, api->pending, pending, next) forget(api, pending);
  struct api_ask *ask, *next_ask;
  DL_FOREACH_SAFE(api->asks, ask, next_ask) free(ask);
  arena_close(&api->arena);
  free(api);
}
