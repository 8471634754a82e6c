/* The read-only functions for people at redis-cli (proto/heya_people.lua). */
#include "tests/integration/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct fixture f;

static void start(void) {
  fixture_start(&f, NULL);
  redis_do(f.redis, "HSET heya:room:chat/a status open host ann members 1 max_members 4 image abc");
  redis_do(f.redis, "HSET heya:room:chat/a:members ann Ann");
  redis_do(f.redis, "SET heya:room:chat/a:results wrong");
  redis_do(f.redis, "SET heya:room:chat/a:deadline 2 PX 60000");
  redis_do(f.redis, "SET heya:room:chat/wrong x");
  redis_do(f.redis, "ZADD heya:rooms:chat 1 chat/a 2 chat/wrong 3 chat/expired");
}
static void stop(void) {
  fixture_stop(&f);
}
TestSuite(people, .init = start, .fini = stop);

/* Whether the answer, or one of its lines, holds the text. */
static bool says(const char *call, const char *text) {
  char command[256];
  snprintf(command, sizeof command, "FCALL_RO %s", call);
  redisReply *reply = redis_reply(f.redis, command);
  bool found = reply->str && strstr(reply->str, text);
  for (size_t i = 0; i < reply->elements; i++) found = found || strstr(reply->element[i]->str, text);
  freeReplyObject(reply);
  return found;
}

Test(people, heya_room_shows_a_room_in_lines) {
  cr_assert(says("heya_room 0 chat/a", "status         open"));
  cr_assert(says("heya_room 0 chat/a", "members        ann  Ann"));
  cr_assert(says("heya_room 0 chat/a", "image          3 bytes"));
  cr_assert(says("heya_room 0 chat/a", "deadline       round 2 in "));
  cr_assert(says("heya_room 0 chat/a", "heya:room:chat/a:results has the wrong type: string"));
  cr_assert(says("heya_room 0 chat/wrong", "has the wrong type"));
}

Test(people, heya_room_speaks_json) {
  cr_assert(says("heya_room 0 chat/a json", "\"members\":{\"ann\":\"Ann\"}"));
  cr_assert(says("heya_room 0 chat/a json heya:", "\"image_bytes\":3"));
}

Test(people, errors_are_sentences) {
  cr_assert(says("heya_room 0 chat/none", "ERR there is no room chat/none under the prefix heya:"));
  cr_assert(says("heya_room 0 chat/a text other:", "under the prefix other:"));
  cr_assert(says("heya_room 0 chat/a:members", "ERR not a room id"));
  cr_assert(says("heya_room 0", "ERR not a room id"));
  cr_assert(says("heya_room 0 chat/a xml", "ERR arguments"));
  cr_assert(says("heya_rooms 0 a:b", "ERR expected a kind"));
}

Test(people, lists_survive_damage) {
  fixture_own(&f, 1);
  do_open(&f, "g-1", false);
  redis_do(f.redis, "HSET heya:config partitions 4");
  redis_do(f.redis, "SET heya:part:2:cmd x");
  cr_assert(says("heya_rooms 0 chat", "open     1/4       ann"));
  cr_assert(says("heya_rooms 0 chat", "has the wrong type"));
  cr_assert(says("heya_rooms 0 nobody json", "[]"));
  cr_assert(says("heya_workers 0", "w-1                      "));
  cr_assert(says("heya_workers 0 json", "\"host\":\"h\""));
  cr_assert(says("heya_gateways 0", "g-1                      "));
  cr_assert(says("heya_partitions 0", "1         w-1                      1 "));
  cr_assert(says("heya_partitions 0", "wrong type"));
}

Test(people, nothing_is_written) {
  redisReply *reply = redis_reply(f.redis, "FUNCTION LIST LIBRARYNAME heya_people");
  for (size_t i = 0; i < reply->element[0]->element[5]->elements; i++)
    cr_assert_str_eq(reply->element[0]->element[5]->element[i]->element[5]->element[0]->str, "no-writes");
  freeReplyObject(reply);
}
