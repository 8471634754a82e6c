/* See gateway/requests.h. Handlers check the shape of a request and of the names in it, and what can be known here
 * about the connection; everything about a room is the business of the room's owner. */
#include "gateway/requests.h"

#include "common/log.h"
#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/listing.h"
#include "gateway/session.h"
#include "gateway/uplink.h"
#include "proto/bus.pb-c.h"
#include "proto/codec.h"
#include "proto/pb.h"
#include "proto/room_config.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static void refuse(struct session *session, uint32_t request, Heya__V1__Error__Code code, const char *text) {
  session_refuse(session, request, &(struct refusal){.code = code, .text = text});
}

static void refuse_room(struct session *session, uint32_t request, Heya__V1__Error__Code code, const char *room) {
  session_refuse(session, request, &(struct refusal){.code = code, .room = room});
}

/* For a room id that is none: what the client wrote, if it can be shown. */
static void refuse_name(struct session *session, uint32_t request, const char *room, uint32_t number) {
  struct codec_about about = {0};
  codec_about_room(&about, room, strlen(room));
  session_refuse(session, request,
                 &(struct refusal){.code = CODE(BAD_ROOM_NAME), .room = about.room, .number = number});
}

static struct refusal busy(const char *room, uint32_t number) {
  return (struct refusal){
      .code = CODE(BUSY), .room = room, .number = number, .retry_after_ms = UPLINK_RETRY_AFTER_MS};
}

/* ---- joining ---- */

/* What a join says, wherever it came from: join, create, or the path of the connection. */
struct joining {
  const char *room; /* a checked room id */
  Heya__Bus__Mode mode;
  uint32_t max_members;
  ProtobufCBinaryData options, profile;
  Heya__V1__Resume *resume; /* NULL: none */
  Heya__V1__Config *config; /* NULL: all defaults */
  const char *password;     /* NULL: none */
  bool spectate;
};

static void fill_entry(const struct session *session, Heya__Bus__Entry *entry, const char *room, uint32_t attempt,
                       uint32_t request) {
  *entry = (Heya__Bus__Entry)HEYA__BUS__ENTRY__INIT;
  entry->room = pb_text(room);
  entry->conn = session->number;
  entry->attempt = attempt;
  entry->player = pb_text(session->player);
  entry->request = request;
}

static void join(struct session *session, uint32_t request, const struct joining *joining) {
  struct sessions *sessions = session->sessions;
  if (attachments_live(&session->attachments, joining->room)) {
    refuse_room(session, request, CODE(ALREADY_IN_ROOM), joining->room);
    return;
  }
  uint32_t attempt = session->attempts + 1;
  if (!attachments_add(&session->attachments, joining->room, attempt, sessions->config.max_rooms)) {
    refuse_room(session, request, CODE(TOO_MANY_ROOMS), joining->room);
    return;
  }
  session->attempts = attempt;

  Heya__Bus__Join body = HEYA__BUS__JOIN__INIT;
  body.mode = joining->mode;
  body.name = session->name;
  body.max_members = joining->max_members;
  body.options = joining->options;
  body.profile = joining->profile;
  body.resume = joining->resume;
  body.config = joining->config;
  body.spectate = joining->spectate;
  if (joining->password) body.password = pb_text(joining->password);
  body.instance = session->instance;
  body.connection = session->connection;
  Heya__Bus__Entry entry;
  fill_entry(session, &entry, joining->room, attempt, request);
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.join = &body;
  if (uplink_push(sessions->uplink, &entry)) {
    sessions->metrics->attached++;
  } else {
    attachments_remove(&session->attachments, joining->room, attempt);
    struct refusal refusal = busy(joining->room, 0);
    session_refuse(session, request, &refusal);
  }
}

/* Whether its config, and that of a `create`, is within its limits; the client is told if not. */
static bool check_config(struct session *session, uint32_t request, const Heya__V1__Config *config) {
  const char *fault = room_config_fault(config);
  if (fault) refuse(session, request, CODE(BAD_MESSAGE), fault);
  return fault == NULL;
}

static void on_join(struct session *session, const Heya__V1__ClientMessage *message) {
  const Heya__V1__Join *asked = message->join;
  struct room_id room;
  if (!room_id_parse(asked->room, strlen(asked->room), &room)) {
    refuse_name(session, message->request, asked->room, 0);
    return;
  }
  if (asked->create && room.derived) { /* or somebody could take the name that another's create will derive */
    refuse_room(session, message->request, CODE(BAD_ROOM_NAME), room.id);
    return;
  }
  if (asked->create && asked->spectate) {
    refuse(session, message->request, CODE(BAD_MESSAGE), "spectate: nobody can make a room by watching it");
    return;
  }
  if (strlen(asked->password) > CONFIG_TEXT_MAX) {
    refuse(session, message->request, CODE(BAD_MESSAGE), "password: up to 64 bytes");
    return;
  }
  if (!check_config(session, message->request, asked->config)) return;
  join(session, message->request,
       &(struct joining){.room = room.id,
                         .mode = asked->create ? HEYA__BUS__MODE__JOIN_OR_CREATE : HEYA__BUS__MODE__JOIN,
                         .max_members = asked->max_members,
                         .options = asked->options,
                         .profile = asked->profile,
                         .resume = asked->resume,
                         .config = asked->config,
                         .password = asked->password,
                         .spectate = asked->spectate});
}

/* The room of (player, key): SHA-256 over a domain of its own, the player id and the key, separated by NUL, which
 * occurs in none of them. */
static void derive_name(const char *player, const char *key, char out[DERIVED_NAME_LEN + 1]) {
  static const char domain[] = "heya.v1.create";
  char input[sizeof domain + PLAYER_MAX + 1 + CREATE_KEY_MAX];
  size_t player_size = strlen(player) + 1, key_len = strlen(key);
  memcpy(input, domain, sizeof domain);
  memcpy(input + sizeof domain, player, player_size);
  memcpy(input + sizeof domain + player_size, key, key_len);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256((const unsigned char *)input, sizeof domain + player_size + key_len, digest);
  derived_name(digest, out);
}

static void on_create(struct session *session, const Heya__V1__ClientMessage *message) {
  const Heya__V1__Create *asked = message->create;
  if (!kind_is_valid(asked->kind, strlen(asked->kind))) {
    refuse(session, message->request, CODE(UNKNOWN_KIND), NULL);
    return;
  }
  if (!create_key_is_valid(asked->key, strlen(asked->key))) {
    refuse(session, message->request, CODE(BAD_MESSAGE), "key: 1 to 64 bytes without control characters");
    return;
  }
  if (!check_config(session, message->request, asked->config)) return;
  char name[DERIVED_NAME_LEN + 1];
  struct room_id room;
  derive_name(session->player, asked->key, name);
  if (!room_id_make(asked->kind, name, &room)) {
    refuse(session, message->request, CODE(INTERNAL), NULL);
    return;
  }
  join(session, message->request,
       &(struct joining){.room = room.id,
                         .mode = HEYA__BUS__MODE__CREATE,
                         .max_members = asked->max_members,
                         .options = asked->options,
                         .profile = asked->profile,
                         .config = asked->config});
}

/* /v1/<kind>/<name>: join or make that room, or join the derived one. The answer carries the hello's request. */
static void join_path_room(struct session *session, uint32_t request) {
  struct room_id room;
  if (!session->path_room) return;
  if (!room_id_parse(session->path_room, strlen(session->path_room), &room)) {
    refuse_name(session, request, session->path_room, 0);
  } else {
    join(session, request,
         &(struct joining){.room = room.id,
                           .mode = room.derived ? HEYA__BUS__MODE__JOIN : HEYA__BUS__MODE__JOIN_OR_CREATE});
  }
  free(session->path_room);
  session->path_room = NULL;
}

/* ---- hello ---- */

static void welcome(struct session *session, uint32_t request) {
  struct sessions *sessions = session->sessions;
  Heya__V1__Welcome body = HEYA__V1__WELCOME__INIT;
  body.player = session->player;
  body.gateway = sessions->gateway;
  body.max_message_bytes = sessions->config.max_message_bytes;
  body.max_rooms = sessions->config.max_rooms;
  Heya__V1__ServerMessage answer = HEYA__V1__SERVER_MESSAGE__INIT;
  answer.request = request;
  answer.body_case = HEYA__V1__SERVER_MESSAGE__BODY_WELCOME;
  answer.welcome = &body;
  session_send(session, &answer);
}

/* The time tokens are judged by is Redis's, so that all gateways agree. */
static bool authenticate(struct session *session, uint32_t request, const Heya__V1__Hello *hello) {
  struct sessions *sessions = session->sessions;
  int64_t now_s = (int64_t)(sessions->store->ops->now_ms(sessions->store, 0) / 1000);
  const char *why = "";
  enum auth_result result = auth_check(sessions->auth, hello, now_s, session->player, &why);
  if (result == AUTH_OK) return true;
  sessions->metrics->hellos_refused++;
  log_limited(sessions->log, &sessions->hello_limit, LOG_LEVEL_INFO, "hello_refused", F_U("conn", session->number),
              F_S("why", why));
  refuse(session, request, result == AUTH_EXPIRED ? CODE(TOKEN_EXPIRED) : CODE(UNAUTHENTICATED), why);
  return false;
}

/* A refused hello may be tried again until the hello timeout. */
static void on_hello(struct session *session, const Heya__V1__ClientMessage *message) {
  const Heya__V1__Hello *hello = message->hello;
  if (session->said_hello) {
    refuse(session, message->request, CODE(ALREADY_HELLO), NULL);
    return;
  }
  if (!display_name_is_valid(hello->name, strlen(hello->name))) {
    refuse(session, message->request, CODE(BAD_MESSAGE),
           "name: up to 64 bytes, not only spaces, without control characters or ones that turn text");
    return;
  }
  if (!instance_is_valid(hello->instance, strlen(hello->instance))) {
    refuse(session, message->request, CODE(BAD_MESSAGE), "instance: up to 32 of A-Z a-z 0-9 _ . -");
    return;
  }
  if (!authenticate(session, message->request, hello)) return;
  snprintf(session->name, sizeof session->name, "%s", *hello->name ? hello->name : session->player);
  snprintf(session->instance, sizeof session->instance, "%s", hello->instance);
  session->connection = hello->connection;
  session->said_hello = true;
  session->sessions->metrics->hellos++;
  session->sessions->output->set_ready(session->conn);
  welcome(session, message->request);
  join_path_room(session, message->request);
}

/* ---- in a room ---- */

/* The record a command or leave is for; answers the client when there is none. */
static struct attachment *find_room(struct session *session, uint32_t request, const char *room, uint32_t number) {
  struct room_id id;
  if (!room_id_parse(room, strlen(room), &id)) {
    refuse_name(session, request, room, number);
    return NULL;
  }
  struct attachment *attachment = attachments_live(&session->attachments, id.id);
  if (attachment) return attachment;
  session_refuse(session, request, &(struct refusal){.code = CODE(NOT_IN_ROOM), .room = id.id, .number = number});
  return NULL;
}

/* The record stays until the room says DETACHED, so that a connection lost meanwhile is still told of. */
static void on_leave(struct session *session, const Heya__V1__ClientMessage *message) {
  struct attachment *attachment = find_room(session, message->request, message->leave->room, 0);
  if (!attachment) return;
  Heya__Bus__Leave body = HEYA__BUS__LEAVE__INIT;
  Heya__Bus__Entry entry;
  fill_entry(session, &entry, attachment->room, attachment->attempt, message->request);
  entry.body_case = HEYA__BUS__ENTRY__BODY_LEAVE;
  entry.leave = &body;
  if (uplink_push(session->sessions->uplink, &entry)) {
    attachment->leaving = true;
  } else {
    struct refusal refusal = busy(attachment->room, 0);
    session_refuse(session, message->request, &refusal);
  }
}

/* Why a command cannot be one; NULL: it can. */
static const char *command_fault(const Heya__V1__Command *asked) {
  if (!asked->manage) return NULL;
  if (asked->payload.len) return "manage: instead of a payload, not beside it";
  if (asked->manage->body_case != HEYA__V1__MANAGE__BODY_CHANGE) return NULL;
  return room_config_fault(asked->manage->change->config);
}

/* Commands go out while the join is still unanswered too: they follow it in the stream, and its owner decides. */
static void on_command(struct session *session, const Heya__V1__ClientMessage *message) {
  const Heya__V1__Command *asked = message->command;
  struct attachment *attachment = find_room(session, message->request, asked->room, asked->number);
  if (!attachment) return;
  const char *fault = command_fault(asked);
  if (fault) {
    session_refuse(session, message->request,
                   &(struct refusal){
                       .code = CODE(BAD_MESSAGE), .text = fault, .room = attachment->room, .number = asked->number});
    return;
  }
  Heya__Bus__Command body = HEYA__BUS__COMMAND__INIT;
  body.number = asked->number;
  body.payload = asked->payload;
  body.manage = asked->manage;
  Heya__Bus__Entry entry;
  fill_entry(session, &entry, attachment->room, attachment->attempt, message->request);
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.command = &body;
  if (uplink_push(session->sessions->uplink, &entry)) return;
  struct refusal refusal = busy(attachment->room, asked->number);
  session_refuse(session, message->request, &refusal);
}

/* ---- others ---- */

static void on_list(struct session *session, const Heya__V1__ClientMessage *message) {
  listing_start(session, message->request, message->list);
}

static void on_ping(struct session *session, const Heya__V1__ClientMessage *message) {
  Heya__V1__Pong body = HEYA__V1__PONG__INIT;
  body.time = message->ping->time;
  Heya__V1__ServerMessage answer = HEYA__V1__SERVER_MESSAGE__INIT;
  answer.request = message->request;
  answer.body_case = HEYA__V1__SERVER_MESSAGE__BODY_PONG;
  answer.pong = &body;
  session_send(session, &answer);
}

/* ---- the table ---- */

struct request_row {
  void (*handle)(struct session *, const Heya__V1__ClientMessage *);
  bool before_hello; /* may be said before it */
};

static const struct request_row request_rows[] = {
    [HEYA__V1__CLIENT_MESSAGE__BODY_HELLO] = {on_hello, true},
    [HEYA__V1__CLIENT_MESSAGE__BODY_CREATE] = {on_create, false},
    [HEYA__V1__CLIENT_MESSAGE__BODY_JOIN] = {on_join, false},
    [HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE] = {on_leave, false},
    [HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND] = {on_command, false},
    [HEYA__V1__CLIENT_MESSAGE__BODY_LIST] = {on_list, false},
    [HEYA__V1__CLIENT_MESSAGE__BODY_PING] = {on_ping, false},
};

/* The room and number of a command stand in a RATE_LIMITED too, so that the client knows which one to send again. */
static bool within_rate(struct session *session, const Heya__V1__ClientMessage *message) {
  struct sessions *sessions = session->sessions;
  const struct sessions_config *config = &sessions->config;
  uint64_t now_us = sessions->store->ops->monotonic_us(sessions->store);
  if (bucket_take(&session->rate, config->rate_per_s, config->rate_burst, now_us)) return true;
  sessions->metrics->rate_limited++;
  struct refusal refusal = {.code = CODE(RATE_LIMITED),
                            .retry_after_ms =
                                bucket_wait_ms(&session->rate, config->rate_per_s, config->rate_burst, now_us)};
  struct codec_about about = {0};
  if (message->body_case == HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND) {
    const Heya__V1__Command *command = message->command;
    codec_about_room(&about, command->room, strlen(command->room));
    refusal.number = command->number;
    refusal.room = about.room;
  }
  session_refuse(session, message->request, &refusal);
  return false;
}

void request_dispatch(struct session *session, const Heya__V1__ClientMessage *message) {
  size_t body = (size_t)message->body_case;
  if (!within_rate(session, message)) return;
  if (body >= sizeof request_rows / sizeof request_rows[0] || !request_rows[body].handle) {
    refuse(session, message->request, CODE(BAD_MESSAGE), "no body, or one this gateway does not know");
  } else if (!session->said_hello && !request_rows[body].before_hello) {
    refuse(session, message->request, CODE(HELLO_REQUIRED), NULL);
  } else {
    request_rows[body].handle(session, message);
  }
}
