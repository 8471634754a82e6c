/* The internal API on a gateway's admin port: who may ask, rooms made and acted upon, draining. */
#include "tests/support/cluster.h"

#include "tests/support/http_client.h"
#include "tests/support/wait.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(api, .timeout = 90);

#define TOKEN   "a-token-of-more-than-sixteen-bytes"
#define LATE_MS 15000

static struct cluster *cluster;
static char token_path[256];

static void start(const struct cluster_options *options) {
  static const char *args[] = {"--api-token-file", token_path, NULL};
  struct cluster_options with = options ? *options : (struct cluster_options){.workers = 0};
  snprintf(token_path, sizeof token_path, "/tmp/heya-api-token-%d", (int)getpid());
  FILE *file = fopen(token_path, "w");
  cr_assert(file && fputs(TOKEN "\n", file) >= 0);
  fclose(file);
  with.gateway_args = args;
  cluster = cluster_start(&with);
  cluster_await_all_owned(cluster);
}

static void stop(void) {
  cluster_stop(cluster);
  remove(token_path);
}

/* `token` NULL: none. *status; the JSON of the body, NULL if it is none; the caller's. */
static json_t *ask_as(const char *token, const char *method, const char *path, const char *body, unsigned *status) {
  char request[4096], authorization[256] = "";
  struct http_response response;
  if (token) snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n", token);
  int len = snprintf(request, sizeof request,
                     "%s %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method,
                     path, authorization, body ? strlen(body) : 0, body ? body : "");
  http_raw(&response, cluster_gateway_admin(cluster, 0), bytes_of(request, (size_t)len), LATE_MS);
  *status = response.status;
  json_t *json = response.body ? json_loads(response.body, 0, NULL) : NULL;
  http_response_close(&response);
  return json;
}

static json_t *ask(const char *method, const char *path, const char *body, unsigned expected) {
  unsigned status;
  json_t *json = ask_as(TOKEN, method, path, body, &status);
  char *text = json_dumps(json, JSON_ENCODE_ANY);
  cr_assert_eq(status, expected, "%s %s: %u, not %u: %s", method, path, status, expected, text ? text : "");
  cr_assert(json);
  free(text);
  return json;
}

static const char *text_of(const json_t *json, const char *name) {
  const char *text = json_string_value(json_object_get(json, name));
  cr_assert(text, "no %s", name);
  return text;
}

static void expect_error(const char *method, const char *path, const char *body, unsigned status, const char *code) {
  json_t *json = ask(method, path, body, status);
  cr_assert_str_eq(text_of(json_object_get(json, "error"), "code"), code);
  json_decref(json);
}

Test(api, only_who_has_the_token_may_ask) {
  unsigned status;
  start(NULL);
  json_decref(ask_as(NULL, "GET", "/v1/workers", NULL, &status));
  cr_assert_eq(status, 401);
  json_decref(ask_as(TOKEN "x", "GET", "/v1/workers", NULL, &status));
  cr_assert_eq(status, 401);
  json_t *workers = ask("GET", "/v1/workers", NULL, 200);
  cr_assert_eq(json_array_size(workers), 2);
  json_decref(workers);
  expect_error("GET", "/v1/nothing", NULL, 404, "NO_SUCH_PATH");
  expect_error("POST", "/v1/gateways", NULL, 405, "BAD_METHOD");
  stop();
}

Test(api, without_a_token_file_there_is_no_api) {
  unsigned status;
  cluster = cluster_start(NULL);
  json_decref(ask_as(TOKEN, "GET", "/v1/workers", NULL, &status));
  cr_assert_eq(status, 404);
  cluster_stop(cluster);
}

Test(api, a_room_is_made_once_and_its_members_find_their_seats) {
  static const char body[] = "{\"kind\":\"live\",\"key\":\"match-1\",\"max_members\":2,\"options\":{\"liveId\":7},"
                             "\"members\":[{\"player\":\"ann\"},{\"player\":\"bob\"}]}";
  start(NULL);
  json_t *made = ask("POST", "/v1/rooms", body, 201), *again = ask("POST", "/v1/rooms", body, 200);
  char room[128], path[256];
  snprintf(room, sizeof room, "%s", text_of(made, "room"));
  cr_assert_str_eq(text_of(again, "room"), room);
  cr_assert(json_is_true(json_object_get(made, "created")) && json_is_false(json_object_get(again, "created")));
  const json_t *options = json_object_get(json_object_get(made, "snapshot"), "options");
  cr_assert_eq(json_integer_value(json_object_get(options, "liveId")), 7);
  json_decref(made);
  json_decref(again);

  struct player *ann = cluster_player(cluster, 0, "ann"), *eve = cluster_player(cluster, 1, "eve");
  struct bytes none = bytes_of(NULL, 0);
  player_refused(eve, player_send_join(eve, room, false, none, none), HEYA__V1__ERROR__CODE__ROOM_FULL);
  player_joined(ann, player_send_join(ann, room, false, none, none));
  snprintf(path, sizeof path, "/v1/rooms/%s", room);
  json_t *seen = ask("GET", path, NULL, 200);
  cr_assert_str_eq(text_of(json_object_get(seen, "snapshot"), "host"), "ann");
  json_decref(seen);

  snprintf(path, sizeof path, "/v1/rooms/%s/notice", room);
  json_decref(ask("POST", path, "{\"text\":\"hello\"}", 200));
  cr_assert_str_eq(player_await_event(ann, HEYA__V1__EVENT__BODY_NOTICE)->notice, "hello");
  snprintf(path, sizeof path, "/v1/rooms/%s/kick", room);
  expect_error("POST", path, "{\"player\":\"nobody\"}", 404, "NO_SUCH_MEMBER");
  snprintf(path, sizeof path, "/v1/rooms/%s/complete", room);
  json_decref(ask("POST", path, "", 200));
  player_await_event(ann, HEYA__V1__EVENT__BODY_CLOSED);
  expect_error("POST", path, "", 410, "ROOM_CLOSED");
  expect_error("POST", "/v1/rooms", body, 410, "ROOM_CLOSED");
  stop();
}

Test(api, what_makes_no_sense_is_refused) {
  start(NULL);
  expect_error("POST", "/v1/rooms", "{", 400, "BAD_MESSAGE");
  expect_error("POST", "/v1/rooms", "{\"kind\":\"chat\"}", 400, "BAD_MESSAGE");
  expect_error("POST", "/v1/rooms", "{\"kind\":\"nothing\",\"key\":\"a\"}", 400, "UNKNOWN_KIND");
  expect_error("POST", "/v1/rooms", "{\"kind\":\"live\",\"key\":\"a\",\"options\":{\"x\":1}}", 400, "BAD_MESSAGE");
  expect_error("POST", "/v1/rooms", "{\"kind\":\"live\",\"key\":\"a\",\"max_members\":999}", 400, "INVALID_ARGUMENT");
  expect_error("GET", "/v1/rooms/chat/nowhere", NULL, 404, "ROOM_NOT_FOUND");
  expect_error("GET", "/v1/rooms/chat", NULL, 404, "BAD_ROOM_NAME");
  expect_error("GET", "/v1/rooms", NULL, 400, "BAD_MESSAGE");
  stop();
}

Test(api, rooms_are_listed) {
  start(NULL);
  for (int i = 0; i < 3; i++) {
    char body[64];
    snprintf(body, sizeof body, "{\"kind\":\"chat\",\"key\":\"room-%d\"}", i);
    json_decref(ask("POST", "/v1/rooms", body, 201));
  }
  json_t *page = ask("GET", "/v1/rooms?kind=chat&limit=2", NULL, 200);
  cr_assert_eq(json_array_size(json_object_get(page, "rooms")), 2);
  cr_assert_neq(text_of(page, "after")[0], '\0');
  json_decref(page);
  json_t *partitions = ask("GET", "/v1/partitions", NULL, 200), *gateways = ask("GET", "/v1/gateways", NULL, 200);
  cr_assert_eq(json_array_size(partitions), 16);
  cr_assert_eq(json_array_size(gateways), 2);
  json_decref(partitions);
  json_decref(gateways);
  stop();
}

static size_t joinable(void) {
  json_t *page = ask("GET", "/v1/rooms?kind=live&joinable", NULL, 200);
  size_t n = json_array_size(json_object_get(page, "rooms"));
  json_decref(page);
  return n;
}

/* Two members and two kept seats fill a room of four, until one of the seats is given up. */
Test(api, a_kept_seat_is_not_listed_as_free) {
  static const char body[] = "{\"kind\":\"live\",\"key\":\"match-1\",\"max_members\":4,"
                             "\"members\":[{\"player\":\"cem\"},{\"player\":\"dan\"}]}";
  char room[128], path[256];
  start(NULL);
  json_t *made = ask("POST", "/v1/rooms", body, 201);
  snprintf(room, sizeof room, "%s", text_of(made, "room"));
  json_decref(made);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct bytes none = bytes_of(NULL, 0);
  player_joined(ann, player_send_join(ann, room, false, none, none));
  cr_assert_eq(joinable(), 1, "one is free");
  player_joined(bob, player_send_join(bob, room, false, none, none));
  cr_assert_eq(joinable(), 0);
  cr_assert_eq(player_list(ann, "live", NULL, NULL, true)->n_rooms, 0);
  const Heya__V1__Rooms *found = player_search(bob, "live", "members == 2 and free == 0", "", "", 0);
  cr_assert(found->n_rooms == 1 && found->rooms[0]->kept == 2);
  snprintf(path, sizeof path, "/v1/rooms/%s/ban", room);
  json_decref(ask("POST", path, "{\"player\":\"cem\"}", 200));
  cr_assert_eq(joinable(), 1);
  cr_assert_eq(player_search(bob, "live", "free == 1", "", "", 0)->n_rooms, 1);
  stop();
}

static size_t owned_by(const char *worker) {
  json_t *partitions = ask("GET", "/v1/partitions", NULL, 200);
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(partitions); i++)
    n += strcmp(text_of(json_array_get(partitions, i), "owner"), worker) == 0;
  json_decref(partitions);
  return n;
}

static bool owns_nothing(void *worker) {
  return owned_by(worker) == 0;
}

static bool owns_all(void *worker) {
  return owned_by(worker) == 16;
}

static bool owns_something(void *worker) {
  return owned_by(worker) > 0;
}

static void drain_one(unsigned shards) {
  char first[64], second[64], path[128];
  start(&(struct cluster_options){.lease_ms = 1000, .shards = shards});
  json_t *workers = ask("GET", "/v1/workers", NULL, 200);
  cr_assert_eq(json_array_size(workers), 2);
  snprintf(first, sizeof first, "%s", text_of(json_array_get(workers, 0), "id"));
  snprintf(second, sizeof second, "%s", text_of(json_array_get(workers, 1), "id"));
  json_decref(workers);
  cr_assert(wait_until(LATE_MS, owns_something, first));
  snprintf(path, sizeof path, "/v1/workers/%s/drain", first);
  json_decref(ask("POST", path, "", 200));
  cr_assert(wait_until(LATE_MS, owns_nothing, first));
  cr_assert(wait_until(LATE_MS, owns_all, second));
  snprintf(path, sizeof path, "/v1/workers/%s/drain", second);
  expect_error("POST", path, "", 409, "DENIED");
  snprintf(path, sizeof path, "/v1/workers/%s/undrain", first);
  json_decref(ask("POST", path, "", 200));
  cr_assert(wait_until(LATE_MS, owns_something, first));
  expect_error("POST", "/v1/workers/w-nobody/drain", "", 409, "DENIED");
  stop();
}

Test(api, a_drained_worker_hands_its_partitions_over_and_takes_none_until_it_may) {
  drain_one(1);
}

Test(api, a_worker_is_one_on_two_redis_and_drained_on_both) {
  drain_one(2);
}

/* Runs scripts/heyactl; its exit status, and what it printed in `out`. */
static int heyactl(const char *arguments, char *out, size_t size) {
  char command[1024], second[256] = "";
  if (cluster_shards(cluster) > 1) snprintf(second, sizeof second, "--redis %s", cluster_shard_url(cluster, 1));
  snprintf(command, sizeof command,
           "scripts/heyactl --redis %s %s --api http://%s --token-file %s %s 2>&1 < /dev/null",
           cluster_redis_url(cluster), second, cluster_gateway_admin(cluster, 0), token_path, arguments);
  FILE *pipe = popen(command, "r");
  cr_assert(pipe);
  out[fread(out, 1, size - 1, pipe)] = '\0';
  return WEXITSTATUS(pclose(pipe));
}

static void expect_says(const char *arguments, int status, const char *text) {
  static char out[65536];
  int found = heyactl(arguments, out, sizeof out);
  cr_assert(found == status && strstr(out, text), "heyactl %s: %d, %s", arguments, found, out);
}

Test(api, heyactl_looks_and_acts) {
  start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/hall");
  expect_says("--help", 0, "usage: scripts/heyactl");
  expect_says("rooms chat", 0, "chat/hall");
  expect_says("room chat/hall", 0, "ann");
  expect_says("room chat/none", 1, "there is no room");
  expect_says("--json workers", 0, "lease_remaining_ms");
  expect_says("partitions", 0, "epoch");
  expect_says("gateways", 0, "lease");
  expect_says("notice chat/hall 'tea is ready'", 0, "done");
  cr_assert_str_eq(player_await_event(ann, HEYA__V1__EVENT__BODY_NOTICE)->notice, "tea is ready");
  expect_says("create chat key-1 '{\"topic\":\"tea\"}' bob", 0, "created");
  expect_says("--json create chat key-1", 0, "\"created\":false");
  expect_says("kick chat/hall bob", 1, "NO_SUCH_MEMBER");
  expect_says("complete chat/hall", 0, "done");
  player_await_event(ann, HEYA__V1__EVENT__BODY_CLOSED);
  expect_says("drain w-nobody", 1, "DENIED");
  expect_says("dance", 2, "unknown command");
  stop();
}

Test(api, heyactl_looks_at_two_redis) {
  static char out[65536];
  start(&(struct cluster_options){.shards = 2});
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/r0");
  player_join(ann, "chat/r1");
  cr_assert_neq(cluster_partition(cluster, "chat/r0") % 2, cluster_partition(cluster, "chat/r1") % 2);
  expect_says("room chat/r0", 0, "ann");
  expect_says("room chat/r1", 0, "ann");
  cr_assert_eq(heyactl("rooms chat", out, sizeof out), 0);
  cr_assert(strstr(out, "chat/r0") && strstr(out, "chat/r1"), "%s", out);
  cr_assert_eq(heyactl("--json partitions", out, sizeof out), 0);
  json_t *partitions = json_loads(out, 0, NULL);
  cr_assert_eq(json_array_size(partitions), 16);
  json_decref(partitions);
  expect_says("notice chat/r1 'tea is ready'", 0, "done");
  stop();
}

Test(api, heyactl_says_which_redis_is_away_and_not_that_there_is_no_room) {
  start(&(struct cluster_options){.shards = 2, .workers = 1});
  expect_says("room chat/none", 1, "there is no room");
  process_kill(cluster_shard_process(cluster, 1));
  expect_says("room chat/none", 1, "these do not answer: number 2 of 2");
  expect_says("workers", 1, "this was Redis number 2 of 2");
  stop();
}

Test(api, heyactl_watches_a_room) {
  char command[1024], line[4096] = "";
  start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/hall");
  snprintf(command, sizeof command, "exec timeout 5 scripts/heyactl --redis %s watch chat/hall 2>&1 < /dev/null",
           cluster_redis_url(cluster));
  FILE *pipe = popen(command, "r");
  cr_assert(pipe);
  for (int i = 0; i < 40 && !line[0]; i++) { /* until it looks */
    player_say(ann, "tea is ready");
    if (wait_readable(fileno(pipe), wait_deadline(500))) cr_assert(fgets(line, sizeof line, pipe));
  }
  cr_assert(strstr(line, "*") && strstr(line, "tea is ready"), "%s", line);
  pclose(pipe);
  stop();
}

Test(api, a_room_that_nobody_owns_is_told_as_a_timeout) {
  start(&(struct cluster_options){.workers = 1});
  process_kill(cluster_worker(cluster, 0));
  expect_error("GET", "/v1/rooms/chat/nowhere", NULL, 504, "TIMEOUT");
  stop();
}
