/* Base64 against its RFC and against hostile text. */
#include "proto/base64.h"

#include <criterion/criterion.h>
#include <string.h>

static bool decodes_to(const char *text, const char *expected) {
  char out[64];
  size_t len = 0;
  return base64_decode(text, strlen(text), out, &len) && len == strlen(expected) && memcmp(out, expected, len) == 0;
}

Test(base64, the_vectors_of_rfc_4648) {
  static const char *const vectors[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    char out[16] = "";
    base64_encode(vectors[i][0], strlen(vectors[i][0]), out);
    cr_assert_eq(strlen(vectors[i][1]), base64_encoded_len(strlen(vectors[i][0])));
    cr_assert_str_eq(out, vectors[i][1]);
    cr_assert(decodes_to(vectors[i][1], vectors[i][0]));
  }
}

Test(base64, takes_both_alphabets_and_missing_padding) {
  cr_assert(decodes_to("_-8", "\xff\xef"));
  cr_assert(decodes_to("/+8=", "\xff\xef"));
  cr_assert(decodes_to("Zg", "f"));
}

Test(base64, refuses_everything_else) {
  static const char *const bad[] = {
      "Z", "Zg=", "=", "====", "Zm9v=", "Z===", "Zm9vY", "Zh==", "Zm9=", "Zm 9", "Zg==Zg==", "Zm9v\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char out[64];
    size_t len;
    cr_assert_not(base64_decode(bad[i], strlen(bad[i]), out, &len), "%s", bad[i]);
  }
}

Test(base64, any_bytes_come_back) {
  unsigned char in[256];
  for (size_t i = 0; i < sizeof in; i++) in[i] = (unsigned char)(i * 167);
  for (size_t len = 0; len <= sizeof in; len++) {
    size_t text_len = base64_encoded_len(len), out_len = 0;
    char *text = malloc(text_len + 1);
    unsigned char *out = malloc(base64_decoded_max(text_len));
    base64_encode(in, len, text);
    cr_assert(base64_decode(text, text_len, out, &out_len));
    cr_assert_eq(out_len, len);
    cr_assert_arr_eq(out, in, len);
    free(text);
    free(out);
  }
}
