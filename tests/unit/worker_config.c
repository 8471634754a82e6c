/* Promises of a room's configuration: it is as its maker and host say, within its limits, whoever owns the room. */
#include "proto/pb.h"
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CHAT "chat/lounge"
#define LIVE "live/stage"
#define TWIN "chat/~abcdefghijklmnopqrstuvwxyz"
#define T    UINT64_C(1000000)

#define JOIN   HEYA__BUS__MODE__JOIN
#define OPEN   HEYA__BUS__MODE__JOIN_OR_CREATE
#define CREATE HEYA__BUS__MODE__CREATE

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, cem = {"g-2", 1, 1};

static struct bench bench;
static void setup(void) {
  bench_open(&bench);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(config, .init = setup, .fini = teardown);

static const Heya__V1__Snapshot *shown(struct bench_from to) {
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    const Heya__V1__ServerMessage *message = bench_to(&bench, to.gateway, to.conn, i)->message;
    if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED) return message->joined->snapshot;
  }
  cr_assert_fail("not joined");
  return NULL;
}

static const char *field(const char *room, const char *name) {
  return bench_text(&bench_stored(&bench, room)->fields, name);
}

static void open_with(const char *room, Heya__V1__Config *config, Heya__Bus__Mode mode) {
  static uint8_t live_options[] = {0x08, 0x01};
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = mode;
  join.config = config;
  if (strncmp(room, "live/", 5) == 0) join.options = (ProtobufCBinaryData){sizeof live_options, live_options};
  bench_join_saying(&bench, T, ann, room, "ann", &join);
}

static void join_with_password(uint64_t ms, struct bench_from from, const char *player, const char *password) {
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.password = pb_text(password);
  bench_join_saying(&bench, ms, from, CHAT, player, &join);
}

static void change(uint64_t ms, const char *room, uint32_t number, Heya__V1__Config *config) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change wanted = HEYA__V1__CHANGE__INIT;
  manage.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  manage.change = &wanted;
  wanted.config = config;
  bench_manage(&bench, ms, ann, room, "ann", number, &manage);
}

static Heya__V1__Property *property(const char *name, const char *value) {
  static Heya__V1__Property properties[16];
  static size_t next;
  Heya__V1__Property *made = &properties[next++ % 16];
  heya__v1__property__init(made);
  made->name = pb_text(name);
  made->value = pb_text(value);
  return made;
}

/* ---- what its maker says ---- */

Test(config, a_room_is_as_its_maker_says_and_all_are_shown_it) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property *properties[] = {property("region", "eu")};
  config.title = pb_text("Ann's evening");
  config.password = pb_text("sesame");
  config.max_spectators = 3;
  config.n_properties = 1;
  config.properties = properties;
  open_with(CHAT, &config, OPEN);
  for (uint64_t drop = 0; drop < 2; drop++) {
    join_with_password(T + 1 + 2 * drop, bob, "bob", "sesame");
    const Heya__V1__Facts *facts = shown(bob)->facts;
    cr_assert_str_eq(facts->title, "Ann's evening");
    cr_assert(facts->password && !facts->private_ && !facts->locked);
    cr_assert_eq(facts->max_spectators, 3);
    cr_assert_eq(facts->max_members, 100);
    cr_assert_str_eq(facts->properties[0]->value, "eu");
    cr_assert_str_eq(field(CHAT, "title"), "Ann's evening");
    cr_assert_str_eq(field(CHAT, "password"), "1");
    cr_assert_str_eq(field(CHAT, "p:region"), "eu");
    cr_assert(bench_stored(&bench, CHAT)->listed);
    bench_leave(&bench, T + 2 + 2 * drop, bob, CHAT, "bob");
    bench_drop(&bench);
  }
}

Test(config, a_config_out_of_its_limits_makes_no_room) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  config.max_spectators = 201;
  open_with(CHAT, &config, OPEN);
  cr_assert_eq(bench_error(&bench, "g-1", 1), CODE(INVALID_ARGUMENT));
  config.max_spectators = 0;
  config.title = pb_text("two\nlines");
  open_with(CHAT, &config, OPEN);
  cr_assert_eq(bench_error(&bench, "g-1", 1), CODE(INVALID_ARGUMENT));
  cr_assert_eq(bench.n_rooms, 0);
}

Test(config, whoever_finds_the_room_does_not_configure_it) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  open_with(CHAT, NULL, OPEN);
  config.title = pb_text("mine");
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = OPEN;
  join.config = &config;
  bench_join_saying(&bench, T + 1, bob, CHAT, "bob", &join);
  cr_assert_str_eq(shown(bob)->facts->title, "");
}

/* ---- passwords ---- */

Test(config, a_password_is_asked_of_newcomers_alone) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  config.password = pb_text("sesame");
  open_with(CHAT, &config, OPEN);
  cr_assert_str_eq(shown(ann)->host, "ann");
  bench_drop(&bench);
  join_with_password(T + 1, bob, "bob", "");
  cr_assert_eq(bench_error(&bench, "g-1", 2), CODE(WRONG_PASSWORD));
  join_with_password(T + 2, bob, "bob", "sesam");
  cr_assert_eq(bench_error(&bench, "g-1", 2), CODE(WRONG_PASSWORD));
  cr_assert_eq(bench_to(&bench, "g-1", 2, 0)->delivery->attachment, HEYA__BUS__ATTACHMENT__DETACHED);
  join_with_password(T + 3, bob, "bob", "sesame");
  cr_assert_eq(shown(bob)->n_members, 2);
  bench_disconnected(&bench, T + 4, bob, CHAT);
  join_with_password(T + 5, cem, "bob", "");
  cr_assert_eq(shown(cem)->n_members, 2, "who returns need not say it");
}

Test(config, its_maker_comes_back_by_the_same_create_without_the_password) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  config.password = pb_text("sesame");
  open_with(TWIN, &config, CREATE);
  bench_join(&bench, T + 1, bob, TWIN, "bob", JOIN);
  cr_assert_eq(bench_error(&bench, "g-1", 2), CODE(WRONG_PASSWORD));
  bench_leave(&bench, T + 2, ann, TWIN, "ann");
  bench_join(&bench, T + 3, ann, TWIN, "ann", CREATE);
  cr_assert_str_eq(shown(ann)->host, "ann");
}

/* ---- listings ---- */

Test(config, a_private_room_is_not_listed_and_who_knows_it_joins) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  config.private_ = true;
  open_with(CHAT, &config, OPEN);
  cr_assert_not(bench_stored(&bench, CHAT)->listed);
  bench_join(&bench, T + 1, bob, CHAT, "bob", JOIN);
  cr_assert(shown(bob)->facts->private_);
  cr_assert_not(bench_stored(&bench, CHAT)->listed);
}

Test(config, a_room_that_becomes_private_leaves_the_listing_and_comes_back) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  open_with(CHAT, NULL, OPEN);
  cr_assert(bench_stored(&bench, CHAT)->listed);
  config.private_ = true;
  change(T + 1, CHAT, 1, &config);
  cr_assert_not(bench_stored(&bench, CHAT)->listed);
  cr_assert_str_eq(field(CHAT, "private"), "1");
  bench_drop(&bench);
  config.private_ = false;
  change(T + 2, CHAT, 2, &config);
  cr_assert(bench_stored(&bench, CHAT)->listed);
}

Test(config, properties_stand_beside_those_of_the_kind_which_win) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property *properties[] = {property("phase", "lies"), property("region", "eu")};
  config.n_properties = 2;
  config.properties = properties;
  open_with(LIVE, &config, OPEN);
  cr_assert_str_eq(field(LIVE, "p:phase"), "waiting");
  cr_assert_str_eq(field(LIVE, "p:region"), "eu");
  cr_assert(strstr(field(LIVE, "properties"), "region"));
}

Test(config, a_property_that_is_no_more_leaves_no_field) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property *before[] = {property("region", "eu"), property("skill", "3")};
  Heya__V1__Property *after[] = {property("skill", "4")};
  config.n_properties = 2;
  config.properties = before;
  open_with(CHAT, &config, OPEN);
  config.n_properties = 1;
  config.properties = after;
  change(T + 1, CHAT, 1, &config);
  cr_assert_null(field(CHAT, "p:region"));
  cr_assert_str_eq(field(CHAT, "p:skill"), "4");
  change(T + 2, CHAT, 2, &(Heya__V1__Config)HEYA__V1__CONFIG__INIT);
  cr_assert_null(field(CHAT, "p:skill"));
}
