/* The grammar of names, and fixed vectors of what is part of the data format. */
#include "proto/names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static bool parses(const char *id) {
  struct room_id room;
  return room_id_parse(id, strlen(id), &room);
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(names, a_room_id_comes_apart_into_kind_and_name) {
  struct room_id room;
  cr_assert(room_id_parse("live/Room-1.x_y and more", 15, &room));
  cr_assert_str_eq(room.id, "live/Room-1.x_y");
  cr_assert_str_eq(room.kind, "live");
  cr_assert_str_eq(room_id_name(&room), "Room-1.x_y");
  cr_assert_eq(room.id_len, 15);
  cr_assert_not(room.derived);
  cr_assert(room_id_make("chat", "lobby", &room));
  cr_assert_str_eq(room.id, "chat/lobby");
  cr_assert_not(room_id_make("chat", A64 "a", &room));
  cr_assert_not(room_id_make("abcdefghijklmnopq", "a", &room));
  cr_assert_str_eq(room.id, "");
}

Test(names, only_the_grammar_passes) {
  cr_assert(parses("a/b"));
  cr_assert(parses("abcdefghijklmnop/" A64));
  cr_assert(parses("k_9/..."));
  static const char *const refused[] = {"",
                                        "/",
                                        "a",
                                        "a/",
                                        "/b",
                                        "a/b/c",
                                        "A/b",
                                        "9a/b",
                                        "_a/b",
                                        "a-b/c",
                                        "a/b c",
                                        "a/b:members",
                                        "a/b\n",
                                        "a/é",
                                        "a/{b}",
                                        "abcdefghijklmnopq/b",
                                        "a/.",
                                        "a/..",
                                        "a/~",
                                        "a/~b",
                                        "a/" A64 "a",
                                        "a/~aaaaaaaaaaaaaaaaaaaaaaaaa",
                                        "a/~aaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                        "a/~aaaaaaaaaaaaaaaaaaaaaaaaa1",
                                        "a/~aaaaaaaaaaaaaaaaaaaaaaaaaA"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) cr_assert_not(parses(refused[i]), "%s", refused[i]);
  struct room_id room;
  cr_assert_not(room_id_parse("a/b\0c", 5, &room));
  cr_assert_not(room_id_parse("a\0/b", 4, &room));
}

Test(names, every_byte_outside_of_the_alphabet_is_refused) {
  for (int c = 0; c < 256; c++) {
    char name[1] = {(char)c};
    bool allowed = c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", c);
    cr_assert_eq(name_is_valid(name, 1), allowed && c != '.', "byte %d", c);
  }
}

Test(names, players_are_one_to_64_bytes_without_control_characters) {
  cr_assert(player_is_valid("p", 1));
  cr_assert(player_is_valid("音ゲー player", strlen("音ゲー player")));
  cr_assert(player_is_valid(A64, 64));
  cr_assert_not(player_is_valid(A64 "a", 65));
  cr_assert_not(player_is_valid("", 0));
  cr_assert_not(player_is_valid("a\nb", 3));
  cr_assert_not(player_is_valid("a\0b", 3));
  cr_assert_not(player_is_valid("a\x7f", 2));
  cr_assert_not(player_is_valid("\xC2\x80", 2));
  cr_assert_not(player_is_valid("\xC2\x9F", 2));
  cr_assert_not(player_is_valid("\xFF", 1));
  cr_assert(display_name_is_valid("", 0));
  cr_assert_not(display_name_is_valid(A64 "a", 65));
  cr_assert(create_key_is_valid("k", 1));
  cr_assert_not(create_key_is_valid("", 0));
}

Test(names, players_and_display_names_show_as_what_they_are) {
  static const char *const refused[] = {"a\u202eb", "\u202ab", "a\u2066b", "a\u2069",      "a\u2028b", "a\u2029b",
                                        "\ufeffa",  " ",       "   ",      "\u3000\u00a0", "\u200b"};
  static const char *const taken[] = {"a b",     " a",     "\u2027", "\u202f.", "\u2065x",
                                      "\u206ax", "\ufefe", "é",      "部屋 🎵",  "."};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    cr_assert_not(player_is_valid(refused[i], strlen(refused[i])), "row %zu", i);
    cr_assert_not(display_name_is_valid(refused[i], strlen(refused[i])), "row %zu", i);
  }
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    cr_assert(player_is_valid(taken[i], strlen(taken[i])), "row %zu", i);
    cr_assert(display_name_is_valid(taken[i], strlen(taken[i])), "row %zu", i);
  }
}

Test(names, an_instance_is_up_to_32_characters_or_none) {
  cr_assert(instance_is_valid("", 0));
  cr_assert(instance_is_valid("a.B_9-", 6));
  cr_assert(instance_is_valid(A64, 32));
  cr_assert_not(instance_is_valid(A64, 33));
  cr_assert_not(instance_is_valid("a b", 3));
  cr_assert_not(instance_is_valid("\xc3\xa9", 2));
}

Test(names, properties) {
  cr_assert(property_name_is_valid("live_id", 7));
  cr_assert_not(property_name_is_valid("liveId", 6));
  cr_assert(property_name_is_valid(A64, 32));
  cr_assert_not(property_name_is_valid(A64, 33));
  cr_assert(property_value_is_valid("", 0));
  cr_assert_not(property_value_is_valid("a\tb", 3));
}

Test(names, derived_names_are_base32_of_the_digest) {
  /* SHA-256 of "alice", NUL, "k1" */
  static const uint8_t digest[32] = {0xaa, 0x88, 0x58, 0x03, 0x23, 0xc7, 0x8c, 0x7b, 0x2e, 0xc8, 0xdc,
                                     0x5b, 0x92, 0x59, 0xa6, 0x64, 0xf0, 0xc8, 0xea, 0xa7, 0xf2, 0x20,
                                     0x6f, 0x64, 0x83, 0x79, 0x8f, 0xfd, 0x76, 0x1a, 0x32, 0x6a};
  char name[DERIVED_NAME_LEN + 1];
  struct room_id room;
  derived_name(digest, name);
  cr_assert_str_eq(name, "~vkefqazdy6ghwlwi3rnzewngmt");
  cr_assert(name_is_derived(name, strlen(name)));
  cr_assert_not(name_is_valid(name, strlen(name)));
  cr_assert(room_id_make("live", name, &room));
  cr_assert(room.derived);
}

Test(names, the_partition_of_a_room_never_changes) {
  static const struct {
    const char *id;
    uint32_t of_16, of_64, of_many;
  } vectors[] = {
      {"chat/lobby", 0, 48, 889255},      {"live/~aaaaaaaaaaaaaaaaaaaaaaaaaa", 9, 41, 892856},
      {"chat/a", 10, 58, 824399},         {"chat/b", 15, 63, 954944},
      {"live/ROOM-1.x_y", 4, 36, 535760},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    size_t len = strlen(vectors[i].id);
    cr_assert_eq(room_partition(vectors[i].id, len, 16), vectors[i].of_16);
    cr_assert_eq(room_partition(vectors[i].id, len, 64), vectors[i].of_64);
    cr_assert_eq(room_partition(vectors[i].id, len, 1000003), vectors[i].of_many);
    cr_assert_eq(room_partition(vectors[i].id, len, 1), 0);
  }
}

Test(names, rooms_spread_evenly_over_partitions) {
  uint32_t counts[16] = {0};
  for (int i = 0; i < 16000; i++) {
    char id[32];
    int len = snprintf(id, sizeof id, "live/room-%d", i);
    counts[room_partition(id, (size_t)len, 16)]++;
  }
  for (int p = 0; p < 16; p++) cr_assert(counts[p] > 800 && counts[p] < 1200, "partition %d has %u", p, counts[p]);
}
