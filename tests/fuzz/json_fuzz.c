/* libFuzzer target: a text message of a client. What is taken must be sound, and its JSON must mean the same (from
 * the second time on: a payload given as base64 may hold defaults and unknown fields, which its object does not
 * show).
 *
 *   make fuzz T=json
 */
#include "common/mem.h"
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

static void try_as(const ProtobufCMessageDescriptor *descriptor, struct bytes input) {
  struct arena arena;
  struct payload_registry registry;
  struct json_error error;
  ProtobufCMessage *message;
  struct bytes text, again;
  payload_registry_init(&registry);
  arena_init(&arena, 1024, 64u << 20);
  if (json_decode(&registry, &arena, descriptor, input, &message, &error)) {
    must(codec_check(&codec_limits_client, message) == CODEC_OK);
    must(json_encode(&registry, &arena, message, &text));
    must(json_decode(&registry, &arena, descriptor, text, &message, &error));
    must(json_encode(&registry, &arena, message, &text));
    must(json_decode(&registry, &arena, descriptor, text, &message, &error));
    must(json_encode(&registry, &arena, message, &again));
    must(bytes_equal(text, again));
  } else {
    must(error.text[0] && utf8_is_text(error.text, strlen(error.text), UTF8_ONE_LINE));
  }
  arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_as(&heya__v1__client_message__descriptor, bytes_of(data, size));
  try_as(&heya__v1__server_message__descriptor, bytes_of(data, size));
  return 0;
}
