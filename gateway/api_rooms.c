/* Rooms: listed by Redis; made, looked at and acted upon through their owners. See gateway/api.h. */
#include "common/mem.h"
#include "gateway/api_impl.h"
#include "gateway/uplink.h"
#include "proto/codec.h"
#include "proto/fault.h"
#include "proto/json.h"
#include "proto/pb.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define CODE(name)   HEYA__V1__ERROR__CODE__##name
#define MEMBERS_MAX  256
#define KEEP_MAX_MS  600000
#define NOTICE_MAX   500
#define LIST_DEFAULT 50
#define LIST_MAX     100

/* ---- sending ---- */

/* The entry is for a room that was checked; the answer comes to api_rooms_heard. */
static void send_entry(struct api_call *call, const char *room, Heya__Bus__Entry *entry,
                       struct api_pending *pending) {
  struct sessions *sessions = call->api->sessions;
  entry->room = pb_text(room);
  entry->conn = pending->number;
  if (sessions->gateway[0] && !sessions->draining && uplink_push(sessions->uplink, entry)) return;
  api_end_refused(call->api, pending, 503, "BUSY", "this gateway cannot ask the room now");
}

/* ---- making ---- */

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

/* The kind's Options as their object, or base64 of a kind that this gateway does not know. */
static const char *read_options(struct api_call *call, const json_t *options, struct making *making, char *why,
                                size_t why_size) {
  struct api *api = call->api;
  if (!options) return NULL;
  const ProtobufCMessageDescriptor *descriptor =
      payload_find(api->sessions->registry, making->room.kind, making->room.kind_len, PAYLOAD_OPTIONS);
  if (!descriptor || !json_is_object(options)) return "options: an object, of a kind that this gateway knows";
  char *text = json_dumps(options, JSON_COMPACT);
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
  send_entry(call, making->room.id, &entry, pending);
}

static json_t *body_of(struct api_call *call) {
  struct bytes body = call->request->body;
  json_t *json = json_loadb(body.data ? body.data : "", body.len, JSON_REJECT_DUPLICATES, NULL);
  if (json_is_object(json)) return json;
  json_decref(json);
  api_refuse(call, 400, "BAD_MESSAGE", "the body is not an object of JSON");
  return NULL;
}

void api_rooms_create(struct api_call *call) {
  struct making making;
  char why[300];
  json_t *body = body_of(call);
  if (!body) return;
  const char *fault = read_making(call, body, &making, why, sizeof why);
  if (fault) {
    api_refuse(call, 400, "BAD_MESSAGE", fault);
  } else {
    push_open(call, &making);
  }
  json_decref(body);
}

/* ---- looking and acting ---- */

/* "<kind>/<name>", or with `action`: "<kind>/<name>/<action>". */
static bool read_path(const struct api_call *call, struct room_id *room, const char **action) {
  const char *rest = call->rest, *name = strchr(rest, '/');
  const char *end = name ? strchr(name + 1, '/') : NULL;
  if (!name || (end != NULL) != (action != NULL)) return false;
  if (action) *action = end + 1;
  return room_id_parse(rest, end ? (size_t)(end - rest) : strlen(rest), room);
}

/* No seat is kept, and the answer shows the room. */
void api_room_look(struct api_call *call) {
  struct room_id room;
  if (!read_path(call, &room, NULL)) {
    api_refuse(call, 404, "BAD_ROOM_NAME", "not the id of a room");
    return;
  }
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Reserve reserve = HEYA__BUS__RESERVE__INIT;
  reserve.keep_ms = 1;
  entry.body_case = HEYA__BUS__ENTRY__BODY_RESERVE;
  entry.reserve = &reserve;
  struct api_pending *pending = api_wait(call);
  if (pending) send_entry(call, room.id, &entry, pending);
}

static const struct {
  const char *name, *field; /* of the body; NULL: it needs none */
  Heya__Bus__Admin__BodyCase what;
  size_t max_bytes;
} actions[] = {
    {"complete", NULL, HEYA__BUS__ADMIN__BODY_COMPLETE, 0},
    {"kick", "player", HEYA__BUS__ADMIN__BODY_KICK, PLAYER_MAX},
    {"ban", "player", HEYA__BUS__ADMIN__BODY_BAN, PLAYER_MAX},
    {"notice", "text", HEYA__BUS__ADMIN__BODY_NOTICE, NOTICE_MAX},
};

static void push_admin(struct api_call *call, const char *room, Heya__Bus__Admin__BodyCase what, const char *text) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Admin admin = HEYA__BUS__ADMIN__INIT;
  struct api_pending *pending = api_wait(call);
  if (!pending) return;
  admin.body_case = what;
  if (what == HEYA__BUS__ADMIN__BODY_COMPLETE) {
    admin.complete = true;
  } else {
    admin.kick = pb_text(text); /* the strings share their place in the union */
  }
  entry.body_case = HEYA__BUS__ENTRY__BODY_ADMIN;
  entry.admin = &admin;
  send_entry(call, room, &entry, pending);
}

static void act(struct api_call *call, const char *room, size_t action) {
  const char *field = actions[action].field;
  if (!field) {
    push_admin(call, room, actions[action].what, NULL);
    return;
  }
  json_t *body = body_of(call);
  if (!body) return;
  const json_t *value = json_object_get(body, field);
  size_t len = json_string_length(value);
  if (len == 0 || len > actions[action].max_bytes) {
    char why[64];
    snprintf(why, sizeof why, "%s: 1 to %zu bytes of text", field, actions[action].max_bytes);
    api_refuse(call, 400, "BAD_MESSAGE", why);
  } else {
    push_admin(call, room, actions[action].what, json_string_value(value));
  }
  json_decref(body);
}

void api_room_act(struct api_call *call) {
  struct room_id room;
  const char *name = "";
  bool is_room = read_path(call, &room, &name);
  for (size_t i = 0; is_room && i < sizeof actions / sizeof *actions; i++) {
    if (strcmp(actions[i].name, name) != 0) continue;
    act(call, room.id, i);
    return;
  }
  api_refuse(call, 404, "NO_SUCH_PATH", "there is nothing here");
}

/* ---- what a room answers ---- */

static unsigned status_of(Heya__V1__Error__Code code) {
  switch (code) {
  case CODE(ROOM_NOT_FOUND):
  case CODE(NO_SUCH_MEMBER): return 404;
  case CODE(UNKNOWN_KIND):
  case CODE(INVALID_ARGUMENT): return 400;
  case CODE(ROOM_FULL):
  case CODE(ROOM_LOCKED):
  case CODE(BANNED): return 409;
  case CODE(ROOM_CLOSED):
  case CODE(ROOM_FAILED): return 410;
  case CODE(BUSY): return 503;
  default: return 500;
  }
}

static json_t *tickets_of(struct api *api, const struct api_pending *pending) {
  struct store *store = api->sessions->store;
  int64_t expires_s = (int64_t)(store->ops->now_ms(store, 0) / 1000) + API_TICKET_S;
  json_t *tickets = json_array();
  for (size_t i = 0; i < pending->n_members; i++) {
    char token[2048];
    if (!api->key || !jwt_sign(api->key, pending->members[i], expires_s, token, sizeof token)) continue;
    json_array_append_new(tickets, json_pack("{s:s,s:s}", "player", pending->members[i], "token", token));
  }
  return tickets;
}

static void show(struct api *api, struct api_pending *pending, const Heya__V1__Joined *joined) {
  struct bytes text;
  json_t *json = NULL;
  if (json_encode(api->sessions->registry, &api->arena, &joined->base, &text))
    json = json_loadb(text.data, text.len, 0, NULL);
  if (!json) {
    api_end_refused(api, pending, 500, "INTERNAL", "the room's answer cannot be shown");
    return;
  }
  json_object_set_new(json, "created", json_boolean(joined->created));
  if (pending->members) json_object_set_new(json, "tickets", tickets_of(api, pending));
  api_end(api, pending, joined->created ? 201 : 200, json);
}

void api_rooms_heard(struct api *api, struct api_pending *pending, struct bytes bytes) {
  ProtobufCMessage *message;
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__v1__server_message__descriptor, &api->arena,
                                          bytes.data, bytes.len, &message);
  const Heya__V1__ServerMessage *heard = (const Heya__V1__ServerMessage *)message;
  if (result != CODEC_OK) {
    api_end_refused(api, pending, 500, "INTERNAL", "the room's answer cannot be read");
  } else if (heard->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED) {
    show(api, pending, heard->joined);
  } else if (heard->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK) {
    api_end(api, pending, 200, json_pack("{s:s}", "room", heard->ack->room));
  } else if (heard->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ERROR) {
    const Heya__V1__Error *error = heard->error;
    const ProtobufCEnumValue *name =
        protobuf_c_enum_descriptor_get_value(&heya__v1__error__code__descriptor, error->code);
    api_end_refused(api, pending, status_of(error->code), name ? name->name : "INTERNAL", error->message);
  }
}

/* ---- listing ---- */

static json_t *row_of(const struct store_list_row *row) {
  json_t *properties = json_object();
  for (size_t i = 0; i < row->n_properties; i++)
    json_object_set_new(properties, row->properties[i].name, json_string(row->properties[i].value));
  json_t *json = json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:I}", "room", row->room, "status", row->status, "host",
                           row->host, "members", (int)row->members, "max_members", (int)row->max_members, "kept",
                           (int)row->kept, "created_ms", (json_int_t)row->created_ms);
  if (!json) { /* something in it is no text */
    json_decref(properties);
    return NULL;
  }
  json_object_set_new(json, "properties", properties);
  return json;
}

static void on_list(void *arg, enum store_result result, const struct store_list_page *page) {
  struct api *api;
  struct api_pending *pending = api_answer_to(arg, &api);
  if (!pending) return;
  if (result != STORE_OK) {
    api_end_refused(api, pending, 503, "REDIS", store_result_name(result));
    return;
  }
  json_t *rooms = json_array();
  for (size_t i = 0; i < page->n; i++) {
    json_t *row = row_of(&page->rows[i]);
    if (row) json_array_append_new(rooms, row);
  }
  json_t *json = json_pack("{s:o,s:s}", "rooms", rooms, "after", page->after);
  api_end(api, pending, 200, json ? json : json_object());
}

void api_rooms_list(struct api_call *call) {
  struct store *store = call->api->sessions->store;
  const char *kind = admin_query(call->request, "kind"), *limit = admin_query(call->request, "limit");
  const char *after = admin_query(call->request, "after");
  long n = limit ? strtol(limit, NULL, 10) : LIST_DEFAULT;
  if (!kind || !kind_is_valid(kind, strlen(kind)) || n < 1 || n > LIST_MAX || (after && strlen(after) > 128)) {
    api_refuse(call, 400, "BAD_MESSAGE", "kind=<a kind>, limit=1 to 100, after=<that of the page before>");
    return;
  }
  struct api_pending *pending = api_wait(call);
  if (!pending) return;
  store->ops->list(store,
                   &(struct store_list){.kind = kind,
                                        .joinable = admin_query(call->request, "joinable") != NULL,
                                        .limit = (uint32_t)n,
                                        .after = after},
                   on_list, api_ask(call->api, pending));
}
