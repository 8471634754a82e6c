/* The promise behind failover: a partition that is dropped at any point and loaded by a successor, which replays what
 * is after `done`, ends where one that was never dropped ends, and everybody has heard the same. */
#include "proto/pb.h"
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS   400
#define PLAYERS 6
#define SEEDS   40

/* A small generator, so that a seed means the same everywhere (splitmix64). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t n) {
  return (uint32_t)(next_random(state) % n);
}

/* What the clients believe: the same in both runs, for it is made of the seed alone. */
struct walk {
  struct bench bench;
  uint64_t random, now_ms;
  struct bench_from where[PLAYERS];
  uint32_t number[PLAYERS];
};

static const char *const rooms[] = {"chat/a", "chat/b", "live/a", "live/~abcdefghijklmnopqrstuvwxyz"};
static const char *const players[PLAYERS] = {"ann", "bob", "cem", "dan", "eve", "fay"};
static const char *const gateways[] = {"g-1", "g-2", "g-3"};

/* What a host may want, said by him or by anybody. */
static void manage(struct walk *walk, size_t who, const char *room, uint32_t number) {
  Heya__V1__Manage action = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change change = HEYA__V1__CHANGE__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property property = HEYA__V1__PROPERTY__INIT, *properties[] = {&property};
  static const Heya__V1__Manage__BodyCase actions[] = {
      HEYA__V1__MANAGE__BODY_LOCK,  HEYA__V1__MANAGE__BODY_CHANGE, HEYA__V1__MANAGE__BODY_CHANGE,
      HEYA__V1__MANAGE__BODY_KICK,  HEYA__V1__MANAGE__BODY_BAN,    HEYA__V1__MANAGE__BODY_UNBAN,
      HEYA__V1__MANAGE__BODY_UNBAN, HEYA__V1__MANAGE__BODY_HOST,   HEYA__V1__MANAGE__BODY_PROFILE};
  action.body_case = actions[below(&walk->random, 9)];
  switch (action.body_case) {
  case HEYA__V1__MANAGE__BODY_LOCK: action.lock = below(&walk->random, 5) == 0; break;
  case HEYA__V1__MANAGE__BODY_CHANGE:
    config.password = pb_text(below(&walk->random, 3) ? "" : "sesame");
    config.private_ = below(&walk->random, 2);
    config.max_spectators = below(&walk->random, 3);
    property.name = pb_text(below(&walk->random, 2) ? "region" : "phase");
    config.properties = properties;
    config.n_properties = below(&walk->random, 2);
    change.config = &config;
    change.max_members = below(&walk->random, 7);
    action.change = &change;
    break;
  case HEYA__V1__MANAGE__BODY_PROFILE: action.profile = (ProtobufCBinaryData){0}; break;
  default: action.kick = pb_text(players[below(&walk->random, PLAYERS)]);
  }
  const struct room *there = bench_room(&walk->bench, room);
  const struct member *host = there ? there->host : NULL;
  if (host && host->binding.outlet && below(&walk->random, 4)) { /* the host, who is the same in both runs */
    struct bench_from from = {host->binding.outlet->gateway, host->binding.conn, host->binding.attempt};
    bench_manage(&walk->bench, walk->now_ms, from, room, host->player, 0, &action);
  } else {
    bench_manage(&walk->bench, walk->now_ms, walk->where[who], room, players[who], number, &action);
  }
}

static void join(struct walk *walk, size_t who, const char *room) {
  static uint8_t live_options[] = {0x08, 0x01}; /* live_id 1 */
  bool derived = strchr(room, '~') != NULL;
  Heya__Bus__Mode mode = derived ? HEYA__BUS__MODE__CREATE : HEYA__BUS__MODE__JOIN_OR_CREATE;
  if (below(&walk->random, 6) == 0) mode = HEYA__BUS__MODE__JOIN;
  if (below(&walk->random, 2)) {
    walk->where[who].gateway = gateways[below(&walk->random, 3)];
    walk->where[who].conn = who + 1 + 10 * below(&walk->random, 2);
  }
  walk->where[who].attempt++;
  walk->number[who] = 0;
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = mode;
  join.spectate = below(&walk->random, 8) == 0;
  if (below(&walk->random, 4)) join.password = pb_text("sesame");
  if (strncmp(room, "live/", 5) == 0) join.options = (ProtobufCBinaryData){sizeof live_options, live_options};
  bench_join_saying(&walk->bench, walk->now_ms, walk->where[who], room, players[who], &join);
}

static struct bytes command_for(struct walk *walk, const char *room) {
  struct bench *bench = &walk->bench;
  uint32_t choice = below(&walk->random, 20);
  if (strncmp(room, "chat/", 5) == 0) return choice == 0 ? bench_say(bench, "") : bench_say(bench, "hello");
  if (choice == 0) return bench_dissolve(bench);
  if (choice < 3) return bench_choose(bench, below(&walk->random, 3));
  if (choice < 8) return bench_start(bench);
  return bench_submit(bench, 1 + below(&walk->random, 3), choice);
}

static void command(struct walk *walk, size_t who, const char *room) {
  uint32_t number = walk->number[who] + 1, choice = below(&walk->random, 10);
  if (choice == 0 && number > 1) number--; /* sent again */
  if (choice == 1) number++;               /* one was lost */
  if (number == walk->number[who] + 1) walk->number[who] = number;
  if (below(&walk->random, 6)) {
    bench_command(&walk->bench, walk->now_ms, walk->where[who], room, players[who], number, command_for(walk, room));
  } else {
    manage(walk, who, room, number);
  }
}

static void step(struct walk *walk) {
  static const uint64_t pauses_ms[] = {0, 0, 1, 7, 300, 2500, 10000, 31000, TOMB_MS / 3};
  size_t who = below(&walk->random, PLAYERS);
  const char *room = rooms[below(&walk->random, 4)];
  walk->now_ms += pauses_ms[below(&walk->random, below(&walk->random, 4) ? 6 : 9)];
  switch (below(&walk->random, 12)) {
  case 0:
  case 1:
  case 2: join(walk, who, room); break;
  case 3: bench_leave(&walk->bench, walk->now_ms, walk->where[who], room, players[who]); break;
  case 4: bench_disconnected(&walk->bench, walk->now_ms, walk->where[who], room); break;
  case 5: bench_time(&walk->bench, walk->now_ms); break;
  case 6:
    if (below(&walk->random, 4) == 0) bench_gateway_gone(&walk->bench, walk->now_ms, gateways[who % 3]);
    break;
  default: command(walk, who, room);
  }
}

/* One in `drop_in` steps ends in a drop, and one in two in a commit; 0: no drops, a commit after each step. */
static void walk_run(struct walk *walk, uint64_t seed, uint32_t drop_in) {
  *walk = (struct walk){.random = seed, .now_ms = 1000000};
  uint64_t chance = seed + 1;
  bench_open(&walk->bench);
  walk->bench.by_hand = true;
  for (size_t i = 0; i < PLAYERS; i++) walk->where[i] = (struct bench_from){gateways[i % 3], i + 1, 0};
  for (size_t i = 0; i < STEPS; i++) {
    step(walk);
    if (!drop_in || below(&chance, 2)) bench_commit(&walk->bench);
    if (drop_in && below(&chance, drop_in) == 0) bench_drop(&walk->bench);
  }
  bench_commit(&walk->bench);
}

static void expect_same(uint64_t seed, struct bench *plain, struct bench *dropped) {
  struct buf a = {0}, b = {0};
  bench_print(plain, &a);
  bench_print(dropped, &b);
  cr_assert_str_eq(buf_str(&b), buf_str(&a), "seed %" PRIu64 ": another end", seed);
  for (size_t i = 0; i < 3 * 4; i++) {
    const char *gateway = gateways[i / 4], *room = rooms[i % 4];
    cr_assert_str_eq(bench_heard(dropped, gateway, room), bench_heard(plain, gateway, room),
                     "seed %" PRIu64 ": %s heard otherwise of %s", seed, gateway, room);
  }
  buf_close(&a);
  buf_close(&b);
}

static void compare(uint32_t drop_in) {
  uint64_t commands = 0, rooms_ended = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    static struct walk plain, dropped;
    walk_run(&plain, seed, 0);
    walk_run(&dropped, seed, drop_in);
    cr_assert(dropped.bench.epoch > 7);
    expect_same(seed, &plain.bench, &dropped.bench);
    commands += plain.bench.metrics.commands;
    rooms_ended += plain.bench.metrics.rooms_ended;
    bench_close(&plain.bench);
    bench_close(&dropped.bench);
  }
  cr_assert(commands > SEEDS * 10, "the walk does too little: %" PRIu64 " commands", commands);
  cr_assert(rooms_ended > SEEDS, "the walk does too little: %" PRIu64 " rooms ended", rooms_ended);
}

Test(partition_drop, after_drops_now_and_then_nothing_is_lost_or_doubled) {
  compare(10);
}

Test(partition_drop, after_a_drop_at_nearly_every_step_nothing_is_lost_or_doubled) {
  compare(2);
}
