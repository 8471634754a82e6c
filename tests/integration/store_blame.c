/* Who is to blame for a worker's death, as Redis keeps it (heya1_blame, heya1_claim): counted, remembered for as long
 * as it matters, and forgotten. */
#include "tests/integration/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define P    1
#define ROOM "chat/sick"

static struct fixture f;
static uint64_t epoch;            /* of the last claim */
static const char *owner_is = ""; /* and by whom */

static void start(void) {
  fixture_start(&f, NULL);
  epoch = 0;
  owner_is = "";
}
static void stop(void) {
  fixture_stop(&f);
}
TestSuite(store_blame, .init = start, .fini = stop);

/* ---- steps ---- */

static struct store_claimed claim(const char *worker) {
  cr_assert_eq(do_renew(&f, worker, 60000, false).result, STORE_OK);
  struct answer answer = do_claim(&f, P, worker, owner_is, epoch);
  cr_assert_eq(answer.result, STORE_OK, "%s", answer.message);
  epoch = answer.claimed.epoch;
  owner_is = worker;
  return answer.claimed;
}

/* Its lease is over, it has not let go, and it has not been heard of for a while. */
static void die(const char *worker) {
  cr_assert_eq(do_suspect(&f, worker).result, STORE_OK);
  redis_do(f.redis, "HSET heya:worker:%s renewed_ms 1", worker);
}

static void let_go(const char *worker) {
  cr_assert_eq(do_release(&f, P, worker, epoch).result, STORE_OK);
  owner_is = "";
}

static void move_done(const char *worker, uint64_t ms) {
  struct commit_segment segment = {.partition = P, .epoch = epoch, .done = {ms, 0}};
  struct answer answer = do_commit(&f, &(struct commit){.worker = worker, .segments = &segment, .n_segments = 1});
  cr_assert_eq(answer.result, STORE_OK, "%s", answer.message);
  cr_assert_eq(answer.n, 0);
}

static struct store_blame blame_of(bool sure, uint64_t ms, uint32_t index, const char *room) {
  struct store_blame blame = {.sure = sure, .entry = {ms, 2}, .index = index};
  snprintf(blame.room, sizeof blame.room, "%s", room);
  return blame;
}

static void say(const char *worker, bool sure, uint64_t ms, uint32_t index, const char *room) {
  struct store_blame blame = blame_of(sure, ms, index, room);
  struct answer answer = do_blame(&f, P, worker, epoch, &blame);
  cr_assert_eq(answer.result, STORE_OK, "%s", answer.message);
}

static const char *kept(void) {
  return fixture_string(&f, "HGET heya:part:1:owner blame");
}

/* ---- deaths ---- */

Test(store_blame, deaths_without_progress_are_counted) {
  cr_assert_eq(claim("w-1").deaths, 0);
  die("w-1");
  cr_assert_eq(claim("w-2").deaths, 1);
  die("w-2");
  cr_assert_eq(claim("w-3").deaths, 2);
  move_done("w-3", 1000);
  die("w-3");
  cr_assert_eq(claim("w-4").deaths, 1);
}

Test(store_blame, who_claims_his_own_again_changes_no_count) {
  claim("w-1");
  die("w-1");
  claim("w-2");
  cr_assert_eq(claim("w-2").deaths, 1);
  die("w-2");
  cr_assert_eq(claim("w-3").deaths, 2);
  move_done("w-3", 1000);
  cr_assert_eq(claim("w-3").deaths, 0);
}

Test(store_blame, who_lets_go_ends_the_count) {
  claim("w-1");
  die("w-1");
  claim("w-2");
  let_go("w-2");
  cr_assert_eq(claim("w-3").deaths, 0);
  die("w-3");
  cr_assert_eq(claim("w-4").deaths, 1);
}

Test(store_blame, who_lived_for_long_did_not_die_of_what_was_there) {
  claim("w-1");
  die("w-1");
  claim("w-2");
  redis_do(f.redis, "HINCRBY heya:part:1:owner claimed_ms -60001");
  die("w-2");
  cr_assert_eq(claim("w-3").deaths, 1);
}

Test(store_blame, a_claim_tells_the_last_entry) {
  struct store_claimed claimed = claim("w-1");
  cr_assert_eq(claimed.tail.ms, 0);
  cr_assert_eq(do_open(&f, "g-1", false).result, STORE_OK);
  for (uint64_t i = 1; i < 4; i++) cr_assert_str_eq(do_append(&f, "g-1", 1, P, i, false, "batch").text, "ok");
  struct answer read = do_read(&f, P, (struct stream_id){0, 0}, 10);
  claimed = claim("w-1");
  cr_assert_eq(stream_id_compare(claimed.tail, read.last), 0);
  cr_assert_eq(claimed.done.ms, 0);
}

/* ---- convictions ---- */

static void expect_blame(struct store_claimed claimed, uint64_t ms, uint32_t index, const char *room) {
  for (size_t i = 0; i < claimed.n_blames; i++) {
    const struct store_blame *blame = &claimed.blames[i];
    if (strcmp(blame->room, room) != 0) continue;
    cr_assert(blame->sure && blame->entry.ms == ms && blame->entry.seq == 2 && blame->index == index);
    return;
  }
  cr_assert_fail("%s is not blamed", room);
}

Test(store_blame, last_words_are_told_to_the_next_owners_until_the_entry_is_done) {
  claim("w-1");
  move_done("w-1", 999);
  say("w-1", true, 1000, 4, ROOM);
  die("w-1");
  for (int i = 0; i < 2; i++) {
    struct store_claimed claimed = claim("w-2");
    cr_assert_eq(claimed.n_blames, 1);
    expect_blame(claimed, 1000, 4, ROOM);
  }
  let_go("w-2");
  expect_blame(claim("w-3"), 1000, 4, ROOM);
  move_done("w-3", 1001);
  die("w-3");
  cr_assert_eq(claim("w-4").n_blames, 0);
  cr_assert_null(kept());
}

Test(store_blame, who_died_while_loading_is_remembered_until_anything_is_done) {
  claim("w-1");
  redis_do(f.redis, "SET heya:part:1:done 1000-2");
  say("w-1", true, 1000, STORE_BLAME_ALL, ROOM);
  die("w-1");
  expect_blame(claim("w-2"), 1000, STORE_BLAME_ALL, ROOM);
  move_done("w-2", 1001);
  cr_assert_eq(claim("w-2").n_blames, 0);
}

Test(store_blame, the_note_of_an_entry_that_is_done_convicts_nobody) {
  claim("w-1");
  say("w-1", false, 1000, 4, ROOM);
  redis_do(f.redis, "SET heya:part:1:done 1000-2");
  die("w-1");
  cr_assert_eq(claim("w-2").n_blames, 0);
}

Test(store_blame, a_note_convicts_when_its_writer_dies) {
  claim("w-1");
  say("w-1", false, 1000, 4, "chat/other");
  say("w-1", false, 1000, 5, ROOM);
  die("w-1");
  struct store_claimed claimed = claim("w-2");
  cr_assert_eq(claimed.n_blames, 1, "a note replaces the one before");
  expect_blame(claimed, 1000, 5, ROOM);
  expect_blame(claim("w-2"), 1000, 5, ROOM);
}

Test(store_blame, a_note_is_void_when_its_writer_lives) {
  claim("w-1");
  say("w-1", false, 1000, 4, ROOM);
  cr_assert_eq(claim("w-1").n_blames, 0);
  say("w-1", false, 1000, 4, ROOM);
  let_go("w-1");
  cr_assert_eq(claim("w-2").n_blames, 0);
  say("w-2", false, 1000, 4, ROOM);
  say("w-2", false, 1000, STORE_BLAME_ALL, "");
  die("w-2");
  cr_assert_eq(claim("w-3").n_blames, 0);
}

/* Two living workers may suspect each other again and again; none of them is to convict a room by it. */
Test(store_blame, a_note_of_one_who_was_heard_of_just_now_has_to_wait) {
  claim("w-1");
  say("w-1", false, 1000, 4, ROOM);
  cr_assert_eq(do_suspect(&f, "w-1").result, STORE_OK);
  cr_assert_eq(do_renew(&f, "w-2", 60000, false).result, STORE_OK);
  cr_assert_eq(do_claim(&f, P, "w-2", "w-1", epoch).result, STORE_DENIED);
  cr_assert_eq(claim("w-1").n_blames, 0, "it lives");
  say("w-1", false, 1000, 4, ROOM);
  cr_assert_eq(do_suspect(&f, "w-1").result, STORE_OK);
  uint64_t since_ms = redis_now_ms(f.redis);
  while (do_claim(&f, P, "w-2", "w-1", epoch).result == STORE_DENIED) continue;
  uint64_t took_ms = redis_now_ms(f.redis) - since_ms;
  cr_assert(took_ms > 500 && took_ms < 5000, "%u ms", (unsigned)took_ms);
}

Test(store_blame, several_rooms_are_remembered_and_the_newest_of_too_many) {
  char room[32];
  claim("w-1");
  for (int i = 0; i < STORE_BLAMES_MAX + 3; i++) {
    snprintf(room, sizeof room, "chat/r%d", i);
    say("w-1", true, 1000, (uint32_t)i, room);
  }
  say("w-1", false, 1001, 0, "chat/noted");
  say("w-1", true, 1002, 7, "chat/r18");
  die("w-1");
  struct store_claimed claimed = claim("w-2");
  cr_assert_eq(claimed.n_blames, STORE_BLAMES_MAX - 1, "%zu", claimed.n_blames);
  expect_blame(claimed, 1002, 7, "chat/r18");
  expect_blame(claimed, 1000, 4, "chat/r4");
}

Test(store_blame, a_note_does_not_cover_a_conviction) {
  claim("w-1");
  say("w-1", true, 1000, 4, ROOM);
  say("w-1", false, 1000, 2, ROOM);
  expect_blame(claim("w-1"), 1000, 4, ROOM);
}

/* ---- who may say it ---- */

Test(store_blame, last_words_may_be_late_by_one_owner_and_notes_may_not) {
  claim("w-1");
  uint64_t first = epoch;
  die("w-1");
  claim("w-2");
  struct store_blame words = blame_of(true, 1000, 4, ROOM), note = blame_of(false, 1000, 4, ROOM);
  cr_assert_eq(do_blame(&f, P, "w-1", first, &note).result, STORE_DENIED);
  cr_assert_eq(do_blame(&f, P, "w-1", first, &words).result, STORE_OK);
  die("w-2");
  expect_blame(claim("w-3"), 1000, 4, ROOM);
  cr_assert_eq(do_blame(&f, P, "w-1", first, &words).result, STORE_DENIED);
  cr_assert_eq(do_blame(&f, P, "w-1", epoch, &note).result, STORE_DENIED);
  cr_assert_eq(do_blame(&f, P, "w-3", epoch + 1, &words).result, STORE_DENIED);
}

Test(store_blame, what_is_no_blame_is_refused_and_nothing_is_written) {
  static const char *const bad[] = {"2 1000-0 4 chat/a", "1 1000 4 chat/a", "1 1000-0 -1 chat/a",
                                    "1 1000-0 x chat/a"};
  claim("w-1");
  const char *before = fixture_string(&f, "DEBUG DIGEST");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char sure[8], entry[32], index[8], room[32];
    sscanf(bad[i], "%7s %31s %7s %31s", sure, entry, index, room);
    redisReply *reply = redis_reply(f.redis, "FCALL heya1_blame 0 heya: 1 w-1 %lld %s %s %s %s", (long long)epoch,
                                    sure, entry, index, room);
    cr_assert(reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BADCALL ", 8) == 0, "%s", bad[i]);
    freeReplyObject(reply);
  }
  struct store_blame blame = blame_of(true, 1000, 4, "chat/two words");
  cr_assert_eq(do_blame(&f, P, "w-1", epoch, &blame).result, STORE_FAILED);
  cr_assert_str_eq(fixture_string(&f, "DEBUG DIGEST"), before);
}

Test(store_blame, a_claim_survives_hostile_fields) {
  static const char *const hostile[] = {
      "",
      "\n\n",
      "1 2 3 4",
      "1 1000-0 4 nonsense",
      "1 99999999999999999999999999999999999999-0 4 chat/a",
      "1 1000-99999999999999999999999 4 chat/a",
      "1 1000-0 99999999999 chat/a",
      "1 1000-0 4 chat/a b",
      "1 1000-0 4 chat/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "1 1000-0 4 chat/%s\xff",
      "7 1000-0 4 chat/a",
  };
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    redis_do(f.redis, "HSET heya:part:1:owner blame %s", hostile[i]);
    cr_assert_eq(claim("w-1").n_blames, 0, "%s", hostile[i]);
  }
  redis_do(f.redis, "HSET heya:part:1:owner blame %s", "rubbish\n1 1000-2 4 " ROOM "\n1 x");
  expect_blame(claim("w-1"), 1000, 4, ROOM);
  static const char *const numbers[] = {"", "x", "-3", "1e9", "99999999999999999999999", "nan"};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    redis_do(f.redis, "HSET heya:part:1:owner deaths %s claimed_ms %s death_done 0-0", numbers[i], numbers[i]);
    die("w-1");
    cr_assert_eq(claim("w-2").deaths, 1, "%s", numbers[i]);
    die("w-2");
    claim("w-1");
  }
}
