/* Keys as docs and functions know them. */
#include "proto/keys.h"
#include "proto/names.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void is(struct key made, const char *expected) {
  cr_assert_str_eq(made.text, expected);
  cr_assert_eq(made.len, strlen(expected));
}

Test(keys, are_as_documented) {
  is(key_config("heya:"), "heya:config");
  is(key_workers("heya:"), "heya:workers");
  is(key_worker("heya:", "w-1"), "heya:worker:w-1");
  is(key_gateway("heya:", "g-1"), "heya:gateway:g-1");
  is(key_gateway_events("heya:", "g-1"), "heya:gateway:g-1:evt");
  is(key_part_owner("heya:", 3), "heya:part:3:owner");
  is(key_part_commands("heya:", 15), "heya:part:15:cmd");
  is(key_part_done("heya:", 0), "heya:part:0:done");
  is(key_part_rooms("heya:", 4294967295u), "heya:part:4294967295:rooms");
  is(key_room("heya:", "live/a"), "heya:room:live/a");
  is(key_room_members("", "live/a"), "room:live/a:members");
  is(key_room_results("heya:", "live/a"), "heya:room:live/a:results");
  is(key_room_deadline("heya:", "live/a"), "heya:room:live/a:deadline");
  is(key_room_log("heya:", "live/a"), "heya:room:live/a:log");
  is(key_rooms_of_kind("heya:", "live"), "heya:rooms:live");
  is(key_tomb("heya:", "live/~a"), "heya:tomb:live/~a");
}

Test(keys, the_longest_names_fit) {
  char prefix[KEY_PREFIX_MAX + 1], id[ROOM_ID_MAX + 1];
  memset(prefix, 'p', sizeof prefix);
  memset(id, 'i', sizeof id);
  prefix[KEY_PREFIX_MAX] = id[ROOM_ID_MAX] = '\0';
  struct key key = key_room_deadline(prefix, id);
  cr_assert_eq(key.len, KEY_PREFIX_MAX + strlen("room:") + ROOM_ID_MAX + strlen(":deadline"));
}

Test(keys, prefixes_and_process_ids_are_checked) {
  cr_assert(key_prefix_is_valid(KEY_PREFIX_DEFAULT));
  cr_assert(key_prefix_is_valid(""));
  cr_assert(key_prefix_is_valid("{test-1}:"));
  cr_assert_not(key_prefix_is_valid("a b"));
  cr_assert_not(key_prefix_is_valid("a*"));
  cr_assert_not(key_prefix_is_valid("ppppppppppppppppppppppppppppppppp"));
  cr_assert(process_id_is_valid("g-0a1b", 6));
  cr_assert_not(process_id_is_valid("", 0));
  cr_assert_not(process_id_is_valid("g:evt", 5));
  cr_assert_not(process_id_is_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 41));
}

Test(keys, the_machines_functions_carry_the_schema_version) {
  static const char *const names[] = {LIBRARY_HEYA "_",      FUNCTION_INIT,          FUNCTION_SELFTEST,
                                      FUNCTION_APPEND,       FUNCTION_COMMIT,        FUNCTION_CLAIM,
                                      FUNCTION_RELEASE,      FUNCTION_RENEW,         FUNCTION_SUSPECT,
                                      FUNCTION_WORKER_CLOSE, FUNCTION_GATEWAY_OPEN,  FUNCTION_GATEWAY_RENEW,
                                      FUNCTION_GATEWAY_TRIM, FUNCTION_GATEWAY_CLOSE, FUNCTION_GATEWAY_SUSPECT,
                                      FUNCTION_LIST,         FUNCTION_DRAIN};
  char start[16];
  snprintf(start, sizeof start, "heya%d_", SCHEMA_VERSION);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    cr_assert_eq(strncmp(names[i], start, strlen(start)), 0, "%s", names[i]);
}
