/* See tests/load/wire.h. The fields that are read stand in `rules`; a new one is a row. */
#include "tests/load/wire.h"

#include "proto/client.pb-c.h"

#include <string.h>

enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
    uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) {
      *out = value;
      return true;
    }
  }
  return false;
}

/* Takes one field; *number 0 when it is cut or of a type that is not used. */
static void take_field(const uint8_t **at, const uint8_t *end, uint32_t *number, struct wire_field *field) {
  uint64_t tag, len;
  *number = 0;
  *field = (struct wire_field){0};
  if (!take_varint(at, end, &tag)) return;
  switch (tag & 7) {
  case VARINT:
    if (!take_varint(at, end, &field->value)) return;
    break;
  case LENGTH:
    if (!take_varint(at, end, &len) || len > (size_t)(end - *at)) return;
    field->bytes = bytes_of(*at, (size_t)len);
    *at += len;
    break;
  case FIXED32:
  case FIXED64:
    len = (tag & 7) == FIXED32 ? 4 : 8;
    if (len > (size_t)(end - *at)) return;
    for (unsigned i = 0; i < len; i++) field->value |= (uint64_t)(*(*at)++) << (8 * i);
    break;
  default: return;
  }
  *number = (uint32_t)(tag >> 3);
}

bool wire_find(struct bytes *rest, uint32_t number, struct wire_field *field) {
  if (!rest->len) return false;
  const uint8_t *at = rest->data, *end = at + rest->len;
  uint32_t found;
  do take_field(&at, end, &found, field);
  while (found && found != number && at < end);
  if (found != number) at = end;
  *rest = bytes_of(at, (size_t)(end - at));
  return found == number;
}

struct bytes wire_bytes(struct bytes message, uint32_t number) {
  struct wire_field field;
  return wire_find(&message, number, &field) ? field.bytes : bytes_of(NULL, 0);
}

uint64_t wire_number(struct bytes message, uint32_t number) {
  struct wire_field field;
  return wire_find(&message, number, &field) ? field.value : 0;
}

/* ---- ServerMessage ---- */

enum what { NOTHING, ROOM, CODE, NUMBER, TEXT, EPOCH, SEQ, EVENT_BODY };

#define BODIES 12
#define FIELDS 14

/* What field f of body b is. */
static const uint8_t rules[BODIES][FIELDS] = {
    [HEYA__V1__SERVER_MESSAGE__BODY_JOINED] = {[1] = ROOM, [6] = EPOCH, [7] = SEQ, [10] = CODE},
    [HEYA__V1__SERVER_MESSAGE__BODY_LEFT] = {[1] = ROOM},
    [HEYA__V1__SERVER_MESSAGE__BODY_ACK] = {[1] = ROOM, [2] = NUMBER},
    [HEYA__V1__SERVER_MESSAGE__BODY_ERROR] = {[1] = CODE, [2] = TEXT, [3] = ROOM, [4] = NUMBER},
    [HEYA__V1__SERVER_MESSAGE__BODY_EVENT] = {[1] = ROOM,
                                              [2] = EPOCH,
                                              [3] = SEQ,
                                              [4] = EVENT_BODY,
                                              [5] = EVENT_BODY,
                                              [6] = EVENT_BODY,
                                              [7] = EVENT_BODY,
                                              [8] = EVENT_BODY,
                                              [9] = EVENT_BODY,
                                              [10] = EVENT_BODY,
                                              [11] = EVENT_BODY,
                                              [12] = EVENT_BODY,
                                              [13] = EVENT_BODY},
    [HEYA__V1__SERVER_MESSAGE__BODY_DETACHED] = {[1] = ROOM, [2] = CODE},
    [HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE] = {[1] = CODE},
};

static void store(struct wire_message *out, uint32_t number, const struct wire_field *field) {
  switch (number < FIELDS ? rules[out->body][number] : NOTHING) {
  case ROOM: out->room = field->bytes; break;
  case CODE: out->code = (uint32_t)field->value; break;
  case NUMBER: out->number = (uint32_t)field->value; break;
  case TEXT: out->text = field->bytes; break;
  case EPOCH: out->epoch = field->value; break;
  case SEQ: out->seq = field->value; break;
  case EVENT_BODY:
    out->event = number;
    out->payload = number == HEYA__V1__EVENT__BODY_PAYLOAD ? field->bytes : bytes_of(NULL, 0);
    break;
  default: break;
  }
}

static bool read_body(struct bytes body, struct wire_message *out) {
  const uint8_t *at = body.data, *end = at + body.len;
  while (at < end) {
    struct wire_field field;
    uint32_t number;
    take_field(&at, end, &number, &field);
    if (!number) return false;
    store(out, number, &field);
  }
  return true;
}

bool wire_read(struct bytes message, struct wire_message *out) {
  const uint8_t *at = message.data, *end = at + message.len;
  *out = (struct wire_message){0};
  while (at < end) {
    struct wire_field field;
    uint32_t number;
    take_field(&at, end, &number, &field);
    if (!number) return false;
    if (number == 1) {
      out->request = (uint32_t)field.value;
    } else if (number < BODIES) {
      out->body = number;
      if (field.bytes.len && !read_body(field.bytes, out)) return false;
    }
  }
  return true;
}
