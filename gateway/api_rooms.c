/* Rooms that are asked something, through their owners: looked at, acted upon, and what they answer as HTTP. Making
 * one is gateway/api_rooms_make.c, listing them gateway/api_rooms_list.c. See gateway/api.h. */
#include "gateway/api_impl.h"
#include "gateway/uplink.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/pb.h"
#include "proto/utf8.h"

#include <stdio.h>
#include <string.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define NOTICE_MAX 500

/* ---- asking ---- */

void api_rooms_send(struct api_call *call, const char *room, Heya__Bus__Entry *entry, struct api_pending *pending) {
  struct sessions *sessions = call->api->sessions;
  entry->room = pb_text(room);
  entry->conn = pending->number;
  if (sessions->gateway[0] && !sessions->draining && uplink_push(sessions->uplink, entry)) return;
  api_end_refused(call->api, pending, 503, "BUSY", "this gateway cannot ask the room now");
}

/* A misspelt name would else be taken for one that is absent. */
static const char *unknown_in(json_t *object, const char *const *known) {
  for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
    size_t i = 0;
    while (known[i] && strcmp(known[i], json_object_iter_key(at)) != 0) i++;
    if (!known[i]) return json_object_iter_key(at);
  }
  return NULL;
}

json_t *api_rooms_body(struct api_call *call, const char *const *known) {
  struct bytes body = call->request->body;
  char why[128];
  json_error_t error;
  json_t *json = json_loadb(body.data ? body.data : "", body.len, JSON_REJECT_DUPLICATES, &error);
  const char *unknown = json_is_object(json) ? unknown_in(json, known) : NULL;
  if (json_is_object(json) && !unknown) return json;
  if (unknown)
    snprintf(why, sizeof why, "%.*s: unknown field", (int)utf8_cut(unknown, strlen(unknown), 60), unknown);
  else if (json)
    snprintf(why, sizeof why, "the body is not an object of JSON");
  else
    snprintf(why, sizeof why, "the body is not an object of JSON, or has a name twice: wrong at byte %d",
             error.position);
  api_refuse(call, 400, "BAD_MESSAGE", why);
  json_decref(json);
  return NULL;
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
  if (pending) api_rooms_send(call, room.id, &entry, pending);
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
  api_rooms_send(call, room, &entry, pending);
}

static void act(struct api_call *call, const char *room, size_t action) {
  const char *field = actions[action].field;
  if (!field) {
    push_admin(call, room, actions[action].what, NULL);
    return;
  }
  json_t *body = api_rooms_body(call, (const char *const[]){field, NULL});
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
