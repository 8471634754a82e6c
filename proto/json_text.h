/* JSON texts from outside as jansson's values: bounded before anything is built of them. Used by proto/json_decode.c
 * for what clients send, and for the payloads of kinds whose payloads are JSON. */
#ifndef HEYA_PROTO_JSON_TEXT_H
#define HEYA_PROTO_JSON_TEXT_H

#include "common/bytes.h"

#include <jansson.h>

#define JSON_TEXT_REASON_MAX 224

/* A new reference; NULL with one line of why not. Nested up to `depth`, within JSON_VALUES_MAX (proto/json.h), UTF-8,
 * no name twice in an object, no U+0000. */
json_t *json_text_load(struct bytes text, size_t depth, char reason[JSON_TEXT_REASON_MAX]);

#endif
