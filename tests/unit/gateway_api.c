/* Promises of the internal API: who may ask, rooms made once per key, tickets, and how many wait at most. The real
 * admin server in front, a fake store behind; server and client share one loop. */
#include "gateway/api.h"
#include "proto/pb.h"
#include "tests/support/fake_gateway.h"
#include "tests/support/tmpdir.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOKEN      "a-token-of-more-than-sixteen-bytes"
#define RIGHT      "Bearer " TOKEN
#define DEADLINE_S 5

static struct fake_gateway world;
static struct tmpdir dir;
static struct ev_loop *loop;
static struct admin *admin;
static struct api *api;
static struct log logger;
static struct jwt_key key;
static int log_pipe[2];

static void serve(void *arg, const struct admin_request *request, struct admin_response *response) {
  (void)arg;
  api_serve(api, request, response);
}

static void start(void) {
  static const struct gateway_config base = FAKE_GATEWAY_CONFIG;
  static const struct admin_route routes[] = {{"GET", "/v1/*", serve}, {"POST", "/v1/*", serve}};
  struct gateway_config config = base;
  char error[256], path[256];
  config.partition_entries = 1000;
  fake_gateway_create(&world, &config);
  fake_gateway_open(&world);
  tmpdir_create(&dir);
  tmpdir_write(&dir, "token", TOKEN "\n", strlen(TOKEN) + 1, path, sizeof path);
  cr_assert_eq(pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC), 0);
  log_init(&logger, log_pipe[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "gateway g1");
  cr_assert(jwt_key_set(&key, JWT_HS256, "0123456789abcdef0123456789abcdef", 32, "key", error, sizeof error));
  api = api_create(path, world.sessions, &key, &logger, error, sizeof error);
  cr_assert(api, "%s", error);
  loop = ev_loop_new(0);
  admin = admin_create(loop, &(struct admin_config){.routes = routes, .route_count = 2}, error, sizeof error);
  cr_assert(admin, "%s", error);
}

static void stop(void) {
  admin_destroy(admin);
  api_destroy(api);
  ev_loop_destroy(loop);
  fake_gateway_destroy(&world);
  jwt_key_close(&key);
  close(log_pipe[0]);
  close(log_pipe[1]);
  tmpdir_remove(&dir);
}

TestSuite(internal_api, .init = start, .fini = stop, .timeout = 30);

/* ---- asking ---- */

/* One that was sent. */
struct call {
  int fd;
  struct buf in;
  unsigned status; /* once it is answered */
  json_t *json;    /* likewise; owned */
};

/* `authorization` NULL: none. */
static struct call send_as(const char *authorization, const char *method, const char *path, const char *body) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(admin_port(admin)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct call call = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  struct buf request = {0};
  buf_printf(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n", method, path,
             strlen(body));
  if (authorization) buf_printf(&request, "Authorization: %s\r\n", authorization);
  buf_printf(&request, "\r\n%s", body);
  cr_assert_eq(connect(call.fd, (const struct sockaddr *)&address, sizeof address), 0);
  cr_assert_eq(send(call.fd, request.data, request.len, MSG_NOSIGNAL), (ssize_t)request.len);
  buf_close(&request);
  return call;
}

static struct call send_call(const char *method, const char *path, const char *body) {
  return send_as(RIGHT, method, path, body);
}

/* Turns the loop until `done` says so. */
static void turn_until(bool (*done)(void *arg), void *arg) {
  time_t begin = time(NULL);
  while (!done(arg)) {
    cr_assert(time(NULL) <= begin + DEADLINE_S, "not in time");
    ev_run(loop, EVRUN_NOWAIT);
  }
}

static bool has_ended(void *arg) {
  struct call *call = arg;
  char chunk[4096];
  ssize_t got = recv(call->fd, chunk, sizeof chunk, MSG_DONTWAIT);
  if (got > 0) buf_append(&call->in, chunk, (size_t)got);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* The answer; call->json is valid until end_call. */
static void await(struct call *call, unsigned status) {
  turn_until(has_ended, call);
  const char *text = buf_str(&call->in), *body = strstr(text, "\r\n\r\n");
  cr_assert(body && sscanf(text, "HTTP/1.1 %u", &call->status) == 1, "no answer: %s", text);
  cr_assert_eq(call->status, status, "%u, not %u: %s", call->status, status, body);
  call->json = json_loads(body, 0, NULL);
  cr_assert(call->json, "%s", body);
}

static void end_call(struct call *call) {
  json_decref(call->json);
  buf_close(&call->in);
  close(call->fd);
}

static void await_error(struct call *call, unsigned status, const char *code) {
  await(call, status);
  const json_t *error = json_object_get(call->json, "error");
  cr_assert_str_eq(json_string_value(json_object_get(error, "code")), code);
  end_call(call);
}

/* ---- what rooms are asked, and answer ---- */

static bool has_asked(void *arg) {
  (void)arg;
  gateway_turn(world.gateway);
  return world.store->append.callback != NULL;
}

/* The entry that the last request became, and which the partition then took. */
static const Heya__Bus__Entry *asked(void) {
  turn_until(has_asked, NULL);
  cr_assert_eq(world.store->append.n, 1);
  cr_assert_eq(world.store->append.items[0].batch->n_entries, 1);
  fake_store_append_ok(world.store);
  return world.store->append.items[0].batch->entries[0];
}

static void answer(const Heya__Bus__Entry *entry, Heya__V1__ServerMessage *message) {
  fake_gateway_deliver(&world, entry->room, message, HEYA__BUS__ATTACHMENT__UNCHANGED, 0, &entry->conn, 1);
}

static void answer_joined(const Heya__Bus__Entry *entry, bool created) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  joined.room = pb_text(entry->room);
  joined.created = created;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
  message.joined = &joined;
  answer(entry, &message);
}

static void answer_error(const Heya__Bus__Entry *entry, Heya__V1__Error__Code code) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  error.code = code;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ERROR;
  message.error = &error;
  answer(entry, &message);
}

/* ---- who may ask ---- */

static const char *logged(void) {
  static char text[65536];
  ssize_t got = read(log_pipe[0], text, sizeof text - 1);
  text[got > 0 ? got : 0] = '\0';
  return text;
}

static size_t count(const char *text, const char *word) {
  size_t n = 0;
  for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) n++;
  return n;
}

/* The right token stands for itself alone, and where it belongs. */
Test(internal_api, who_does_not_say_the_token_is_told_401_and_noted) {
  static const char *const wrong[] = {NULL,
                                      "",
                                      TOKEN,
                                      "Bearer",
                                      "Bearer ",
                                      "Basic " TOKEN,
                                      "Bearer  " TOKEN,
                                      "Bearer a",
                                      "Bearer a-token-of-more-than-sixteen-byte",
                                      "Bearer a-token-of-more-than-sixteen-bytess",
                                      "Bearer a-token-of-more-than-sixteen-bytex",
                                      "Bearer x-token-of-more-than-sixteen-bytes",
                                      RIGHT " " TOKEN};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct call call = send_as(wrong[i], "POST", "/v1/rooms", "{\"kind\":\"live\",\"key\":\"a\"}");
    await_error(&call, 401, "UNAUTHENTICATED");
  }
  gateway_turn(world.gateway);
  cr_assert_null(world.store->append.callback, "nobody was asked");
  const char *text = logged();
  cr_assert(strstr(text, "level=warn") && strstr(text, "event=api_refused path=/v1/rooms\n"), "%s", text);
  cr_assert_eq(count(text, "a-token"), 0, "%s", text);
  size_t lines = count(text, "event=api_refused");
  cr_assert(lines >= 1 && lines <= 2 * LOG_LIMIT_DEFAULT, "%zu lines: whoever tries can fill the log", lines);

  struct call call = send_call("GET", "/v1/nothing", "");
  await_error(&call, 404, "NO_SUCH_PATH");
  cr_assert_str_eq(logged(), "", "who may ask is no news");
}

static bool takes(const char *token, size_t len, char *error, size_t error_size) {
  char path[256];
  tmpdir_write(&dir, "other", token, len, path, sizeof path);
  struct api *other = api_create(path, world.sessions, NULL, NULL, error, error_size);
  api_destroy(other);
  return other != NULL;
}

Test(internal_api, a_token_that_can_be_guessed_or_read_in_part_is_none) {
  char token[API_TOKEN_MAX + 2], error[256] = "";
  memset(token, 'x', sizeof token);
  cr_assert_not(takes(token, API_TOKEN_MIN - 1, error, sizeof error));
  cr_assert(strstr(error, "16 to 512 bytes"), "%s", error);
  cr_assert(takes(token, API_TOKEN_MIN, error, sizeof error));
  cr_assert(takes(token, API_TOKEN_MAX, error, sizeof error));
  cr_assert_not(takes(token, API_TOKEN_MAX + 1, error, sizeof error));
  token[API_TOKEN_MIN - 1] = '\n';
  cr_assert_not(takes(token, API_TOKEN_MIN, error, sizeof error), "the end of the line does not count");
  cr_assert_null(api_create("/nowhere/token", world.sessions, NULL, NULL, error, sizeof error));
}

/* ---- making rooms ---- */

#define MAKE_TWO                                                                                                     \
  "{\"kind\":\"live\",\"key\":\"match-1\",\"max_members\":2,\"members\":[{\"player\":\"ann\"},{\"player\":\"bob\"}]" \
  "}"

Test(internal_api, each_member_of_a_room_that_is_made_gets_a_ticket_for_hello) {
  static const char *const players[] = {"ann", "bob"};
  struct call call = send_call("POST", "/v1/rooms", MAKE_TWO);
  const Heya__Bus__Entry *entry = asked();
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_OPEN);
  cr_assert_eq(entry->open->max_members, 2);
  cr_assert_eq(entry->open->seats->n_seats, 2);
  cr_assert_eq(entry->open->seats->keep_ms, API_KEEP_MS);
  answer_joined(entry, true);
  await(&call, 201);
  cr_assert(json_is_true(json_object_get(call.json, "created")));
  const json_t *tickets = json_object_get(call.json, "tickets");
  cr_assert_eq(json_array_size(tickets), 2);
  for (size_t i = 0; i < 2; i++) {
    struct jwt_claims claims;
    const char *why;
    const json_t *ticket = json_array_get(tickets, i);
    cr_assert_str_eq(json_string_value(json_object_get(ticket, "player")), players[i]);
    cr_assert(jwt_check(&key, json_string_value(json_object_get(ticket, "token")), &claims, &why), "%s", why);
    cr_assert_str_eq(claims.subject, players[i]);
    cr_assert_eq((uint64_t)claims.expires_s, world.store->now_ms / 1000 + API_TICKET_S);
  }
  end_call(&call);
}

Test(internal_api, there_are_no_tickets_without_a_room_or_without_a_key_that_signs) {
  struct call call = send_call("POST", "/v1/rooms", MAKE_TWO);
  answer_error(asked(), HEYA__V1__ERROR__CODE__ROOM_FULL);
  await(&call, 409);
  cr_assert_null(json_object_get(call.json, "tickets"));
  end_call(&call);

  key.algorithm = JWT_ES256; /* whose public key only checks */
  call = send_call("POST", "/v1/rooms", MAKE_TWO);
  answer_joined(asked(), true);
  await(&call, 201);
  cr_assert_eq(json_array_size(json_object_get(call.json, "tickets")), 0);
  end_call(&call);
  key.algorithm = JWT_HS256;
}

/* The room that a request of this body asks for; answered as if it had been there. */
static void make(const char *body, char room[ROOM_ID_MAX + 1]) {
  struct call call = send_call("POST", "/v1/rooms", body);
  const Heya__Bus__Entry *entry = asked();
  snprintf(room, ROOM_ID_MAX + 1, "%s", entry->room);
  answer_joined(entry, false);
  await(&call, 200);
  cr_assert(json_is_false(json_object_get(call.json, "created")));
  end_call(&call);
}

/* What else the request says, the owner compares with nothing: see worker_elsewhere.c. */
Test(internal_api, the_same_key_means_the_same_room_whatever_else_is_asked) {
  char first[ROOM_ID_MAX + 1], other[ROOM_ID_MAX + 1];
  make(MAKE_TWO, first);
  cr_assert_eq(strncmp(first, "live/~", 6), 0);
  make(MAKE_TWO, other);
  cr_assert_str_eq(other, first);
  make("{\"kind\":\"live\",\"key\":\"match-1\",\"max_members\":4,\"keep_ms\":5,\"members\":[{\"player\":\"eve\"}]}",
       other);
  cr_assert_str_eq(other, first);
  make("{\"kind\":\"live\",\"key\":\"match-2\"}", other);
  cr_assert_str_neq(other, first);
  make("{\"kind\":\"chat\",\"key\":\"match-1\"}", other);
  cr_assert_str_neq(strchr(other, '/'), strchr(first, '/'));
}

/* The tickets are for those whom this request names, not for those of the first one. */
Test(internal_api, who_asks_again_with_other_members_gets_their_tickets) {
  struct call call = send_call("POST", "/v1/rooms", MAKE_TWO);
  answer_joined(asked(), true);
  await(&call, 201);
  end_call(&call);
  call = send_call("POST", "/v1/rooms", "{\"kind\":\"live\",\"key\":\"match-1\",\"members\":[{\"player\":\"eve\"}]}");
  answer_joined(asked(), false);
  await(&call, 200);
  const json_t *tickets = json_object_get(call.json, "tickets");
  cr_assert_eq(json_array_size(tickets), 1);
  cr_assert_str_eq(json_string_value(json_object_get(json_array_get(tickets, 0), "player")), "eve");
  end_call(&call);
}

/* ---- those that wait ---- */

static bool so_many_wait(void *n) {
  return world.store->list.n == *(size_t *)n;
}

static struct call wait_as(size_t n) {
  struct call call = send_call("GET", "/v1/rooms?kind=live", "");
  turn_until(so_many_wait, &n);
  return call;
}

Test(internal_api, when_256_wait_one_more_is_told_503_until_one_is_answered) {
  static struct call calls[API_PENDING_MAX];
  for (size_t i = 0; i < API_PENDING_MAX; i++) calls[i] = wait_as(i + 1);
  struct call more = send_call("GET", "/v1/rooms?kind=live", "");
  await_error(&more, 503, "BUSY");
  more = send_call("POST", "/v1/rooms", MAKE_TWO);
  await_error(&more, 503, "BUSY");
  gateway_turn(world.gateway);
  cr_assert_null(world.store->append.callback, "nobody was asked");

  fake_store_list(world.store, STORE_OK, NULL, 0, "");
  await(&calls[0], 200);
  end_call(&calls[0]);
  calls[0] = wait_as(API_PENDING_MAX);
  while (world.store->list.n) fake_store_list(world.store, STORE_OK, NULL, 0, "");
  for (size_t i = 0; i < API_PENDING_MAX; i++) {
    await(&calls[i], 200);
    end_call(&calls[i]);
  }
}

Test(internal_api, who_waits_for_too_long_is_told_504_and_an_answer_after_that_is_missed) {
  struct call call = send_call("POST", "/v1/rooms", MAKE_TWO);
  const Heya__Bus__Entry *entry = asked();
  cr_assert_leq(api_turn(api), API_TIMEOUT_US);
  world.store->now_us += API_TIMEOUT_US - 1;
  cr_assert_eq(api_turn(api), 1);
  world.store->now_us++;
  cr_assert_eq(api_turn(api), API_NEVER);
  await_error(&call, 504, "TIMEOUT");
  answer_joined(entry, true);
}

/* ---- what a body may say ---- */

Test(internal_api, options_of_a_kind_whose_payloads_are_json_go_as_they_are) {
  payload_registry_add(&world.registry, &(struct payload_kind){.name = "mine", .is_json = true});
  struct call call = send_call("POST", "/v1/rooms", "{\"kind\":\"mine\",\"key\":\"a\",\"options\":{\"x\":[1, 2]}}");
  const Heya__Bus__Entry *entry = asked();
  const ProtobufCBinaryData *options = &entry->open->options;
  cr_assert(bytes_equal_str(bytes_of(options->data, options->len), "{\"x\":[1,2]}"));
  answer_joined(entry, true);
  await(&call, 201);
  end_call(&call);
}

Test(internal_api, a_body_with_a_misspelt_name_is_refused_by_that_name) {
  static const char *const bodies[] = {"{\"kind\":\"live\",\"key\":\"a\",\"optiosn\":{}}",
                                       "{\"kind\":\"live\",\"key\":\"a\",\"key\":\"b\"}", "{\"kind\":\"live\"", "[]",
                                       "{\"kind\":\"nobody\",\"key\":\"a\",\"options\":{}}"};
  static const char *const faults[] = {"optiosn: unknown field", "wrong at byte", "wrong at byte",
                                       "the body is not an object of JSON", "options: an object"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    struct call call = send_call("POST", "/v1/rooms", bodies[i]);
    await(&call, 400);
    const char *why = json_string_value(json_object_get(json_object_get(call.json, "error"), "message"));
    cr_assert(strstr(why, faults[i]), "%s: %s", bodies[i], why);
    end_call(&call);
  }
}
