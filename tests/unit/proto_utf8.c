/* Promises of the UTF-8 checks. */
#include "proto/utf8.h"

#include <criterion/criterion.h>
#include <string.h>

#define VALID(text) utf8_is_valid(text, sizeof(text) - 1)

/* Encodes any number the way UTF-8 would, also the ones it must not. */
static size_t encode(uint32_t c, unsigned char out[4]) {
  if (c < 0x80) return out[0] = (unsigned char)c, 1;
  size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; i--, c >>= 6) out[i] = (unsigned char)(0x80 | (c & 0x3F));
  out[0] = (unsigned char)((0xF0u << (4 - size)) | c);
  return size;
}

Test(utf8, accepts_every_character_and_no_surrogate) {
  for (uint32_t c = 0; c < 0x120000; c++) {
    unsigned char text[4];
    uint32_t back = 0;
    size_t size = encode(c, text);
    bool valid = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    cr_assert_eq(utf8_next(text, size, &back), valid ? size : 0, "U+%04X", c);
    if (valid) cr_assert_eq(back, c);
    if (size > 1) cr_assert_eq(utf8_next(text, size - 1, NULL), 0, "cut U+%04X", c);
  }
}

Test(utf8, refuses_what_is_not_the_shortest_form) {
  cr_assert(VALID(""));
  cr_assert(VALID("部屋 🎵 é"));
  cr_assert_not(VALID("\xC0\x80"));
  cr_assert_not(VALID("\xC1\xBF"));
  cr_assert_not(VALID("\xE0\x9F\xBF"));
  cr_assert_not(VALID("\xF0\x8F\xBF\xBF"));
  cr_assert_not(VALID("\xF4\x90\x80\x80"));
  cr_assert_not(VALID("\xF5\x80\x80\x80"));
  cr_assert_not(VALID("\xFF"));
  cr_assert_not(VALID("\x80"));
  cr_assert_not(VALID("a\xE3\x81"));
}

Test(utf8, text_has_no_control_characters_but_line_breaks_on_wish) {
  cr_assert(utf8_is_text("a\nb\tc", 5, UTF8_LINES));
  cr_assert_not(utf8_is_text("a\nb", 3, UTF8_ONE_LINE));
  cr_assert_not(utf8_is_text("a\rb", 3, UTF8_LINES));
  cr_assert_not(utf8_is_text("a\0b", 3, UTF8_LINES));
  cr_assert_not(utf8_is_text("\x7f", 1, UTF8_LINES));
  cr_assert_not(utf8_is_text("\xC2\x85", 2, UTF8_LINES));
  cr_assert(utf8_is_text("\xC2\xA0", 2, UTF8_ONE_LINE));
}

Test(utf8, cut_never_leaves_half_a_character) {
  const char *text = "aé部🎵z";
  for (size_t max = 0; max <= strlen(text) + 1; max++) {
    size_t cut = utf8_cut(text, strlen(text), max);
    cr_assert_leq(cut, max);
    cr_assert_gt(cut + 4, max < strlen(text) ? max : strlen(text));
    cr_assert(utf8_is_valid(text, cut));
  }
}
