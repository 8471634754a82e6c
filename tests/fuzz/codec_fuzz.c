/* libFuzzer target: bytes from a client or from Redis. The first byte picks the message. What is taken must pass the
 * checks and come back the same.
 *
 *   make fuzz T=codec
 */
#include "common/mem.h"
#include "proto/bus.pb-c.h"
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/image.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/kinds/live.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &heya__v1__client_message__descriptor,   &heya__v1__server_message__descriptor,
    &heya__bus__batch__descriptor,           &heya__bus__deliveries__descriptor,
    &heya__image__room__descriptor,          &heya__kinds__chat__command__descriptor,
    &heya__kinds__live__command__descriptor, &heya__kinds__live__state__descriptor,
};

static void must(bool holds) {
  if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const ProtobufCMessageDescriptor *descriptor = descriptors[data[0] % (sizeof descriptors / sizeof *descriptors)];
  const struct codec_limits *limits = data[0] & 0x80 ? &codec_limits_internal : &codec_limits_client;
  struct arena arena;
  ProtobufCMessage *message;
  struct bytes packed, again;
  arena_init(&arena, 1024, 64u << 20);
  if (codec_unpack(limits, descriptor, &arena, data + 1, size - 1, &message) == CODEC_OK) {
    must(codec_check(limits, message) == CODEC_OK);
    must(codec_pack(&arena, message, &packed));
    must(codec_unpack(limits, descriptor, &arena, packed.data, packed.len, &message) == CODEC_OK);
    must(codec_pack(&arena, message, &again));
    must(bytes_equal(packed, again));
  }
  arena_close(&arena);
  return 0;
}
