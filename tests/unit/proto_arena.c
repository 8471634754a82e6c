/* Promises of the arena. */
#include "proto/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(arena, places_are_aligned_and_apart) {
  struct arena arena;
  arena_init(&arena, 64, ARENA_NO_LIMIT);
  unsigned char *last = NULL;
  for (size_t size = 0; size < 300; size++) {
    unsigned char *place = arena_alloc(&arena, size);
    cr_assert_not_null(place);
    cr_assert_neq(place, last);
    cr_assert_eq((uintptr_t)place % _Alignof(max_align_t), 0);
    memset(place, (int)size, size);
    last = place;
  }
  arena_close(&arena);
  arena_close(&arena);
}

Test(arena, refuses_beyond_its_limit_until_reset) {
  struct arena arena;
  arena_init(&arena, 32, 1024);
  cr_assert_not_null(arena_alloc(&arena, 1000));
  cr_assert_null(arena_alloc(&arena, 100));
  cr_assert(arena.refused);
  cr_assert_null(arena_alloc(&arena, SIZE_MAX));
  cr_assert_null(arena_alloc(&arena, SIZE_MAX - 15));
  arena_reset(&arena);
  cr_assert_not(arena.refused);
  cr_assert_not_null(arena_alloc(&arena, 1024));
  arena_close(&arena);
}

Test(arena, keeps_its_first_block_over_a_reset) {
  struct arena arena;
  arena_init(&arena, 256, ARENA_NO_LIMIT);
  void *first = arena_alloc(&arena, 16);
  for (int i = 0; i < 100; i++) arena_alloc(&arena, 100);
  arena_reset(&arena);
  cr_assert_eq(arena.used, 0);
  cr_assert_eq(arena_alloc(&arena, 16), first);
  arena_close(&arena);
}

Test(arena, copies_end_in_nul) {
  struct arena arena;
  arena_init(&arena, 16, ARENA_NO_LIMIT);
  cr_assert_str_eq(arena_copy(&arena, bytes_of("abcdef", 3)), "abc");
  cr_assert_str_eq(arena_copy(&arena, bytes_of(NULL, 0)), "");
  arena_close(&arena);
}
