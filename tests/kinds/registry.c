/* Promises of the registry of kinds. */
#include "worker/kinds/registry.h"

#include "worker/kinds/kinds.h"
#include <criterion/criterion.h>
#include <stdio.h>

Test(registry, knows_the_built_in_kinds) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  cr_assert_eq(kind_find(&registry, "chat"), &kind_chat);
  cr_assert_eq(kind_find(&registry, "gomoku"), &kind_gomoku);
  cr_assert_eq(kind_find(&registry, "live"), &kind_live);
  cr_assert_eq(kind_find(&registry, "arena"), &kind_arena);
  cr_assert_eq(kind_find(&registry, "skirmish"), &kind_skirmish);
  cr_assert_eq(kind_find(&registry, "lobby"), &kind_lobby);
  cr_assert_eq(registry.count, 6);
}

Test(registry, finds_nothing_under_other_names) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  const char *const names[] = {"", "cha", "chats", "Chat", "chat/x", NULL};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) cr_assert_null(kind_find(&registry, names[i]));
}

Test(registry, takes_a_kind_that_is_added) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  struct kind mine = kind_chat;
  mine.name = "mine_2";
  mine.join = NULL;
  mine.leave = NULL;
  mine.timer = NULL;
  mine.describe = NULL;
  mine.close = NULL;
  cr_assert_eq(kind_registry_add(&registry, &mine), KIND_ADDED);
  cr_assert_eq(kind_find(&registry, "mine_2"), &mine);
  cr_assert_eq(kind_registry_add(&registry, &mine), KIND_DUPLICATE);
}

Test(registry, refuses_to_replace_a_built_in_kind) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  struct kind impostor = kind_live;
  impostor.name = "chat";
  cr_assert_eq(kind_registry_add(&registry, &impostor), KIND_DUPLICATE);
  cr_assert_eq(kind_find(&registry, "chat"), &kind_chat);
}

Test(registry, refuses_another_abi_before_anything_else) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  struct kind old = {.abi = KIND_ABI + 1, .name = (const char *)8};
  cr_assert_eq(kind_registry_add(&registry, &old), KIND_BAD_ABI);
  old.abi = 0;
  cr_assert_eq(kind_registry_add(&registry, &old), KIND_BAD_ABI);
}

Test(registry, refuses_names_that_are_none) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  const char *const names[] = {NULL, "", "Mine", "2mine", "mi-ne", "mine/", "a2345678901234567", "m\xc3\xbc"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct kind kind = kind_chat;
    kind.name = names[i];
    cr_assert_eq(kind_registry_add(&registry, &kind), KIND_BAD_NAME, "%s", names[i] ? names[i] : "NULL");
  }
  struct kind longest = kind_chat;
  longest.name = "a234567890123456";
  cr_assert_eq(kind_registry_add(&registry, &longest), KIND_ADDED);
}

Test(registry, refuses_a_kind_that_lacks_a_function) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  struct kind whole = kind_chat;
  whole.name = "mine";
  struct kind lacking[] = {whole, whole, whole, whole, whole};
  lacking[0].open = NULL;
  lacking[1].command = NULL;
  lacking[2].save = NULL;
  lacking[3].load = NULL;
  lacking[4].snapshot = NULL;
  for (size_t i = 0; i < 5; i++) cr_assert_eq(kind_registry_add(&registry, &lacking[i]), KIND_INCOMPLETE);
  cr_assert_eq(kind_registry_add(&registry, &whole), KIND_ADDED);
}

Test(registry, refuses_limits_that_make_no_sense) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  struct kind kind = kind_chat;
  kind.name = "mine";
  kind.max_members = 0;
  cr_assert_eq(kind_registry_add(&registry, &kind), KIND_BAD_LIMITS);
  kind.max_members = kind.max_members_limit + 1;
  cr_assert_eq(kind_registry_add(&registry, &kind), KIND_BAD_LIMITS);
  kind.max_members = 1;
  kind.state_size = KIND_STATE_SIZE_MAX + 1;
  cr_assert_eq(kind_registry_add(&registry, &kind), KIND_BAD_LIMITS);
}

Test(registry, is_bounded) {
  struct kind_registry registry;
  kind_registry_init(&registry);
  static struct kind kinds[KIND_REGISTRY_MAX];
  static char names[KIND_REGISTRY_MAX][8];
  size_t room_for = KIND_REGISTRY_MAX - registry.count;
  for (size_t i = 0; i <= room_for; i++) {
    kinds[i] = kind_chat;
    snprintf(names[i], sizeof names[i], "k%zu", i);
    kinds[i].name = names[i];
    cr_assert_eq(kind_registry_add(&registry, &kinds[i]), i < room_for ? KIND_ADDED : KIND_FULL);
  }
  cr_assert_eq(kind_find(&registry, "k0"), &kinds[0]);
}

Test(registry, has_a_phrase_for_every_outcome) {
  for (int added = KIND_ADDED; added <= KIND_FULL; added++)
    cr_assert_str_neq(kind_added_text((enum kind_added)added), "unknown");
}
