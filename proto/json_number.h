/* Numbers of proto3's JSON mapping: JSON numbers or strings into a protobuf field, range-checked. Used by
 * proto/json_decode.c. */
#ifndef HEYA_PROTO_JSON_NUMBER_H
#define HEYA_PROTO_JSON_NUMBER_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* Stores the value in *to, which is of the field's type. Integers may be written as integral floats ("1e3") and as
 * strings; floats also as "NaN", "Infinity", "-Infinity". NULL when done, otherwise a static phrase that says why
 * not.
 */
const char *json_number_read(const json_t *json, ProtobufCType type, void *to);

#endif
