/* Promises of a room's image: a successor gets exactly what was saved, and nothing that is not sound. */
#include "proto/image.pb-c.h"
#include "proto/pb.h"
#include "tests/support/partition_bench.h"
#include "worker/image.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define CHAT "chat/a"
#define LIVE "live/~abcdefghijklmnopqrstuvwxyz"

static struct bench bench;
static void setup(void) {
  bench_open(&bench);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(image, .init = setup, .fini = teardown);

static void save(struct room *room, struct buf *out) {
  struct arena arena;
  arena_init(&arena, 1024, ARENA_NO_LIMIT);
  buf_clear(out);
  buf_append_bytes(out, image_save(room, &arena));
  arena_close(&arena);
  arena_reset(&room->effects->scratch);
}

static struct room *load(const char *id, struct bytes image, const char **reason) {
  bool foreign;
  struct room *room = image_load(&bench.kinds, &bench.partition.effects, id, image, reason, &foreign);
  arena_reset(&bench.partition.effects.scratch);
  return room;
}

/* What the host and those who watch add to an image. */
static void host_and_spectators(uint64_t ms, const char *room, const char *host) {
  static const char *const titles[] = {"", "late show"};
  Heya__V1__Manage action = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change change = HEYA__V1__CHANGE__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property property = HEYA__V1__PROPERTY__INIT, *properties[] = {&property};
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.spectate = true;
  bench_join_saying(&bench, ms, (struct bench_from){"g-3", 1 + (uint64_t)rand() % 3, 1}, room, "eve", &join);
  config.title = pb_text(titles[rand() % 2]);
  config.private_ = rand() % 2;
  property.name = pb_text("region");
  config.properties = properties;
  config.n_properties = (size_t)rand() % 2;
  change.config = &config;
  struct room *there = bench_room(&bench, room);
  if (!there || !room_member(there, host)) return;
  const struct member *member = room_member(there, host);
  if (!member->binding.outlet) return;
  struct bench_from from = {member->binding.outlet->gateway, member->binding.conn, member->binding.attempt};
  action.body_case = rand() % 2 ? HEYA__V1__MANAGE__BODY_LOCK : HEYA__V1__MANAGE__BODY_BAN;
  if (action.body_case == HEYA__V1__MANAGE__BODY_BAN) action.ban = pb_text(rand() % 2 ? "dan" : "fay");
  bench_manage(&bench, ms, from, room, host, 0, &action);
  action.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  action.change = &change;
  bench_manage(&bench, ms, from, room, host, 0, &action);
}

/* Players come, go and play at random, in a room of each kind. */
static void live_through(unsigned seed, size_t steps) {
  static const char *const players[] = {"ann", "bob", "cem"};
  srand(seed);
  uint64_t ms = 1000000;
  for (size_t i = 0; i < steps; i++) {
    size_t who = (size_t)rand() % 3;
    const char *room = rand() % 2 ? CHAT : LIVE;
    struct bench_from from = {who ? "g-1" : "g-2", who + 1, 1};
    bool chat = room[0] == 'c';
    ms += (uint64_t)rand() % 500;
    switch (rand() % 9) {
    case 0:
    case 1:
      bench_join(&bench, ms, from, room, players[who],
                 chat ? HEYA__BUS__MODE__JOIN_OR_CREATE : HEYA__BUS__MODE__CREATE);
      break;
    case 2: bench_disconnected(&bench, ms, from, room); break;
    case 3:
      if (rand() % 3 == 0) bench_leave(&bench, ms, from, room, players[who]);
      break;
    case 8: host_and_spectators(ms, room, players[who]); break;
    case 4:
      if (!chat) bench_command(&bench, ms, from, room, players[who], 0, bench_start(&bench));
      break;
    default:
      bench_command(&bench, ms, from, room, players[who], 0,
                    chat ? bench_say(&bench, rand() % 2 ? "hello" : "") : bench_submit(&bench, 1, 7));
    }
  }
}

Test(image, save_load_save_is_identity) {
  struct buf first = {0}, second = {0};
  size_t compared = 0;
  for (unsigned seed = 1; seed <= 60; seed++) {
    live_through(seed, 40);
    struct room *room, *next;
    HASH_ITER(hh, bench.partition.repository.rooms, room, next) {
      const char *reason;
      save(room, &first);
      struct room *copy = load(room->id, buf_bytes(&first), &reason);
      cr_assert(copy, "seed %u: %s", seed, reason);
      save(copy, &second);
      cr_assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)), "seed %u: %s differs", seed, room->id);
      cr_assert_eq(room_next_due_ms(copy), room_next_due_ms(room));
      cr_assert_not(copy->is_changed);
      room_destroy(copy);
      compared++;
    }
    bench_close(&bench);
    bench_open(&bench);
  }
  cr_assert(compared > 60);
  buf_close(&first);
  buf_close(&second);
}

/* Loads it; if it is taken, it must be a room that can live: be saved, shown, fire what is due, lose its members. */
static bool is_taken_soundly(const char *id, struct bytes bytes) {
  const char *reason;
  struct buf again = {0}, third = {0};
  struct room *room = load(id, bytes, &reason);
  if (!room) {
    cr_assert(reason && *reason);
    return false;
  }
  save(room, &again);
  struct room *copy = load(id, buf_bytes(&again), &reason);
  cr_assert(copy, "what was taken and saved is refused: %s", reason);
  save(copy, &third);
  cr_assert(bytes_equal(buf_bytes(&again), buf_bytes(&third)));
  room_destroy(copy);
  buf_close(&again);
  buf_close(&third);

  cr_assert_leq(room->n_members, room->max_members);
  cr_assert_eq(room->host == NULL, room->n_members == 0);
  room_snapshot(room, room->host);
  struct stream_id now = bench.partition.effects.entry;
  bench.partition.effects.entry.ms = UINT64_C(1) << 53;
  room_fire(room);
  bench.partition.effects.entry = now;
  room_destroy(room);
  effects_clear(&bench.partition.effects);
  arena_reset(&bench.partition.effects.scratch);
  return true;
}

/* The images of two well-used rooms. */
static void images_of(unsigned seed, struct buf *chat, struct buf *live) {
  do {
    bench_close(&bench);
    bench_open(&bench);
    live_through(seed++, 60);
  } while (!bench_room(&bench, CHAT) || !bench_room(&bench, LIVE));
  save(bench_room(&bench, CHAT), chat);
  save(bench_room(&bench, LIVE), live);
}

Test(image, one_cut_short_is_refused_or_sound) {
  struct buf images[2] = {{0}};
  images_of(3, &images[0], &images[1]);
  for (size_t k = 0; k < 2; k++) {
    for (size_t len = 0; len < images[k].len; len++) is_taken_soundly(k ? LIVE : CHAT, bytes_of(images[k].data, len));
    cr_assert(is_taken_soundly(k ? LIVE : CHAT, buf_bytes(&images[k])));
    buf_close(&images[k]);
  }
}

Test(image, a_mutated_one_is_refused_or_sound) {
  struct buf images[2] = {{0}}, mutant = {0};
  size_t taken = 0, refused = 0;
  images_of(5, &images[0], &images[1]);
  srand(1);
  for (size_t round = 0; round < 6000; round++) {
    const struct buf *image = &images[round % 2];
    buf_clear(&mutant);
    buf_append_bytes(&mutant, buf_bytes(image));
    for (int edits = 1 + rand() % 3; edits; edits--) {
      unsigned char *at = &mutant.data[(size_t)rand() % mutant.len];
      *at = rand() % 2 ? (unsigned char)rand() : (unsigned char)(*at ^ (1u << rand() % 8));
    }
    if (is_taken_soundly(round % 2 ? LIVE : CHAT, buf_bytes(&mutant)))
      taken++;
    else
      refused++;
  }
  cr_assert(taken > 100 && refused > 100, "%zu taken, %zu refused", taken, refused);
  buf_close(&images[0]);
  buf_close(&images[1]);
  buf_close(&mutant);
}

Test(image, of_another_room_or_kind_is_refused) {
  struct buf chat = {0}, live = {0};
  const char *reason;
  images_of(3, &chat, &live);
  cr_assert_null(load("chat/b", buf_bytes(&chat), &reason));
  cr_assert_null(load(LIVE, buf_bytes(&chat), &reason));
  cr_assert_null(load("nokind/a", buf_bytes(&chat), &reason));
  cr_assert_str_eq(reason, "unknown kind");
  cr_assert_null(load("no room", buf_bytes(&chat), &reason));
  buf_close(&chat);
  buf_close(&live);
}

/* Changes one thing of a sound image, which must then be refused. */
static void expect_refused(const struct buf *image, void (*change)(Heya__Image__Room *), const char *what) {
  const char *reason;
  Heya__Image__Room *message = heya__image__room__unpack(NULL, image->len, image->data);
  struct buf bytes = {0};
  change(message);
  bytes.len = heya__image__room__pack(message, buf_reserve(&bytes, heya__image__room__get_packed_size(message)));
  cr_assert_null(load(message->id, buf_bytes(&bytes), &reason), "taken with %s", what);
  buf_close(&bytes);
  heya__image__room__free_unpacked(message, NULL);
}

static void huge_seq(Heya__Image__Room *room) {
  room->seq = UINT64_MAX;
}
static void huge_creation(Heya__Image__Room *room) {
  room->created_ms = UINT64_C(1) << 60;
}
static void huge_deadline(Heya__Image__Room *room) {
  room->deadline_ms = UINT64_C(1) << 60;
}
static void long_title(Heya__Image__Room *room) {
  room->config->title = strndup("0123456789012345678901234567890123456789012345678901234567890123456789", 65);
}
static void banned_twice(Heya__Image__Room *room) {
  free(room->banned[1]);
  room->banned[1] = strdup(room->banned[0]);
}
static void banned_nobody(Heya__Image__Room *room) {
  room->banned[0][0] = '\0';
}
static void watches_without_connection(Heya__Image__Room *room) {
  room->spectators[0]->gateway[0] = '\0';
  room->spectators[0]->away_until_ms = 5;
}
static void watches_and_plays(Heya__Image__Room *room) {
  free(room->spectators[0]->player);
  room->spectators[0]->player = strdup(room->members[0]->player);
}
static void watches_twice(Heya__Image__Room *room) {
  free(room->spectators[1]->player);
  room->spectators[1]->player = strdup(room->spectators[0]->player);
}
static void wrong_origin(Heya__Image__Room *room) {
  room->derived = !room->derived;
}
static void few_seats(Heya__Image__Room *room) {
  room->max_members = 1;
}
static void expiry(Heya__Image__Room *room) {
  room->expire_at_ms = 5;
}
static void other_schema(Heya__Image__Room *room) {
  room->schema++;
}
static void both_here_and_away(Heya__Image__Room *room) {
  room->members[0]->away_until_ms = room->members[0]->gateway[0] ? 5 : 0;
}
static void twins(Heya__Image__Room *room) {
  free(room->members[1]->player);
  room->members[1]->player = strdup(room->members[0]->player);
}

Test(image, nonsense_is_refused) {
  struct buf image = {0};
  bench_join(&bench, 1000000, (struct bench_from){"g-1", 1, 1}, CHAT, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  bench_join(&bench, 1000000, (struct bench_from){"g-1", 2, 1}, CHAT, "bob", HEYA__BUS__MODE__JOIN_OR_CREATE);
  save(bench_room(&bench, CHAT), &image);
  expect_refused(&image, huge_seq, "an event number out of bounds");
  expect_refused(&image, huge_creation, "a creation out of time");
  expect_refused(&image, huge_deadline, "a deadline out of time");
  expect_refused(&image, wrong_origin, "another origin than its id says");
  expect_refused(&image, few_seats, "more members than seats");
  expect_refused(&image, expiry, "an expiry while somebody is in");
  expect_refused(&image, other_schema, "another schema");
  expect_refused(&image, both_here_and_away, "a member both here and away");
  expect_refused(&image, twins, "a member twice");
  buf_close(&image);
}

Test(image, nonsense_about_the_host_s_matters_and_those_who_watch_is_refused) {
  struct buf image = {0};
  Heya__Bus__Join watch = HEYA__BUS__JOIN__INIT;
  watch.spectate = true;
  bench_join(&bench, 1000000, (struct bench_from){"g-1", 1, 1}, CHAT, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  bench_join_saying(&bench, 1000000, (struct bench_from){"g-1", 2, 1}, CHAT, "eve", &watch);
  bench_join_saying(&bench, 1000000, (struct bench_from){"g-1", 3, 1}, CHAT, "fay", &watch);
  struct room *room = bench_room(&bench, CHAT);
  cr_assert(room_ban(room, "dan") && room_ban(room, "gus") && !room_ban(room, "dan"));
  save(room, &image);
  expect_refused(&image, long_title, "a title that is too long");
  expect_refused(&image, banned_twice, "somebody banned twice");
  expect_refused(&image, banned_nobody, "nobody banned");
  expect_refused(&image, watches_without_connection, "somebody who watches from nowhere");
  expect_refused(&image, watches_and_plays, "somebody who watches and has a seat");
  expect_refused(&image, watches_twice, "somebody who watches twice");
  room_touch(room);
  bench_commit(&bench);
  buf_close(&image);
}

Test(image, text_that_a_kind_says_too_long_is_cut_between_characters) {
  char text[400];
  struct kind_reply reply = {0};
  struct buf image = {0};
  const char *reason;
  for (size_t shift = 0; shift < 3; shift++) {
    memset(text, 'x', shift);
    for (size_t i = 0; i < 100; i++) memcpy(text + shift + 3 * i, "\xe6\x97\xa5", 4);
    bench_join(&bench, 1000000, (struct bench_from){"g-1", 1, 1}, CHAT, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
    struct room *room = bench_room(&bench, CHAT);
    kind_refuse(&reply, "%s", text);
    session_note(&room->host->window, CODE(INVALID_ARGUMENT), reply.message, bytes_of(NULL, 0));
    room_result_show(room, "ann", "%s", text);
    save(room, &image);
    struct room *copy = load(CHAT, buf_bytes(&image), &reason);
    cr_assert(copy, "%s", reason);
    room_destroy(copy);
    bench_commit(&bench);
  }
  buf_close(&image);
}
