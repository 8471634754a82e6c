/* What hosts decide and who watches, through two gateways and in both formats, while the room's worker dies. */
#include "proto/pb.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>

TestSuite(room_features, .timeout = 90);

#define ROOM        "chat/evening"
#define CODE(name)  HEYA__V1__ERROR__CODE__##name
#define EVENT(name) HEYA__V1__EVENT__BODY_##name

/* ---- asking ---- */

static uint32_t send_join(struct player *player, Heya__V1__Join *join) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = join;
  join->room = pb_text(ROOM);
  return player_send(player, &message);
}

static uint32_t send_plain_join(struct player *player, const char *password) {
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  join.password = pb_text(password);
  return send_join(player, &join);
}

static uint32_t send_watch(struct player *player, const char *password) {
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  join.spectate = true;
  join.password = pb_text(password);
  return send_join(player, &join);
}

/* Commands of a session of these tests are numbered by hand. */
static uint32_t send_manage(struct player *player, uint32_t number, Heya__V1__Manage *manage) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command command = HEYA__V1__COMMAND__INIT;
  command.room = pb_text(ROOM);
  command.number = number;
  command.manage = manage;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &command;
  return player_send(player, &message);
}

static uint32_t send_about(struct player *player, uint32_t number, Heya__V1__Manage__BodyCase what,
                           const char *whom) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  manage.body_case = what;
  manage.kick = pb_text(whom); /* kick, ban, unban and host share their place in the union */
  return send_manage(player, number, &manage);
}

static uint32_t send_say(struct player *player, uint32_t number, const char *text) {
  struct player_payload payload;
  return player_send_command(player, ROOM, number, player_say_payload(&payload, text));
}

/* ann makes the room with a title, a password and a property. */
static void open_evening(struct player *ann) {
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property region = HEYA__V1__PROPERTY__INIT, *properties[] = {&region};
  join.create = true;
  join.config = &config;
  config.title = pb_text("Ann's evening");
  config.password = pb_text("sesame");
  config.n_properties = 1;
  config.properties = properties;
  region.name = pb_text("region");
  region.value = pb_text("eu");
  cr_assert(player_joined(ann, send_join(ann, &join))->created);
}

static void kill_owner(struct cluster *cluster) {
  unsigned owner = cluster_await_owner(cluster, ROOM, -1);
  process_kill(cluster_worker(cluster, owner));
  cluster_await_owner(cluster, ROOM, (int)owner);
}

/* ---- hosts ---- */

Test(room_features, title_password_and_properties_are_listed_and_the_password_is_asked) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  open_evening(ann);
  const Heya__V1__Rooms *found = player_search(bob, "chat", "region == 'eu'", "", "", 0);
  cr_assert_eq(found->n_rooms, 1);
  cr_assert_str_eq(found->rooms[0]->title, "Ann's evening");
  cr_assert(found->rooms[0]->password);
  player_refused(bob, send_plain_join(bob, "open"), CODE(WRONG_PASSWORD));
  const Heya__V1__Facts *facts = player_joined(bob, send_plain_join(bob, "sesame"))->snapshot->facts;
  cr_assert_str_eq(facts->title, "Ann's evening");
  cluster_stop(cluster);
}

Test(room_features, a_room_that_becomes_private_is_listed_no_more) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change change = HEYA__V1__CHANGE__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  open_evening(ann);
  manage.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  manage.change = &change;
  change.config = &config;
  config.private_ = true;
  player_acked(ann, send_manage(ann, 1, &manage));
  cr_assert_eq(player_list(bob, "chat", NULL, NULL, false)->n_rooms, 0);
  player_joined(bob, send_plain_join(bob, "")); /* there is no password any more */
  cr_assert_eq(player_search(bob, "chat", "", "", "", 0)->n_rooms, 0, "nor when something else of it changes");
  config.private_ = false;
  player_acked(ann, send_manage(ann, 2, &manage));
  cr_assert_eq(player_list(bob, "chat", NULL, NULL, false)->n_rooms, 1);
  cluster_stop(cluster);
}

Test(room_features, kicks_bans_and_a_new_host_outlive_the_worker) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct player *cem = cluster_player(cluster, 1, "cem");
  open_evening(ann);
  player_joined(bob, send_plain_join(bob, "sesame"));
  player_joined(cem, send_plain_join(cem, "sesame"));
  player_refused(bob, send_about(bob, 1, HEYA__V1__MANAGE__BODY_KICK, "ann"), CODE(NOT_HOST));
  player_acked(ann, send_about(ann, 1, HEYA__V1__MANAGE__BODY_BAN, "bob"));
  player_await_detached(bob, CODE(PLAYER_KICKED));
  cr_assert_eq(player_await_event(cem, EVENT(MEMBER_LEFT))->member_left->reason, HEYA__V1__LEAVE_REASON__KICKED);
  player_acked(ann, send_about(ann, 2, HEYA__V1__MANAGE__BODY_HOST, "cem"));
  cr_assert_str_eq(player_await_event(cem, EVENT(HOST))->host, "cem");
  kill_owner(cluster);
  player_acked(ann, send_about(ann, 2, HEYA__V1__MANAGE__BODY_HOST, "cem")); /* sent again: done once */
  player_refused(ann, send_about(ann, 3, HEYA__V1__MANAGE__BODY_UNBAN, "bob"), CODE(NOT_HOST));
  player_refused(bob, send_plain_join(bob, "sesame"), CODE(BANNED));
  player_acked(cem, send_about(cem, 1, HEYA__V1__MANAGE__BODY_UNBAN, "bob"));
  player_joined(bob, send_plain_join(bob, "sesame"));
  cluster_stop(cluster);
}

Test(room_features, a_config_out_of_its_limits_is_a_bad_message) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  join.create = true;
  join.config = &config;
  config.title = pb_text("two\nlines");
  player_refused(ann, send_join(ann, &join), CODE(BAD_MESSAGE));
  config.title = pb_text("one line");
  join.spectate = true;
  player_refused(ann, send_join(ann, &join), CODE(BAD_MESSAGE));
  join.spectate = false;
  player_joined(ann, send_join(ann, &join));
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change change = HEYA__V1__CHANGE__INIT;
  manage.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  manage.change = &change;
  change.config = &config;
  config.title = pb_text("two\nlines");
  cr_assert_eq(player_refused(ann, send_manage(ann, 1, &manage), CODE(BAD_MESSAGE))->number, 1);
  player_acked(ann, send_say(ann, 1, "the number was not used up"));
  cluster_stop(cluster);
}

static size_t found(struct player *player, const char *filter) {
  return player_search(player, "chat", filter, "", "", 0)->n_rooms;
}

Test(room_features, a_room_is_found_by_its_title_its_password_its_lock_and_who_watches) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  open_evening(ann);
  player_joined(bob, send_watch(bob, "sesame"));
  cr_assert_eq(found(bob, "title == \"Ann's evening\" and password == 1 and spectators == 1 and locked == 0"), 1);
  cr_assert_eq(found(bob, "password == 0"), 0);
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change change = HEYA__V1__CHANGE__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  manage.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  manage.change = &change;
  change.config = &config;
  change.max_members = 2;
  config.title = pb_text("late show");
  player_acked(ann, send_manage(ann, 1, &manage));
  manage.body_case = HEYA__V1__MANAGE__BODY_LOCK;
  manage.lock = true;
  player_acked(ann, send_manage(ann, 2, &manage));
  cr_assert_eq(found(bob, "title == 'late show' and password == 0 and locked == 1 and max_members == 2"), 1);
  cr_assert_eq(found(bob, "free == 1 and members == 1 and name == 'evening'"), 1);
  cluster_stop(cluster);
}

/* ---- who watches ---- */

static bool nobody_watches(void *ann) {
  return player_search(ann, "chat", "", "", "", 0)->rooms[0]->spectators == 0;
}

Test(room_features, who_watches_hears_it_all_in_the_rooms_next_life_too) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *eve = cluster_player(cluster, 1, "eve");
  open_evening(ann);
  player_refused(eve, send_watch(eve, ""), CODE(WRONG_PASSWORD));
  const Heya__V1__Snapshot *shown = player_joined(eve, send_watch(eve, "sesame"))->snapshot;
  cr_assert(shown->spectator);
  cr_assert_eq(shown->n_members, 1);
  player_acked(ann, send_say(ann, 1, "one"));
  player_await_line(eve, "one");
  player_refused(eve, send_say(eve, 1, "psst"), CODE(SPECTATOR));
  kill_owner(cluster);
  player_acked(ann, send_say(ann, 2, "two"));
  player_await_line(eve, "two");
  cr_assert_eq(player_search(ann, "chat", "", "", "", 0)->rooms[0]->spectators, 1);
  player_drop(eve);
  cr_assert(wait_until(PLAYER_MS, nobody_watches, ann), "a place outlives its connection");
  cluster_stop(cluster);
}

/* ---- JSON ---- */

/* The next message that has a member of this name, which is returned; the others are thrown away. */
static json_t *json_hear(struct wsclient *client, const char *member) {
  uint64_t deadline = wait_deadline(PLAYER_MS);
  for (;;) {
    struct buf message;
    json_error_t error;
    cr_assert_eq(wsclient_receive(client, deadline, &message), WSCLIENT_MESSAGE, "no %s", member);
    json_t *root = json_loadb((const char *)message.data, message.len, 0, &error);
    cr_assert(root, "not JSON: %s", error.text);
    buf_close(&message);
    json_t *found = json_incref(json_object_get(root, member));
    json_decref(root);
    if (found) return found;
  }
}

/* The text at a path of members, such as "facts.title". */
static void expect_text(json_t *root, const char *path, const char *wanted) {
  char part[32];
  const json_t *at = root;
  for (const char *name = path; *name;) {
    size_t len = strcspn(name, ".");
    snprintf(part, sizeof part, "%.*s", (int)len, name);
    at = json_object_get(at, part);
    name += len + (name[len] == '.');
  }
  cr_assert(json_is_string(at), "no text at %s", path);
  cr_assert_str_eq(json_string_value(at), wanted);
  json_decref(root);
}

Test(room_features, in_json_a_host_makes_changes_and_empties_his_room) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *bob = cluster_player(cluster, 1, "bob");
  struct wsclient *ann =
      wsclient_open(cluster_address(cluster, 0), &(struct wsclient_options){.format = WSCLIENT_JSON}, NULL);
  cr_assert(ann);
  wsclient_send_text(ann, "{\"hello\":{\"player\":\"ann\"}}");
  wsclient_send_text(ann, "{\"join\":{\"room\":\"" ROOM "\",\"create\":true,\"config\":{\"title\":\"An evening\","
                          "\"password\":\"sesame\",\"properties\":[{\"name\":\"region\",\"value\":\"eu\"}]}}}");
  expect_text(json_hear(ann, "joined"), "snapshot.facts.title", "An evening");
  player_joined(bob, send_plain_join(bob, "sesame"));
  expect_text(json_hear(ann, "event"), "joined.player", "bob");
  wsclient_send_text(ann, "{\"command\":{\"room\":\"" ROOM "\",\"number\":1,\"manage\":{\"change\":"
                          "{\"config\":{\"title\":\"A night\"},\"maxMembers\":4}}}}");
  expect_text(json_hear(ann, "event"), "facts.title", "A night");
  cr_assert_eq(player_await_event(bob, EVENT(FACTS))->facts->max_members, 4);
  wsclient_send_text(ann, "{\"command\":{\"room\":\"" ROOM "\",\"number\":2,\"manage\":{\"profile\":{}}}}");
  expect_text(json_hear(ann, "event"), "changed.player", "ann");
  wsclient_send_text(ann, "{\"command\":{\"room\":\"" ROOM "\",\"number\":3,\"manage\":{\"kick\":\"bob\"}}}");
  expect_text(json_hear(ann, "event"), "memberLeft.reason", "KICKED");
  player_await_detached(bob, CODE(PLAYER_KICKED));
  wsclient_send_text(ann, "{\"command\":{\"room\":\"" ROOM "\",\"number\":4,\"manage\":{\"kick\":\"bob\"}}}");
  expect_text(json_hear(ann, "error"), "code", "NO_SUCH_MEMBER");
  wsclient_destroy(ann);
  cluster_stop(cluster);
}
