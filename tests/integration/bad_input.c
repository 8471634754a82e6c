/* Bad input: each kind of it has a named answer, crashes nothing, and disturbs nobody else. After every piece of it
 * two people in a chat room on the same gateway must still hear each other.
 */
#include "common/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <jwt.h>
#include <time.h>

TestSuite(bad_input, .timeout = 90);

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define CLOSE_MS   5000

struct scene {
  struct cluster *cluster;
  struct player *ann, *bob; /* the undisturbed */
  unsigned lines;
};

static void scene_open(struct scene *scene, const char *const *gateway_args) {
  *scene = (struct scene){
      .cluster = cluster_start(&(struct cluster_options){.workers = 1, .gateways = 1, .gateway_args = gateway_args})};
  scene->ann = cluster_player(scene->cluster, 0, "ann");
  scene->bob = cluster_player(scene->cluster, 0, "bob");
  player_join(scene->ann, "chat/calm");
  player_join(scene->bob, "chat/calm");
}

/* The others did not notice. */
static void check_calm(struct scene *scene) {
  char text[32];
  snprintf(text, sizeof text, "calm %u", ++scene->lines);
  player_say(scene->ann, text);
  player_await_line(scene->bob, text);
}

static void scene_close(struct scene *scene) {
  check_calm(scene);
  cr_assert(process_is_running(cluster_gateway(scene->cluster, 0)));
  cr_assert(process_is_running(cluster_worker(scene->cluster, 0)));
  cluster_stop(scene->cluster);
}

/* ---- HTTP --------------------------------------------------------------------------------------------------------
 */

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13     "Sec-WebSocket-Version: 13\r\n"
#define PROTO   "Sec-WebSocket-Protocol: heya.v1.proto\r\n"
#define HOST    "Host: x\r\n"
#define GET_V1  "GET /v1 HTTP/1.1\r\n"

Test(bad_input, http_that_is_not_a_handshake_gets_its_status) {
  static const struct {
    const char *request;
    unsigned status;
    const char *says; /* in the head; may be NULL */
  } rows[] = {
      {"NONSENSE\r\n\r\n", 400, NULL},
      {"GET\r\n\r\n", 400, NULL},
      {"\x16\x03\x01\x02\r\n\r\n", 400, NULL},
      {GET_V1 "Host x\r\n\r\n", 400, NULL},
      {GET_V1 UPGRADE V13 PROTO "\r\n", 400, NULL},
      {GET_V1 HOST HOST UPGRADE V13 PROTO "\r\n", 400, NULL},
      {GET_V1 HOST V13 PROTO "\r\n", 426, "Sec-WebSocket-Version: 13"},
      {GET_V1 HOST UPGRADE PROTO "Sec-WebSocket-Version: 8\r\n\r\n", 426, "Sec-WebSocket-Version: 13"},
      {GET_V1 HOST UPGRADE PROTO "\r\n", 426, "Sec-WebSocket-Version: 13"},
      {GET_V1 HOST UPGRADE V13 "\r\n", 400, NULL},
      {GET_V1 HOST UPGRADE V13 "Sec-WebSocket-Protocol: chat\r\n\r\n", 400, NULL},
      {GET_V1 HOST V13 PROTO "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: short\r\n\r\n", 400,
       NULL},
      {GET_V1 HOST UPGRADE V13 PROTO "Content-Length: 5\r\n\r\nhello", 413, NULL},
      {"POST /v1 HTTP/1.1\r\n" HOST UPGRADE V13 PROTO "\r\n", 405, "Allow"},
      {"GET /v2 HTTP/1.1\r\n" HOST UPGRADE V13 PROTO "\r\n", 404, NULL},
      {"GET /v1/chat/a:b HTTP/1.1\r\n" HOST UPGRADE V13 PROTO "\r\n", 400, NULL},
      {"GET /v1/chat HTTP/1.1\r\n" HOST UPGRADE V13 PROTO "\r\n", 400, NULL},
      {"GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n", 404, NULL},
      {"GET / HTTP/9.9\r\n" HOST "\r\n", 505, NULL},
  };
  struct scene scene;
  scene_open(&scene, NULL);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct http_response response;
    http_raw(&response, cluster_address(scene.cluster, 0), bytes_of_str(rows[i].request), 3000);
    cr_assert_eq(response.status, rows[i].status, "%s: %u instead of %u", rows[i].request, response.status,
                 rows[i].status);
    cr_assert(!rows[i].says || strstr(response.head, rows[i].says), "%s: %s", rows[i].request, response.head);
    http_response_close(&response);
    check_calm(&scene);
  }
  scene_close(&scene);
}

Test(bad_input, an_endless_header_is_cut_off) {
  struct scene scene;
  struct buf request = {0};
  scene_open(&scene, NULL);
  buf_append_str(&request, GET_V1 HOST "X: ");
  for (int i = 0; i < 20000; i++) buf_append_char(&request, 'x');
  struct http_response response;
  http_raw(&response, cluster_address(scene.cluster, 0), buf_bytes(&request), CLOSE_MS);
  cr_assert_eq(response.status, 431);
  http_response_close(&response);
  buf_close(&request);
  scene_close(&scene);
}

Test(bad_input, an_origin_that_is_not_allowed_may_not_connect) {
  static const char *const args[] = {"--allow-origin", "https://game.example", NULL};
  struct scene scene;
  unsigned status;
  scene_open(&scene, args);
  struct wsclient_options options = {.headers = "Origin: https://evil.example\r\n"};
  cr_assert_null(wsclient_open(cluster_address(scene.cluster, 0), &options, &status));
  cr_assert_eq(status, 403);
  options.headers = "Origin: https://game.example\r\n";
  struct wsclient *allowed = wsclient_open(cluster_address(scene.cluster, 0), &options, &status);
  cr_assert(allowed);
  wsclient_destroy(allowed);
  scene_close(&scene);
}

Test(bad_input, who_never_says_hello_or_never_finishes_his_request_is_let_go) {
  static const char *const args[] = {"--hello-timeout", "300ms", "--handshake-timeout", "300ms", NULL};
  struct scene scene;
  scene_open(&scene, args);
  struct player *silent = cluster_stranger(scene.cluster, 0, "silent", NULL);
  cr_assert_eq(wsclient_wait_close(silent->socket, CLOSE_MS), 4043);
  struct http_response response;
  http_raw(&response, cluster_address(scene.cluster, 0), bytes_of_str("GET /v1 HT"), CLOSE_MS);
  cr_assert_eq(response.status, 408);
  http_response_close(&response);
  scene_close(&scene);
}

/* ---- frames ------------------------------------------------------------------------------------------------------
 */

Test(bad_input, frames_against_the_protocol_close_with_its_codes) {
  static const struct {
    const char *what;
    enum wsclient_format format;
    const char *bytes;
    size_t len;
    uint16_t code;
  } rows[] = {
      {"unmasked", WSCLIENT_PROTO, "\x82\x01!", 3, 1002},
      {"bad opcode", WSCLIENT_PROTO, "\x83\x81\0\0\0\0!", 7, 1002},
      {"reserved bit", WSCLIENT_PROTO, "\xc2\x81\0\0\0\0!", 7, 1002},
      {"continuation of nothing", WSCLIENT_PROTO, "\x80\x81\0\0\0\0!", 7, 1002},
      {"fragmented ping", WSCLIENT_PROTO, "\x09\x81\0\0\0\0!", 7, 1002},
      {"text on a binary connection", WSCLIENT_PROTO, "\x81\x81\0\0\0\0!", 7, 1003},
      {"binary on a text connection", WSCLIENT_JSON, "\x82\x81\0\0\0\0!", 7, 1003},
      {"bad UTF-8", WSCLIENT_JSON, "\x81\x82\0\0\0\0\xc0\x80", 8, 1007},
      {"oversized message", WSCLIENT_PROTO, "\x82\xff\0\0\0\0\0\1\0\1\0\0\0\0!", 15,
       1009}, /* 65537 bytes, of which the first is there */
  };
  struct scene scene;
  scene_open(&scene, NULL);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct wsclient *client =
        wsclient_open(cluster_address(scene.cluster, 0), &(struct wsclient_options){.format = rows[i].format}, NULL);
    cr_assert(client);
    cr_assert(wsclient_send_raw(client, bytes_of(rows[i].bytes, rows[i].len)));
    uint16_t code = wsclient_wait_close(client, CLOSE_MS);
    cr_assert_eq(code, rows[i].code, "%s: closed with %u instead of %u", rows[i].what, code, rows[i].code);
    wsclient_destroy(client);
    check_calm(&scene);
  }
  scene_close(&scene);
}

/* ---- messages ----------------------------------------------------------------------------------------------------
 */

static const Heya__V1__Error *error_of_garbage(struct player *player, const char *bytes, size_t len) {
  size_t before = player->log_count;
  wsclient_send(player->socket, bytes_of(bytes, len));
  uint64_t deadline = wait_deadline(PLAYER_MS);
  while (player->log_count == before && wait_left(deadline)) {
    wait_readable(wsclient_fd(player->socket), deadline);
    cr_assert(player_pump(player));
  }
  cr_assert_gt(player->log_count, before, "garbage gets no answer");
  const Heya__V1__ServerMessage *answer = player->log[before].message;
  cr_assert_eq(answer->body_case, HEYA__V1__SERVER_MESSAGE__BODY_ERROR);
  return answer->error;
}

Test(bad_input, what_cannot_be_decoded_is_a_bad_message) {
  static const struct {
    const char *bytes;
    size_t len;
  } rows[] = {
      {"\xff\xff\xff\xff", 4},         /* no tag */
      {"\x12\x7f", 2},                 /* longer than it is */
      {"\x12\x04\x0a\x02\xc0\x80", 6}, /* a player id that is not UTF-8 */
      {"\x12\x03\x0a\x01\x00", 5},     /* NUL in a string */
      {"\x10\x01", 2},                 /* hello as a number */
      {"", 0},                         /* nothing at all */
  };
  struct scene scene;
  scene_open(&scene, NULL);
  struct player *eve = cluster_player(scene.cluster, 0, "eve");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    cr_assert_eq(error_of_garbage(eve, rows[i].bytes, rows[i].len)->code, CODE(BAD_MESSAGE), "row %zu", i);
    check_calm(&scene);
    player_ping(eve); /* the connection itself goes on */
  }
  scene_close(&scene);
}

Test(bad_input, a_flood_hears_why_it_is_closed_through_a_proxy_too) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.workers = 1, .gateways = 1, .haproxy = true});
  for (int round = 0; round < 20; round++) {
    struct wsclient *client = wsclient_open(cluster_address(cluster, CLUSTER_LB), NULL, NULL);
    cr_assert(client);
    for (int i = 0; i < 2000; i++) /* one at a time: the gateway closes long before the last one */
      cr_assert(wsclient_send_raw(client, bytes_of("\x89\x81\0\0\0\0!", 7)), "reset after %d pings", i);
    cr_assert_eq(wsclient_wait_close(client, CLOSE_MS), 4012);
    wsclient_destroy(client);
  }
  cluster_stop(cluster);
}

Test(bad_input, json_that_cannot_be_decoded_is_a_bad_message) {
  static const char *const rows[] = {"{",
                                     "[]",
                                     "nonsense",
                                     "{\"hello\":7}",
                                     "{\"nosuch\":{}}",
                                     "{\"hello\":{\"player\":\"a\"},\"ping\":{}}",
                                     "{\"request\":-1,\"ping\":{}}",
                                     "{\"hello\":{\"player\":\"\\ud800\"}}",
                                     "{}"};
  struct scene scene;
  scene_open(&scene, NULL);
  struct wsclient *client =
      wsclient_open(cluster_address(scene.cluster, 0), &(struct wsclient_options){.format = WSCLIENT_JSON}, NULL);
  cr_assert(client);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct buf message;
    wsclient_send_text(client, rows[i]);
    cr_assert_eq(wsclient_receive(client, wait_deadline(PLAYER_MS), &message), WSCLIENT_MESSAGE, "%s", rows[i]);
    cr_assert(strstr(buf_str(&message), "\"BAD_MESSAGE\""), "%s: %s", rows[i], buf_str(&message));
    buf_close(&message);
    check_calm(&scene);
  }
  wsclient_destroy(client);
  scene_close(&scene);
}

Test(bad_input, hello_comes_first_and_once) {
  struct scene scene;
  struct player_payload payload;
  scene_open(&scene, NULL);
  struct player *eve = cluster_stranger(scene.cluster, 0, "eve", NULL);
  struct bytes none = bytes_of(NULL, 0);
  player_refused(eve, player_send_command(eve, "chat/calm", 1, player_say_payload(&payload, "psst")),
                 CODE(HELLO_REQUIRED));
  player_refused(eve, player_send_join(eve, "chat/calm", true, none, none), CODE(HELLO_REQUIRED));
  player_refused(eve, player_send_hello(eve, "", "", ""), CODE(UNAUTHENTICATED));
  player_refused(eve, player_send_hello(eve, "with\nnewline", "", ""), CODE(UNAUTHENTICATED));
  player_refused(eve, player_send_hello(eve, "eve", "", "a name with a bell \a"), CODE(BAD_MESSAGE));
  cr_assert_eq(player_answer(eve, player_send_hello(eve, "eve", "", "Eve"))->body_case,
               HEYA__V1__SERVER_MESSAGE__BODY_WELCOME);
  player_refused(eve, player_send_hello(eve, "mallory", "", ""), CODE(ALREADY_HELLO));
  scene_close(&scene);
}

Test(bad_input, rooms_that_are_not_there_or_not_ones_own_are_refused) {
  static const char *const args[] = {"--max-rooms", "2", NULL};
  static const char *const bad_names[] = {"chat",     "chat/",  "/a",       "chat/a:members",
                                          "chat/a b", "Chat/a", "chat/a/b", "chat/~abcdefghijklmnopqrstuvwxyz"};
  struct scene scene;
  struct player_payload payload;
  struct bytes none = bytes_of(NULL, 0);
  scene_open(&scene, args);
  struct player *eve = cluster_player(scene.cluster, 0, "eve");
  for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++)
    player_refused(eve, player_send_join(eve, bad_names[i], true, none, none), CODE(BAD_ROOM_NAME));
  player_refused(eve, player_send_join(eve, "nosuch/a", true, none, none), CODE(UNKNOWN_KIND));
  player_refused(eve, player_send_join(eve, "chat/nobody", false, none, none), CODE(ROOM_NOT_FOUND));
  player_refused(eve, player_send_create(eve, "nosuch", "key", none), CODE(UNKNOWN_KIND));
  player_refused(eve, player_send_create(eve, "chat", "", none), CODE(BAD_MESSAGE));
  player_refused(eve, player_send_join(eve, "live/a", true, player_live_options(&payload, 1, 5), none),
                 CODE(INVALID_ARGUMENT)); /* a deadline of 5 ms */
  player_refused(eve, player_send_join(eve, "live/a", true, bytes_of("\xff", 1), none), CODE(INVALID_ARGUMENT));

  player_refused(eve, player_send_command(eve, "chat/calm", 1, player_say_payload(&payload, "psst")),
                 CODE(NOT_IN_ROOM));
  player_refused(eve, player_send_leave(eve, "chat/calm"), CODE(NOT_IN_ROOM));
  player_join(eve, "chat/one");
  player_refused(eve, player_send_join(eve, "chat/one", true, none, none), CODE(ALREADY_IN_ROOM));
  player_refused(eve, player_try(eve, bytes_of("\xff\xff", 2)), CODE(INVALID_ARGUMENT));
  player_refused(eve, player_try(eve, none), CODE(INVALID_ARGUMENT));
  player_join(eve, "chat/two");
  player_refused(eve, player_send_join(eve, "chat/three", true, none, none), CODE(TOO_MANY_ROOMS));
  player_leave(eve);
  player_join(eve, "chat/three");
  scene_close(&scene);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------
 */

#define SECRET  "a secret of thirty-two bytes and more"
#define MALLORY "another secret of thirty-two bytes .."

/* Seconds from now; 0 leaves the claim out. */
static char *token(const char *secret, const char *subject, long expires_s, long not_before_s) {
  jwt_t *jwt;
  cr_assert_eq(jwt_new(&jwt), 0);
  if (subject) jwt_add_grant(jwt, "sub", subject);
  if (expires_s) jwt_add_grant_int(jwt, "exp", time(NULL) + expires_s);
  if (not_before_s) jwt_add_grant_int(jwt, "nbf", time(NULL) + not_before_s);
  if (secret) {
    unsigned char *key = xmemdup(secret, strlen(secret));
    cr_assert_eq(jwt_set_alg(jwt, JWT_ALG_HS256, key, (int)strlen(secret)), 0);
    free(key);
  }
  char *text = jwt_encode_str(jwt);
  cr_assert(text);
  jwt_free(jwt);
  return text;
}

Test(bad_input, tokens_expired_forged_or_missing_are_refused) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  char key[256];
  tmpdir_write(cluster_dir(cluster), "jwt.key", SECRET, strlen(SECRET), key, sizeof key);
  const char *const args[] = {"--auth", "jwt", "--jwt-key", key, "--jwt-alg", "HS256", NULL};
  unsigned worker = cluster_spawn_worker(cluster, NULL), gateway = cluster_spawn_gateway(cluster, args);
  cluster_await_worker(cluster, worker);
  cluster_await_gateway(cluster, gateway);

  struct {
    char *token;
    Heya__V1__Error__Code code;
  } rows[] = {
      {token(SECRET, "eve", -60, 0), CODE(TOKEN_EXPIRED)},
      {token(SECRET, "eve", 600, 300), CODE(UNAUTHENTICATED)},
      {token(MALLORY, "eve", 600, 0), CODE(UNAUTHENTICATED)},
      {token(NULL, "eve", 600, 0), CODE(UNAUTHENTICATED)},
      {token(SECRET, NULL, 600, 0), CODE(UNAUTHENTICATED)},
      {token(SECRET, "eve", 0, 0), CODE(UNAUTHENTICATED)},
      {token(SECRET, "a\nb", 600, 0), CODE(UNAUTHENTICATED)},
      {xstrdup(""), CODE(UNAUTHENTICATED)},
      {xstrdup("a.b.c"), CODE(UNAUTHENTICATED)},
  };
  struct player *eve = cluster_stranger(cluster, (int)gateway, "eve", NULL);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const Heya__V1__Error *error =
        player_refused(eve, player_send_hello(eve, "eve", rows[i].token, ""), rows[i].code);
    cr_assert_null(strstr(error->message, SECRET));
    free(rows[i].token);
  }
  char *good = token(SECRET, "the-subject", 600, -10);
  const Heya__V1__ServerMessage *answer = player_answer(eve, player_send_hello(eve, "not-eve", good, ""));
  cr_assert_eq(answer->body_case, HEYA__V1__SERVER_MESSAGE__BODY_WELCOME);
  cr_assert_str_eq(answer->welcome->player, "the-subject", "the token says who it is");
  free(good);
  player_join(eve, "chat/signed");
  cluster_stop(cluster);
}
