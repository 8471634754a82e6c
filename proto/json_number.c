/* Integers and floats out of JSON (proto/json_number.h). */
#include "proto/json_number.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOT_A_NUMBER "expected a number"
#define NOT_INTEGRAL "expected a whole number"
#define OUT_OF_RANGE "out of range"

/* Any integer a 64-bit field can hold. */
struct integer {
  bool negative;
  uint64_t magnitude;
};

static const char *integer_from_real(double real, struct integer *out) {
  if (real != floor(real)) return NOT_INTEGRAL;
  if (fabs(real) >= 18446744073709551616.0) return OUT_OF_RANGE; /* 2^64 */
  *out = (struct integer){.negative = real < 0, .magnitude = (uint64_t)fabs(real)};
  return NULL;
}

/* "123" or "-123", without leading zeros. */
static bool is_decimal(const char *text) {
  if (*text == '-') text++;
  if (text[0] == '0' && text[1]) return false;
  return *text && strspn(text, "0123456789") == strlen(text);
}

/* The JSON number a string holds, or NULL; the caller releases it. */
static json_t *number_in_string(const char *text) {
  size_t len = strlen(text);
  if (len == 0 || len > 64 || !strchr("-0123456789", text[0]) || !strchr("0123456789", text[len - 1])) return NULL;
  return json_loadb(text, len, JSON_DECODE_ANY, NULL);
}

static const char *read_integer(const json_t *json, struct integer *out) {
  if (json_is_integer(json)) {
    json_int_t value = json_integer_value(json);
    *out = (struct integer){.negative = value < 0, .magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value};
    return NULL;
  }
  if (json_is_real(json)) return integer_from_real(json_real_value(json), out);
  if (!json_is_string(json)) return NOT_A_NUMBER;

  const char *text = json_string_value(json);
  if (is_decimal(text)) {
    errno = 0;
    out->negative = *text == '-';
    out->magnitude = strtoull(text + out->negative, NULL, 10);
    return errno ? OUT_OF_RANGE : NULL;
  }
  json_t *number = number_in_string(text);
  const char *reason = json_is_real(number) ? integer_from_real(json_real_value(number), out) : NOT_A_NUMBER;
  json_decref(number);
  return reason;
}

static const char *store_signed(const struct integer *in, unsigned bits, void *to) {
  uint64_t limit = (uint64_t)1 << (bits - 1);
  if (in->magnitude > (in->negative ? limit : limit - 1)) return OUT_OF_RANGE;
  int64_t value = (int64_t)(in->negative ? 0 - in->magnitude : in->magnitude);
  if (bits == 64)
    *(int64_t *)to = value;
  else
    *(int32_t *)to = (int32_t)value;
  return NULL;
}

static const char *store_unsigned(const struct integer *in, unsigned bits, void *to) {
  if ((in->negative && in->magnitude) || (bits == 32 && in->magnitude > UINT32_MAX)) return OUT_OF_RANGE;
  if (bits == 64)
    *(uint64_t *)to = in->magnitude;
  else
    *(uint32_t *)to = (uint32_t)in->magnitude;
  return NULL;
}

static const char *read_real(const json_t *json, double *out) {
  if (json_is_number(json)) {
    *out = json_number_value(json);
    return NULL;
  }
  if (!json_is_string(json)) return NOT_A_NUMBER;
  const char *text = json_string_value(json);
  if (strcmp(text, "NaN") == 0)
    *out = (double)NAN;
  else if (strcmp(text, "Infinity") == 0)
    *out = (double)INFINITY;
  else if (strcmp(text, "-Infinity") == 0)
    *out = -(double)INFINITY;
  else {
    json_t *number = number_in_string(text);
    bool is_number = json_is_number(number);
    if (is_number) *out = json_number_value(number);
    json_decref(number);
    if (!is_number) return NOT_A_NUMBER;
  }
  return NULL;
}

static const char *read_float(const json_t *json, ProtobufCType type, void *to) {
  double real;
  const char *reason = read_real(json, &real);
  if (reason) return reason;
  if (type == PROTOBUF_C_TYPE_DOUBLE) {
    *(double *)to = real;
    return NULL;
  }
  if (isfinite(real) && fabs(real) > (double)FLT_MAX) return OUT_OF_RANGE;
  *(float *)to = (float)real;
  return NULL;
}

const char *json_number_read(const json_t *json, ProtobufCType type, void *to) {
  struct integer integer;
  if (type == PROTOBUF_C_TYPE_FLOAT || type == PROTOBUF_C_TYPE_DOUBLE) return read_float(json, type, to);
  const char *reason = read_integer(json, &integer);
  if (reason) return reason;
  switch (type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32: return store_signed(&integer, 32, to);
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64: return store_signed(&integer, 64, to);
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32: return store_unsigned(&integer, 32, to);
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64: return store_unsigned(&integer, 64, to);
  default: return NOT_A_NUMBER;
  }
}
