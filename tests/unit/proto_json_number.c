/* Every width at its edges; the protocol itself uses few of them. */
#include "proto/json_number.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

/* Reads the one number in `text` into a value of `type`; returns the reason of a refusal or "". */
static const char *read_as(ProtobufCType type, const char *text, void *to) {
  json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
  cr_assert_not_null(json, "%s", text);
  const char *reason = json_number_read(json, type, to);
  json_decref(json);
  return reason ? reason : "";
}

static bool reads_u64(ProtobufCType type, const char *text, uint64_t expected) {
  uint64_t value = 0;
  return !*read_as(type, text, &value) && value == expected;
}

static bool reads_i64(ProtobufCType type, const char *text, int64_t expected) {
  int64_t value = 0;
  return !*read_as(type, text, &value) && value == expected;
}

static bool reads_i32(ProtobufCType type, const char *text, int32_t expected) {
  int32_t value = 0;
  return !*read_as(type, text, &value) && value == expected;
}

static bool refuses(ProtobufCType type, const char *text) {
  uint64_t value;
  return *read_as(type, text, &value);
}

Test(json_number, integers_reach_their_edges) {
  cr_assert(reads_u64(PROTOBUF_C_TYPE_UINT64, "\"18446744073709551615\"", UINT64_MAX));
  cr_assert(reads_u64(PROTOBUF_C_TYPE_FIXED64, "9223372036854775807", INT64_MAX));
  cr_assert(reads_u64(PROTOBUF_C_TYPE_UINT32, "4294967295", UINT32_MAX));
  cr_assert(reads_i64(PROTOBUF_C_TYPE_INT64, "\"-9223372036854775808\"", INT64_MIN));
  cr_assert(reads_i64(PROTOBUF_C_TYPE_SINT64, "-9223372036854775808", INT64_MIN));
  cr_assert(reads_i32(PROTOBUF_C_TYPE_INT32, "-2147483648", INT32_MIN));
  cr_assert(reads_i32(PROTOBUF_C_TYPE_SFIXED32, "\"2147483647\"", INT32_MAX));
}

Test(json_number, integers_beyond_their_edges_are_refused) {
  cr_assert(refuses(PROTOBUF_C_TYPE_UINT64, "\"18446744073709551616\""));
  cr_assert(refuses(PROTOBUF_C_TYPE_UINT64, "18446744073709551616.0"));
  cr_assert(refuses(PROTOBUF_C_TYPE_UINT64, "-1"));
  cr_assert(refuses(PROTOBUF_C_TYPE_UINT32, "4294967296"));
  cr_assert(refuses(PROTOBUF_C_TYPE_UINT32, "\"-1\""));
  cr_assert(refuses(PROTOBUF_C_TYPE_INT64, "\"9223372036854775808\""));
  cr_assert(refuses(PROTOBUF_C_TYPE_INT64, "1e300"));
  cr_assert(refuses(PROTOBUF_C_TYPE_INT32, "2147483648"));
  cr_assert(refuses(PROTOBUF_C_TYPE_INT32, "-2147483649"));
}

Test(json_number, integral_floats_and_strings_count_as_integers) {
  cr_assert(reads_i32(PROTOBUF_C_TYPE_INT32, "1e3", 1000));
  cr_assert(reads_i32(PROTOBUF_C_TYPE_INT32, "-5.0", -5));
  cr_assert(reads_i32(PROTOBUF_C_TYPE_INT32, "\"1.0\"", 1));
  cr_assert(reads_i32(PROTOBUF_C_TYPE_INT32, "\"1e2\"", 100));
  cr_assert(reads_u64(PROTOBUF_C_TYPE_UINT32, "-0.0", 0));
  cr_assert(reads_u64(PROTOBUF_C_TYPE_UINT32, "\"-0\"", 0));
  static const char *const refused[] = {"0.5",    "\"0.5\"", "\"\"",    "\" 1\"",   "\"1 \"",
                                        "\"01\"", "\"+1\"",  "\"0x1\"", "\"1\\n\"", "true",
                                        "\"-\"",  "[]",      "\"1e\"",  "\"1,2\"",  "\"NaN\""};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    cr_assert(refuses(PROTOBUF_C_TYPE_INT32, refused[i]), "%s", refused[i]);
}

Test(json_number, floats_have_names_for_what_json_cannot_write) {
  double real;
  float single;
  cr_assert_str_eq(read_as(PROTOBUF_C_TYPE_DOUBLE, "\"NaN\"", &real), "");
  cr_assert(isnan(real));
  cr_assert_str_eq(read_as(PROTOBUF_C_TYPE_FLOAT, "\"-Infinity\"", &single), "");
  cr_assert(isinf(single) && single < 0);
  cr_assert_str_eq(read_as(PROTOBUF_C_TYPE_DOUBLE, "\"1.5\"", &real), "");
  cr_assert_eq(real, 1.5);
  cr_assert_str_eq(read_as(PROTOBUF_C_TYPE_DOUBLE, "3", &real), "");
  cr_assert_eq(real, 3.0);
  cr_assert(refuses(PROTOBUF_C_TYPE_FLOAT, "1e39"));
  cr_assert(refuses(PROTOBUF_C_TYPE_FLOAT, "\"nan\""));
  cr_assert(refuses(PROTOBUF_C_TYPE_DOUBLE, "\"\""));
  cr_assert(refuses(PROTOBUF_C_TYPE_DOUBLE, "\"1e999\""));
}
