/* Promises of the byte buffer and of the byte view. */
#include "common/buf.h"
#include "common/bytes.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(buf, zeroed_is_a_valid_empty_buffer) {
  struct buf buf = {0};
  cr_assert_eq(buf.len, 0);
  cr_assert_str_eq(buf_str(&buf), "");
  buf_close(&buf);
  buf_close(&buf);
  cr_assert_null(buf.data);
}

Test(buf, keeps_what_is_appended_while_it_grows) {
  struct buf buf = {0};
  for (int i = 0; i < 100000; i++) buf_append_char(&buf, (char)(i % 251));
  cr_assert_eq(buf.len, 100000);
  for (int i = 0; i < 100000; i++) cr_assert_eq((char)buf.data[i], (char)(i % 251));
  buf_close(&buf);
}

Test(buf, appends_text_bytes_and_formats) {
  struct buf buf = {0};
  buf_append_str(&buf, "a");
  buf_append(&buf, NULL, 0);
  buf_append_bytes(&buf, bytes_of("b\0c", 3));
  buf_printf(&buf, "-%d-%s", 42, "x");
  cr_assert(bytes_equal(buf_bytes(&buf), bytes_of("ab\0c-42-x", 9)));
  buf_close(&buf);
}

Test(buf, formats_text_of_any_length) {
  for (int len = 0; len < 400; len++) {
    struct buf buf = {0};
    buf_printf(&buf, "%*s!", len, "");
    cr_assert_eq(buf.len, (size_t)len + 1);
    cr_assert_eq(buf.data[len], '!');
    buf_close(&buf);
  }
}

Test(buf, consumes_from_the_front) {
  struct buf buf = {0};
  buf_append_str(&buf, "abcdef");
  buf_consume(&buf, 0);
  buf_consume(&buf, 2);
  cr_assert_str_eq(buf_str(&buf), "cdef");
  buf_consume(&buf, 4);
  cr_assert_eq(buf.len, 0);
  buf_append_str(&buf, "again");
  cr_assert_str_eq(buf_str(&buf), "again");
  buf_close(&buf);
}

Test(buf, clear_keeps_the_memory) {
  struct buf buf = {0};
  buf_append_str(&buf, "abc");
  const unsigned char *memory = buf.data;
  buf_clear(&buf);
  buf_append_str(&buf, "de");
  cr_assert_eq(buf.data, memory);
  cr_assert_str_eq(buf_str(&buf), "de");
  buf_close(&buf);
}

Test(buf, take_hands_the_memory_over) {
  struct buf buf = {0};
  size_t len = 9;
  buf_append_str(&buf, "mine");
  char *taken = buf_take(&buf, &len);
  cr_assert_eq(len, 4);
  cr_assert_str_eq(taken, "mine");
  cr_assert_null(buf.data);
  free(taken);
  taken = buf_take(&buf, NULL);
  cr_assert_str_eq(taken, "");
  free(taken);
}

Test(buf, reserve_gives_room_to_write_in_place) {
  struct buf buf = {0};
  buf_append_str(&buf, "a");
  unsigned char *room = buf_reserve(&buf, 1000);
  memset(room, 'b', 1000);
  buf.len += 1000;
  cr_assert_eq(buf.len, 1001);
  cr_assert_eq(buf.data[1000], 'b');
  buf_close(&buf);
}

Test(bytes, compare_by_content) {
  cr_assert(bytes_equal(bytes_of(NULL, 0), bytes_of_str("")));
  cr_assert(bytes_equal(bytes_of_str(NULL), bytes_of_str("")));
  cr_assert(bytes_equal_str(bytes_of("room7", 4), "room"));
  cr_assert_not(bytes_equal_str(bytes_of_str("room"), "rooms"));
  cr_assert_not(bytes_equal_str(bytes_of_str("room"), "rood"));
}
