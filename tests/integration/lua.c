/* Kinds in Lua in real workers: through a failover, when they fail, and as clients of both protocols see them. */
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

TestSuite(lua, .timeout = 120);

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define ROOM       "tally/one"

static const struct bytes none;

static struct cluster *start(const char *script, const char *const *gateway_args) {
  static const char *args[] = {"--kind", NULL, "--kind-limit", "500ms", NULL};
  args[1] = script;
  return cluster_start(
      &(struct cluster_options){.gateways = 1, .partitions = 1, .worker_args = args, .gateway_args = gateway_args});
}

static struct cluster *start_tally(void) {
  static const char *const gateway_args[] = {"--kind-json", "tally", NULL};
  return start("tests/kinds/lua/tally.lua", gateway_args);
}

/* ---- a client that speaks JSON ---- */

struct talker {
  struct wsclient *socket;
  struct buf last;
};

/* Waits for a message with this text in it. */
static void hears_within(struct talker *talker, uint64_t ms, const char *text) {
  uint64_t deadline = wait_deadline(ms);
  for (;;) {
    buf_close(&talker->last);
    cr_assert_eq(wsclient_receive(talker->socket, deadline, &talker->last), WSCLIENT_MESSAGE, "no %s", text);
    if (strstr(buf_str(&talker->last), text)) return;
  }
}

static void hears(struct talker *talker, const char *text) {
  hears_within(talker, PLAYER_MS, text);
}

static struct talker talker(struct cluster *cluster, const char *name, const char *room) {
  char text[160];
  struct talker talker = {.socket = wsclient_open(cluster_address(cluster, 0),
                                                  &(struct wsclient_options){.format = WSCLIENT_JSON}, NULL)};
  cr_assert(talker.socket);
  snprintf(text, sizeof text, "{\"hello\":{\"player\":\"%s\"}}", name);
  wsclient_send_text(talker.socket, text);
  hears(&talker, "\"welcome\"");
  snprintf(text, sizeof text, "{\"join\":{\"room\":\"%s\",\"create\":true}}", room);
  wsclient_send_text(talker.socket, text);
  hears(&talker, "\"joined\"");
  return talker;
}

static void tell(struct talker *talker, const char *room, const char *payload) {
  char text[256];
  snprintf(text, sizeof text, "{\"command\":{\"room\":\"%s\",\"payload\":%s}}", room, payload);
  wsclient_send_text(talker->socket, text);
}

/* One that says no more than which room: a join or leave. */
static void tell_room(struct talker *talker, const char *what, const char *room) {
  char text[160];
  snprintf(text, sizeof text, "{\"%s\":{\"room\":\"%s\"}}", what, room);
  wsclient_send_text(talker->socket, text);
}

static void tell_manage(struct talker *talker, const char *room, const char *action) {
  char text[256];
  snprintf(text, sizeof text, "{\"command\":{\"room\":\"%s\",\"manage\":%s}}", room, action);
  wsclient_send_text(talker->socket, text);
}

static void talker_close(struct talker *talker) {
  wsclient_destroy(talker->socket);
  buf_close(&talker->last);
}

/* ---- the tests ---- */

Test(lua, clients_of_json_see_objects_and_others_the_text) {
  struct cluster *cluster = start_tally();
  struct player *bob = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *joined = player_joined(bob, player_send_join(bob, ROOM, true, none, none));
  cr_assert(bytes_equal_str(bytes_of(joined->snapshot->state.data, joined->snapshot->state.len), "{\"total\":0}"));
  struct talker ann = talker(cluster, "ann", ROOM);
  cr_assert(strstr(buf_str(&ann.last), "\"state\":{\"total\":0}"), "%s", buf_str(&ann.last));
  tell(&ann, ROOM, "{\"add\":5}");
  hears(&ann, "\"result\":{\"total\":5}");
  const Heya__V1__Event *event = player_await_event(bob, HEYA__V1__EVENT__BODY_PAYLOAD);
  cr_assert(bytes_equal_str(bytes_of(event->payload.data, event->payload.len), "{\"by\":\"ann\",\"total\":5}"));
  player_acked(bob, player_send_command(bob, ROOM, 0, bytes_of_str("{\"add\":2}")));
  hears(&ann, "\"payload\":{\"by\":\"bob\",\"total\":7}");
  player_refused(bob, player_send_command(bob, ROOM, 0, bytes_of_str("{")), CODE(INVALID_ARGUMENT));
  const Heya__V1__Rooms *rooms = player_list(bob, "tally", "total", "7", false);
  cr_assert_eq(rooms->n_rooms, 1);
  talker_close(&ann);
  cluster_stop(cluster);
}

Test(lua, a_room_survives_the_kill_of_its_worker) {
  struct cluster *cluster = start_tally();
  struct talker ann = talker(cluster, "ann", ROOM);
  tell(&ann, ROOM, "{\"add\":40}");
  hears(&ann, "\"result\":{\"total\":40}");
  tell(&ann, ROOM, "{\"ring\":200}");
  hears(&ann, "\"ack\"");
  int owner = cluster_owner(cluster, ROOM);
  process_kill(cluster_worker(cluster, (unsigned)owner));
  tell(&ann, ROOM, "{\"add\":2}");
  hears(&ann, "\"total\":42");
  cr_assert_neq(cluster_owner(cluster, ROOM), owner);
  talker_close(&ann);
  struct talker bob = talker(cluster, "bob", ROOM);
  cr_assert(strstr(buf_str(&bob.last), "\"state\":{\"total\":42}"), "%s", buf_str(&bob.last));
  tell(&bob, ROOM, "{\"ring\":1}");
  hears(&bob, "{\"rang\":true}");
  talker_close(&bob);
  cluster_stop(cluster);
}

Test(lua, a_command_that_fails_costs_nobody_anything) {
  struct cluster *cluster = start_tally();
  struct talker ann = talker(cluster, "ann", ROOM);
  struct player *bob = cluster_player(cluster, 0, "bob");
  unsigned nth = (unsigned)cluster_owner(cluster, ROOM);
  struct process *owner = cluster_worker(cluster, nth);
  player_joined(bob, player_send_join(bob, ROOM, true, none, none));
  const char *const bad[] = {"{\"add\":1,\"fail\":true}", "{\"add\":1,\"spin\":true}", "{\"add\":1,\"hoard\":true}"};
  for (size_t i = 0; i < 3; i++)
    player_refused(bob, player_send_command(bob, ROOM, 0, bytes_of_str(bad[i])), CODE(INTERNAL));
  tell(&ann, ROOM, "{\"add\":3}");
  hears(&ann, "\"payload\":"); /* the first that it hears */
  cr_assert(strstr(buf_str(&ann.last), "\"total\":3"), "%s", buf_str(&ann.last));
  cr_assert(
      process_wait_line(owner, "event=script_failed kind=tally room=tally/one call=command", PLAYER_MS, NULL, 0));
  cr_assert(process_wait_line(owner, "tally.lua:19: asked to", PLAYER_MS, NULL, 0));
  cr_assert(process_wait_line(owner, "it takes too long: over --lua-budget", PLAYER_MS, NULL, 0));
  cr_assert_eq(http_metric(cluster_worker_admin(cluster, nth), "heya_worker_script_failures_total"), 3);
  talker_close(&ann);
  cluster_stop(cluster);
}

/* Which one that is may have changed since it was asked: partitions are still being shared out. */
static bool one_is_dead(void *arg) {
  struct cluster *cluster = arg;
  return !process_is_running(cluster_worker(cluster, 0)) || !process_is_running(cluster_worker(cluster, 1));
}

/* What the budget cannot see is the watchdog's: it costs the room, and a worker. */
Test(lua, a_call_that_is_stuck_in_lua_costs_its_room) {
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  struct cluster *cluster = start_tally();
  struct player *bob = cluster_player(cluster, 0, "bob");
  player_joined(bob, player_send_join(bob, ROOM, true, none, none));
  player_refused(bob, player_send_command(bob, ROOM, 0, bytes_of_str("{\"stick\":true}")), CODE(ROOM_FAILED));
  player_await_detached(bob, CODE(ROOM_FAILED));
  cr_assert(wait_until(PLAYER_MS, one_is_dead, cluster));
  struct process *dead = cluster_worker(cluster, process_is_running(cluster_worker(cluster, 0)) ? 1 : 0);
  cr_assert_eq(dead->status, 128 + SIGABRT);
  dead->status = 0;
  cluster_stop(cluster);
}

Test(lua, the_chat_in_lua_is_a_chat) {
  static const char *const gateway_args[] = {"--kind-messages", "chat_in_lua=heya.kinds.chat", NULL};
  struct cluster *cluster = start("tests/kinds/lua/chat.lua", gateway_args);
  struct talker ann = talker(cluster, "ann", "chat_in_lua/tea"), bob = talker(cluster, "bob", "chat_in_lua/tea");
  tell(&ann, "chat_in_lua/tea", "{\"say\":{\"text\":\"hi\"}}");
  hears(&bob, "\"payload\":{\"line\":{\"player\":\"ann\",\"name\":\"ann\",\"text\":\"hi\",\"timeMs\":\"");
  process_kill(cluster_worker(cluster, (unsigned)cluster_owner(cluster, "chat_in_lua/tea")));
  struct talker cid = talker(cluster, "cid", "chat_in_lua/tea");
  cr_assert(strstr(buf_str(&cid.last), "\"state\":{\"lines\":[{\"player\":\"ann\",\"name\":\"ann\",\"text\":\"hi\""),
            "%s", buf_str(&cid.last));
  talker_close(&ann);
  talker_close(&bob);
  talker_close(&cid);
  cluster_stop(cluster);
}

Test(lua, a_room_that_ticks_goes_on_in_another_worker) {
  static const char *const gateway_args[] = {"--kind-json", "counter", NULL};
  struct cluster *cluster = start("tests/kinds/lua/counter.lua", gateway_args);
  struct talker ann = talker(cluster, "ann", "counter/one");
  tell(&ann, "counter/one", "{\"steer\":1}");
  hears(&ann, "{\"numbers\":{\"ann\":5}}");
  process_kill(cluster_worker(cluster, (unsigned)cluster_owner(cluster, "counter/one")));
  hears(&ann, "{\"numbers\":{\"ann\":20}}");
  talker_close(&ann);
  cluster_stop(cluster);
}

Test(lua, a_script_with_a_mistake_is_refused_at_start) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  char path[256];
  static const char *args[] = {"--kind", NULL, NULL};
  const char text[] = "local kind = { name = 'x' }\n\nkind.tables.x = 1\nreturn kind\n";
  tmpdir_write(cluster_dir(cluster), "broken.lua", text, strlen(text), path, sizeof path);
  args[1] = path;
  struct process *worker = cluster_worker(cluster, cluster_spawn_worker(cluster, args));
  cr_assert_eq(process_wait_exit(worker, PLAYER_MS), 2);
  cr_assert(process_count_lines(worker, "broken.lua:3: attempt to index field 'tables' (a nil value)") == 1);
  worker->status = 0;
  cluster_stop(cluster);
}

/* ---- other rooms ---- */

#define PAIRS "pairs/main"
#define ASKER "asker/main"

/* In all partitions, so that rooms are asked that another worker has. */
static struct cluster *start_asking(const char *script, const char *const *gateway_args) {
  static const char *args[] = {"--kind", NULL, NULL};
  args[1] = script;
  struct cluster *cluster =
      cluster_start(&(struct cluster_options){.gateways = 1, .worker_args = args, .gateway_args = gateway_args});
  cluster_await_all_owned(cluster);
  return cluster;
}

/* The room to which he is told to go. */
static void take_room(struct talker *talker, char *out, size_t size) {
  const char *from = strstr(buf_str(&talker->last), "\"go\":\"") + 6;
  snprintf(out, size, "%.*s", (int)strcspn(from, "\""), from);
}

Test(lua, a_lobby_opens_a_room_that_keeps_seats_and_hears_how_it_fares) {
  static const char *const gateway_args[] = {"--kind-json", "pairs", NULL};
  struct cluster *cluster = start_asking("tests/kinds/lua/pairs.lua", gateway_args);
  struct talker ann = talker(cluster, "ann", PAIRS), bob = talker(cluster, "bob", PAIRS);
  struct talker cat = talker(cluster, "cat", PAIRS);
  struct player *dan = cluster_player(cluster, 0, "dan");
  char room[96], text[192];
  tell(&ann, PAIRS, "{\"seek\":{}}");
  hears(&ann, "\"ack\"");
  process_kill(cluster_worker(cluster, (unsigned)cluster_owner(cluster, PAIRS)));
  tell(&bob, PAIRS, "{\"seek\":{}}");
  hears(&ann, "\"go\":\"chat/~");
  take_room(&ann, room, sizeof room);
  snprintf(text, sizeof text, "\"go\":\"%s\",\"players\":[\"ann\",\"bob\"]", room);
  hears(&bob, text);
  snprintf(text, sizeof text, "{\"ended\":false,\"free\":0,\"room\":\"%s\"}", room);
  hears(&cat, text);
  player_refused(dan, player_send_join(dan, room, false, none, none), CODE(ROOM_FULL));
  tell_room(&ann, "join", room);
  hears(&ann, "\"joined\":{\"room\":\"chat/~");
  tell_room(&bob, "join", room);
  hears(&bob, "\"joined\":{\"room\":\"chat/~");
  tell_room(&bob, "leave", room);
  hears(&cat, "\"free\":1,");
  player_joined(dan, player_send_join(dan, room, false, none, none));
  hears(&cat, "\"free\":0,");
  player_leave(dan);
  tell_room(&ann, "leave", room);
  hears(&cat, "\"free\":2,");
  snprintf(text, sizeof text, "{\"ended\":true,\"free\":0,\"room\":\"%s\"}", room);
  hears_within(&cat, 3 * PLAYER_MS, text); /* an empty chat is kept for ten seconds */
  talker_close(&ann);
  talker_close(&bob);
  talker_close(&cat);
  cluster_stop(cluster);
}

Test(lua, a_room_that_is_asked_answers_also_why_it_keeps_no_seat) {
  static const char *const gateway_args[] = {"--kind-json", "asker", NULL};
  struct cluster *cluster = start_asking("tests/kinds/lua/asker.lua", gateway_args);
  struct talker ann = talker(cluster, "ann", ASKER);
  struct player *cat = cluster_player(cluster, 0, "cat");
  tell(&ann, ASKER, "{\"reserve\":\"chat/tea\",\"players\":[\"cat\"],\"token\":1}");
  hears(&ann, "{\"code\":\"ROOM_NOT_FOUND\",\"id\":\"chat/tea\",\"token\":1}");
  tell(&ann, ASKER, "{\"open\":\"nothing/tea\",\"token\":2}");
  hears(&ann, "{\"code\":\"UNKNOWN_KIND\",\"id\":\"nothing/tea\",\"token\":2}");
  tell(&ann, ASKER, "{\"open\":\"live/tea\",\"options\":{\"deadline_ms\":1},\"token\":3}");
  hears(&ann, "{\"code\":\"INVALID_ARGUMENT\",\"id\":\"live/tea\",\"token\":3}");
  tell(&ann, ASKER, "{\"open\":\"live/tea\",\"options\":{\"deadline_ms\":5000},\"token\":4}");
  hears(&ann, "{\"code\":\"OK\",\"id\":\"live/tea\",\"token\":4}");
  tell(&ann, ASKER, "{\"open\":\"asker/two\",\"players\":[\"bob\"],\"token\":5}");
  hears(&ann, "{\"code\":\"OK\",\"id\":\"asker/two\",\"token\":5}");
  hears(&ann, "{\"ended\":false,\"free\":7,\"id\":\"asker/two\"}");
  tell(&ann, ASKER, "{\"reserve\":\"asker/two\",\"players\":[\"cat\"],\"token\":6}");
  hears(&ann, "{\"code\":\"OK\",\"id\":\"asker/two\",\"token\":6}");
  hears(&ann, "{\"ended\":false,\"free\":6,\"id\":\"asker/two\"}");
  player_joined(cat, player_send_join(cat, "asker/two", false, none, none));
  talker_close(&ann);
  cluster_stop(cluster);
}

Test(lua, a_script_has_a_say_in_profiles_and_in_what_the_host_does) {
  static const char *const gateway_args[] = {"--kind-json", "asker", NULL};
  struct cluster *cluster = start_asking("tests/kinds/lua/asker.lua", gateway_args);
  struct talker ann = talker(cluster, "ann", ASKER), bob = talker(cluster, "bob", ASKER);
  tell_manage(&ann, ASKER, "{\"lock\":true}");
  hears(&ann, "\"not in this room\"");
  tell_manage(&ann, ASKER, "{\"kick\":\"bob\"}");
  hears(&ann, "\"WRONG_STATE\"");
  tell_manage(&bob, ASKER, "{\"profile\":{\"level\":5}}");
  hears(&ann, "\"profile\":{\"level\":5}");
  tell_manage(&bob, ASKER, "{\"profile\":{\"level\":4}}");
  hears(&bob, "\"a level only rises\"");
  tell_manage(&ann, ASKER, "{\"host\":\"bob\"}");
  hears(&ann, "\"ack\"");
  talker_close(&ann);
  talker_close(&bob);
  cluster_stop(cluster);
}
