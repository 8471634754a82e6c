/* A kind in a shared object, with messages of its own (tests/support/words_kind.c), through JSON: objects at the
 * gateway that was given them, base64 at the one that was not. */
#include "tests/support/cluster.h"
#include "tests/support/wait.h"
#include "tests/support/wsclient.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(kind_proto, .timeout = 90);

/* A worker with the kind, gateway 0 with its messages, gateway 1 without. */
static struct cluster *start(void) {
  static char path[256];
  static const char *const worker[] = {"--kind", path, NULL}, *const gateway[] = {"--kind-proto", path, NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true, .partitions = 1});
  cluster_program(cluster, "words.so", path, sizeof path);
  cluster_spawn_worker(cluster, worker);
  cluster_spawn_gateway(cluster, gateway);
  cluster_spawn_gateway(cluster, NULL);
  cluster_await_worker(cluster, 0);
  for (unsigned i = 0; i < 2; i++) cluster_await_gateway(cluster, i);
  return cluster;
}

static struct wsclient *enter(struct cluster *cluster, int gateway, const char *hello) {
  struct wsclient_options options = {.format = WSCLIENT_JSON, .path = "/v1/words/room"};
  struct wsclient *client = wsclient_open(cluster_address(cluster, gateway), &options, NULL);
  cr_assert(client);
  wsclient_send_text(client, hello);
  return client;
}

/* Waits for a message that contains the one text, and asserts that it contains the other one. */
static void expect(struct wsclient *client, const char *sort, const char *part) {
  uint64_t deadline = wait_deadline(PLAYER_MS);
  for (;;) {
    struct buf message;
    cr_assert_eq(wsclient_receive(client, deadline, &message), WSCLIENT_MESSAGE, "no %s", sort);
    bool found = strstr(buf_str(&message), sort) != NULL;
    if (found) cr_assert(strstr(buf_str(&message), part), "%s", buf_str(&message));
    buf_close(&message);
    if (found) return;
  }
}

Test(kind_proto, json_clients_see_the_messages_of_a_kind_that_the_gateway_was_given) {
  struct cluster *cluster = start();
  struct wsclient *ann = enter(cluster, 0, "{\"hello\":{\"player\":\"ann\"}}");
  expect(ann, "\"joined\":{\"room\"", "\"created\":true");
  struct wsclient *bob = enter(cluster, 1, "{\"hello\":{\"player\":\"bob\"}}");
  expect(bob, "\"joined\":{\"room\"", "\"members\"");

  wsclient_send_text(ann, "{\"command\":{\"room\":\"words/room\",\"number\":1,\"payload\":{\"text\":\"hi\"}}}");
  expect(ann, "\"ack\"", "\"result\":{\"count\":1}");
  expect(bob, "\"payload\"", "\"payload\":\"CgNhbm4SAmhp\"");

  wsclient_send_text(bob, "{\"command\":{\"room\":\"words/room\",\"number\":1,\"payload\":\"CgJ5bw==\"}}");
  expect(ann, "\"yo\"", "\"payload\":{\"player\":\"bob\",\"text\":\"yo\"}");
  expect(bob, "\"ack\"", "\"result\":\"CAI=\"");

  struct wsclient *cem = enter(cluster, 0, "{\"hello\":{\"player\":\"cem\"}}");
  expect(cem, "\"joined\":{\"room\"", "\"state\":{\"count\":2}");
  wsclient_send_text(cem, "{\"command\":{\"room\":\"words/room\",\"number\":1,\"payload\":{\"txt\":\"hi\"}}}");
  expect(cem, "\"error\"", "\"BAD_MESSAGE\"");

  wsclient_destroy(ann);
  wsclient_destroy(bob);
  wsclient_destroy(cem);
  cluster_stop(cluster);
}

static struct process *refuse_file(struct cluster *cluster, const char *file) {
  const char *const args[] = {"--kind-proto", file, NULL};
  return cluster_gateway(cluster, cluster_spawn_gateway(cluster, args));
}

Test(kind_proto, a_file_without_messages_is_refused_by_name) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  char poison[256], good[256], twice[520];
  cluster_program(cluster, "poison.so", poison, sizeof poison);
  cluster_program(cluster, "words.so", good, sizeof good);
  snprintf(twice, sizeof twice, "%s,%s", good, good);
  cluster_refuses(refuse_file(cluster, "no-such-file.so"), "--kind-proto no-such-file.so: cannot be loaded: ");
  cluster_refuses(refuse_file(cluster, poison), "poison.so: has no heya_payloads");
  cluster_refuses(refuse_file(cluster, twice), "words.so: its name is taken");
  const char *const both[] = {"--kind-json", "words", "--kind-proto", good, NULL};
  cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, both)), "words.so: its name is taken");
  cluster_stop(cluster);
}
