/* Rooms that are made: what a request says of one, checked, and the entry that opens it and keeps its seats. Its
 * owner's answer, with tickets, is in gateway/api_rooms.c. See gateway/api.h. */
#include "common/mem.h"
#include "gateway/api_impl.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/pb.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define MEMBERS_MAX 256
#define KEEP_MAX_MS 600000

struct making {
  struct room_id room;
  struct bytes options;
  uint32_t max_members;
  uint64_t keep_ms;
  const char *players[MEMBERS_MAX];
  size_t n_players;
};

/* SHA-256 over a domain of its own, the kind and the key, separated by NUL: as for clients, but no client can derive
 * the same. */
static bool derive_room(const char *kind, const char *key, struct room_id *out) {
  static const char domain[] = "heya.v1.api";
  char input[sizeof domain + KIND_MAX + 1 + CREATE_KEY_MAX];
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char name[DERIVED_NAME_LEN + 1];
  size_t kind_size = strlen(kind) + 1, key_len = strlen(key);
  memcpy(input, domain, sizeof domain);
  memcpy(input + sizeof domain, kind, kind_size);
  memcpy(input + sizeof domain + kind_size, key, key_len);
  SHA256((const unsigned char *)input, sizeof domain + kind_size + key_len, digest);
  derived_name(digest, name);
  return room_id_make(kind, name, out);
}

static const char *read_members(const json_t *members, struct making *making) {
  if (!members) return NULL;
  if (!json_is_array(members) || json_array_size(members) > MEMBERS_MAX) return "members: a list of up to 256";
  for (size_t i = 0; i < json_array_size(members); i++) {
    const json_t *player = json_object_get(json_array_get(members, i), "player");
    if (!json_is_string(player) || !player_is_valid(json_string_value(player), json_string_length(player)))
      return "members: each is {\"player\": a player id}";
    making->players[making->n_players++] = json_string_value(player);
  }
  return NULL;
}

/* Frees the text. */
static const char *take_text(struct api *api, char *text, struct making *making) {
  size_t len = text ? strlen(text) : 0;
  void *copy = len ? arena_alloc(&api->arena, len) : NULL;
  if (copy) memcpy(copy, text, len);
  free(text);
  making->options = bytes_of(copy, copy ? len : 0);
  return copy ? NULL : "options: too large";
}

/* The kind's Options as their object: of a kind that has messages, and of one whose payloads are JSON as it stands.
 */
static const char *read_options(struct api_call *call, const json_t *options, struct making *making, char *why,
                                size_t why_size) {
  struct api *api = call->api;
  const struct payload_registry *registry = api->sessions->registry;
  const char *kind = making->room.kind;
  if (!options) return NULL;
  const ProtobufCMessageDescriptor *descriptor = payload_find(registry, kind, making->room.kind_len, PAYLOAD_OPTIONS);
  bool is_json = payload_is_json(registry, kind, making->room.kind_len);
  if (!(descriptor || is_json) || !json_is_object(options))
    return "options: an object, of a kind that this gateway knows";
  char *text = json_dumps(options, JSON_COMPACT);
  if (is_json) return take_text(api, text, making);
  struct json_error error;
  ProtobufCMessage *message;
  bool read =
      text && json_decode(api->sessions->registry, &api->arena, descriptor, bytes_of_str(text), &message, &error);
  free(text);
  if (read && codec_pack(&api->arena, message, &making->options)) return NULL;
  snprintf(why, why_size, "options: %s", read ? "too large" : error.text);
  return why;
}

static const char *read_number(const json_t *json, uint64_t fallback, uint64_t max, uint64_t *out,
                               const char *fault) {
  json_int_t value = json_is_integer(json) ? json_integer_value(json) : 0;
  *out = fallback;
  if (!json) return NULL;
  if (value < 1 || (uint64_t)value > max) return fault;
  *out = (uint64_t)value;
  return NULL;
}

static const char *read_making(struct api_call *call, const json_t *body, struct making *making, char *why,
                               size_t why_size) {
  const char *kind = json_string_value(json_object_get(body, "kind"));
  const char *key = json_string_value(json_object_get(body, "key"));
  uint64_t max_members;
  *making = (struct making){.max_members = 0};
  if (!kind || !kind_is_valid(kind, strlen(kind))) return "kind: the name of a kind";
  if (!key || !create_key_is_valid(key, strlen(key))) return "key: 1 to 64 bytes of text, the same for the same room";
  if (!derive_room(kind, key, &making->room)) return "kind: the name of a kind";
  const char *fault = read_members(json_object_get(body, "members"), making);
  if (!fault) fault = read_options(call, json_object_get(body, "options"), making, why, why_size);
  if (!fault)
    fault = read_number(json_object_get(body, "max_members"), 0, 1000000, &max_members, "max_members: 1 or more");
  if (!fault)
    fault = read_number(json_object_get(body, "keep_ms"), API_KEEP_MS, KEEP_MAX_MS, &making->keep_ms,
                        "keep_ms: 1 to 600000");
  if (!fault) making->max_members = (uint32_t)max_members;
  return fault;
}

static void push_open(struct api_call *call, const struct making *making) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Open open = HEYA__BUS__OPEN__INIT;
  Heya__Bus__Reserve reserve = HEYA__BUS__RESERVE__INIT;
  Heya__Bus__Seat seats[MEMBERS_MAX], *list[MEMBERS_MAX];
  struct api_pending *pending = api_wait(call);
  if (!pending) return;
  pending->members = xcalloc(making->n_players, sizeof *pending->members);
  for (size_t i = 0; i < making->n_players; i++) {
    heya__bus__seat__init(&seats[i]);
    seats[i].player = pb_text(making->players[i]);
    list[i] = &seats[i];
    pending->members[pending->n_members++] = xmemdup(making->players[i], strlen(making->players[i]));
  }
  reserve.seats = list;
  reserve.n_seats = making->n_players;
  reserve.keep_ms = making->keep_ms;
  open.options = pb_bytes(making->options);
  open.max_members = making->max_members;
  open.seats = &reserve;
  entry.body_case = HEYA__BUS__ENTRY__BODY_OPEN;
  entry.open = &open;
  api_rooms_send(call, making->room.id, &entry, pending);
}

void api_rooms_create(struct api_call *call) {
  static const char *const known[] = {"kind", "key", "members", "options", "max_members", "keep_ms", NULL};
  struct making making;
  char why[300];
  json_t *body = api_rooms_body(call, known);
  if (!body) return;
  const char *fault = read_making(call, body, &making, why, sizeof why);
  if (fault) {
    api_refuse(call, 400, "BAD_MESSAGE", fault);
  } else {
    push_open(call, &making);
  }
  json_decref(body);
}
