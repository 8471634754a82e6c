/* See player.h. Messages are unpacked once, when they arrive, and kept until the player goes. */
#include "tests/support/player.h"

#include "common/mem.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>

#define MESSAGE_MAX (128 * 1024)

/* ---- connecting
 * ---------------------------------------------------------------------------------------------------*/

struct player *player_open(const char *address, const char *name, const struct wsclient_options *options) {
  struct player *player = xcalloc(1, sizeof *player);
  unsigned status;
  player->name = name;
  player->socket = wsclient_open(address, options, &status);
  cr_assert(player->socket, "%s is refused by %s with status %u", name, address, status);
  return player;
}

struct player *player_connect(const char *address, const char *name) {
  struct player *player = player_open(address, name, NULL);
  const Heya__V1__ServerMessage *answer = player_answer(player, player_send_hello(player, name, "", ""));
  cr_assert(answer && answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_WELCOME, "%s is not welcome at %s", name,
            address);
  snprintf(player->gateway, sizeof player->gateway, "%s", answer->welcome->gateway);
  return player;
}

void player_drop(struct player *player) {
  wsclient_destroy(player->socket);
  player->socket = NULL;
}

void player_forget(struct player *player) {
  for (size_t i = 0; i < player->log_count; i++) {
    heya__v1__server_message__free_unpacked(player->log[i].message, NULL);
    if (player->log[i].chat) heya__kinds__chat__event__free_unpacked(player->log[i].chat, NULL);
    if (player->log[i].live) heya__kinds__live__event__free_unpacked(player->log[i].live, NULL);
  }
  player->log_count = player->cursor = 0;
}

void player_destroy(struct player *player) {
  if (!player) return;
  player_drop(player);
  player_forget(player);
  free(player->log);
  free(player);
}

/* ---- hearing -----------------------------------------------------------------------------------------------------
 */

static void remember(struct player *player, struct bytes data) {
  struct player_message heard = {.message = heya__v1__server_message__unpack(NULL, data.len, data.data)};
  cr_assert(heard.message, "%s was sent something that is no ServerMessage", player->name);
  if (heard.message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT &&
      heard.message->event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD) {
    const Heya__V1__Event *event = heard.message->event;
    bool is_chat = strncmp(event->room, "chat/", 5) == 0, is_live = strncmp(event->room, "live/", 5) == 0;
    if (is_chat) heard.chat = heya__kinds__chat__event__unpack(NULL, event->payload.len, event->payload.data);
    if (is_live) heard.live = heya__kinds__live__event__unpack(NULL, event->payload.len, event->payload.data);
    cr_assert(heard.chat || heard.live || !(is_chat || is_live), "%s was sent a payload that is no event of %s",
              player->name, event->room);
  }
  if (player->log_count == player->log_capacity) {
    player->log_capacity = player->log_capacity ? player->log_capacity * 2 : 64;
    player->log = xrealloc(player->log, player->log_capacity * sizeof *player->log);
  }
  player->log[player->log_count++] = heard;
}

static enum wsclient_result hear(struct player *player, uint64_t deadline) {
  struct buf message;
  if (!player->socket) return WSCLIENT_CLOSED;
  enum wsclient_result result = wsclient_receive(player->socket, deadline, &message);
  if (result != WSCLIENT_MESSAGE) return result;
  remember(player, buf_bytes(&message));
  buf_close(&message);
  return result;
}

bool player_pump(struct player *player) {
  enum wsclient_result result;
  while ((result = hear(player, 0)) == WSCLIENT_MESSAGE) continue;
  return result != WSCLIENT_CLOSED;
}

/* The first match at or after `from`, hearing more until the deadline; log_count when there is none. */
static size_t find(struct player *player, size_t from, uint64_t ms, player_match *match, const void *arg) {
  uint64_t deadline = wait_deadline(ms);
  for (size_t i = from;; i++) {
    if (i == player->log_count && hear(player, deadline) != WSCLIENT_MESSAGE) return player->log_count;
    if (match(&player->log[i], arg)) return i;
  }
}

const struct player_message *player_await(struct player *player, uint64_t ms, player_match *match, const void *arg) {
  size_t at = find(player, player->cursor, ms, match, arg);
  if (at == player->log_count) return NULL;
  player->cursor = at + 1;
  return &player->log[at];
}

bool player_heard(const struct player *player, player_match *match, const void *arg) {
  for (size_t i = 0; i < player->log_count; i++)
    if (match(&player->log[i], arg)) return true;
  return false;
}

static const char *name_of(const ProtobufCEnumDescriptor *type, int value) {
  const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
  return found ? found->name : "?";
}

static void print_event(const struct player_message *heard) {
  const Heya__V1__Event *event = heard->message->event;
  fprintf(stderr, " event %s %llu/%llu", event->room, (unsigned long long)event->epoch,
          (unsigned long long)event->seq);
  if (event->body_case == HEYA__V1__EVENT__BODY_JOINED) fprintf(stderr, " joined %s", event->joined->player);
  if (event->body_case == HEYA__V1__EVENT__BODY_MEMBER_LEFT)
    fprintf(stderr, " left %s %s", event->member_left->player,
            name_of(&heya__v1__leave_reason__descriptor, (int)event->member_left->reason));
  if (event->body_case == HEYA__V1__EVENT__BODY_AWAY) fprintf(stderr, " away %s", event->away);
  if (event->body_case == HEYA__V1__EVENT__BODY_BACK) fprintf(stderr, " back %s", event->back);
  if (event->body_case == HEYA__V1__EVENT__BODY_HOST) fprintf(stderr, " host %s", event->host);
  if (heard->chat && heard->chat->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE)
    fprintf(stderr, " line %s: %.40s", heard->chat->line->player, heard->chat->line->text);
  if (heard->live)
    fprintf(stderr, " %s",
            protobuf_c_message_descriptor_get_field(&heya__kinds__live__event__descriptor,
                                                    (unsigned)heard->live->body_case)
                ? protobuf_c_message_descriptor_get_field(&heya__kinds__live__event__descriptor,
                                                          (unsigned)heard->live->body_case)
                      ->name
                : "?");
}

static void print_message(const struct player_message *heard) {
  const Heya__V1__ServerMessage *message = heard->message;
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(&heya__v1__server_message__descriptor, (unsigned)message->body_case);
  fprintf(stderr, "     ");
  if (message->request) fprintf(stderr, " re %u:", message->request);
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT)
    print_event(heard);
  else
    fprintf(stderr, " %s", field ? field->name : "nothing");
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ERROR)
    fprintf(stderr, " %s: %s", name_of(&heya__v1__error__code__descriptor, (int)message->error->code),
            message->error->message);
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_DETACHED)
    fprintf(stderr, " %s", name_of(&heya__v1__error__code__descriptor, (int)message->detached->reason));
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE)
    fprintf(stderr, " %s", name_of(&heya__v1__error__code__descriptor, (int)message->goodbye->reason));
  putc('\n', stderr);
}

void player_print(const struct player *player) {
  const size_t most = 40;
  fprintf(stderr, "---- %s heard %zu messages at gateway %s", player->name, player->log_count, player->gateway);
  if (player->socket && wsclient_close_code(player->socket))
    fprintf(stderr, ", closed with %u %s", wsclient_close_code(player->socket),
            wsclient_close_reason(player->socket));
  putc('\n', stderr);
  for (size_t i = player->log_count > most ? player->log_count - most : 0; i < player->log_count; i++)
    print_message(&player->log[i]);
}

/* ---- asking ------------------------------------------------------------------------------------------------------
 */

uint32_t player_send(struct player *player, Heya__V1__ClientMessage *message) {
  static _Thread_local uint8_t packed[MESSAGE_MAX];
  cr_assert(player->socket, "%s has no connection", player->name);
  message->request = ++player->request;
  size_t len = heya__v1__client_message__get_packed_size(message);
  cr_assert(len <= sizeof packed);
  heya__v1__client_message__pack(message, packed);
  wsclient_send(player->socket, bytes_of(packed, len));
  return player->request;
}

/* protobuf-c's strings and bytes are not const, but packing does not write to them. */
static char *text_field(const char *text) {
  union {
    const char *given;
    char *field;
  } u = {.given = text};
  return u.field;
}

static ProtobufCBinaryData bytes_field(struct bytes bytes) {
  union {
    const void *given;
    uint8_t *field;
  } u = {.given = bytes.data};
  return (ProtobufCBinaryData){.len = bytes.len, .data = u.field};
}

uint32_t player_send_hello(struct player *player, const char *id, const char *token, const char *display_name) {
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  hello.player = text_field(id);
  hello.token = text_field(token);
  hello.name = text_field(display_name);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  return player_send(player, &message);
}

static void in_room(struct player *player, const char *room) {
  snprintf(player->room, sizeof player->room, "%s", room);
  player->number = 0;
}

uint32_t player_send_join(struct player *player, const char *room, bool create, struct bytes options,
                          struct bytes profile) {
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  join.room = text_field(room);
  join.create = create;
  join.options = bytes_field(options);
  join.profile = bytes_field(profile);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  return player_send(player, &message);
}

uint32_t player_send_create(struct player *player, const char *kind, const char *key, struct bytes options) {
  Heya__V1__Create create = HEYA__V1__CREATE__INIT;
  create.kind = text_field(kind);
  create.key = text_field(key);
  create.options = bytes_field(options);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_CREATE;
  message.create = &create;
  return player_send(player, &message);
}

uint32_t player_send_leave(struct player *player, const char *room) {
  Heya__V1__Leave leave = HEYA__V1__LEAVE__INIT;
  leave.room = text_field(room);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &leave;
  return player_send(player, &message);
}

uint32_t player_send_command(struct player *player, const char *room, uint32_t number, struct bytes payload) {
  Heya__V1__Command command = HEYA__V1__COMMAND__INIT;
  command.room = text_field(room);
  command.number = number;
  command.payload = bytes_field(payload);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &command;
  return player_send(player, &message);
}

static bool is_answer(const struct player_message *heard, const void *arg) {
  return heard->message->request == *(const uint32_t *)arg;
}

const Heya__V1__ServerMessage *player_answer(struct player *player, uint32_t request) {
  size_t at = find(player, 0, PLAYER_MS, is_answer, &request);
  return at < player->log_count ? player->log[at].message : NULL;
}

static const Heya__V1__ServerMessage *expect(struct player *player, uint32_t request,
                                             Heya__V1__ServerMessage__BodyCase body, const char *what) {
  const Heya__V1__ServerMessage *answer = player_answer(player, request);
  if (!answer || answer->body_case != body) player_print(player);
  cr_assert(answer, "%s gets no answer to request %u; expected %s", player->name, request, what);
  cr_assert(answer->body_case == body, "%s expected %s as the answer to request %u", player->name, what, request);
  return answer;
}

const Heya__V1__Error *player_refused(struct player *player, uint32_t request, Heya__V1__Error__Code code) {
  const Heya__V1__ServerMessage *answer = expect(player, request, HEYA__V1__SERVER_MESSAGE__BODY_ERROR,
                                                 name_of(&heya__v1__error__code__descriptor, (int)code));
  cr_assert(answer->error->code == code, "%s expected %s, got %s: %s", player->name,
            name_of(&heya__v1__error__code__descriptor, (int)code),
            name_of(&heya__v1__error__code__descriptor, (int)answer->error->code), answer->error->message);
  return answer->error;
}

const Heya__V1__Ack *player_acked(struct player *player, uint32_t request) {
  return expect(player, request, HEYA__V1__SERVER_MESSAGE__BODY_ACK, "an ack")->ack;
}

const Heya__V1__Joined *player_joined(struct player *player, uint32_t request) {
  const Heya__V1__Joined *joined = expect(player, request, HEYA__V1__SERVER_MESSAGE__BODY_JOINED, "joined")->joined;
  cr_assert(joined->snapshot || joined->resumed, "%s joined without a snapshot", player->name);
  in_room(player, joined->room);
  return joined;
}

/* ---- doing -------------------------------------------------------------------------------------------------------
 */

const Heya__V1__Joined *player_join(struct player *player, const char *room) {
  return player_joined(player, player_send_join(player, room, true, bytes_of(NULL, 0), bytes_of(NULL, 0)));
}

void player_leave(struct player *player) {
  expect(player, player_send_leave(player, player->room), HEYA__V1__SERVER_MESSAGE__BODY_LEFT, "left");
}

uint32_t player_try(struct player *player, struct bytes payload) {
  return player_send_command(player, player->room, ++player->number, payload);
}

void player_do(struct player *player, struct bytes payload) {
  player_acked(player, player_try(player, payload));
}

void player_say(struct player *player, const char *text) {
  struct player_payload payload;
  player_do(player, player_say_payload(&payload, text));
}

const Heya__V1__Joined *player_join_live(struct player *player, const char *room, uint32_t live_id,
                                         uint32_t deadline_ms) {
  struct player_payload options, profile;
  return player_joined(player,
                       player_send_join(player, room, true, player_live_options(&options, live_id, deadline_ms),
                                        player_live_profile(&profile, 1, false)));
}

uint32_t player_start_round(struct player *player) {
  struct player_payload payload;
  player_do(player, player_start_payload(&payload));
  return player_await_live(player, HEYA__KINDS__LIVE__EVENT__BODY_STARTED)->started->round;
}

void player_submit(struct player *player, uint32_t round, uint32_t score) {
  struct player_payload payload;
  player_do(player, player_submit_payload(&payload, round, score));
}

const Heya__V1__Rooms *player_list(struct player *player, const char *kind, const char *property, const char *value,
                                   bool joinable) {
  Heya__V1__Property where = HEYA__V1__PROPERTY__INIT, *wheres[] = {&where};
  where.name = text_field(property);
  where.value = text_field(value);
  Heya__V1__List list = HEYA__V1__LIST__INIT;
  list.kind = text_field(kind);
  list.joinable = joinable;
  list.n_where = property ? 1 : 0;
  list.where = wheres;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LIST;
  message.list = &list;
  return expect(player, player_send(player, &message), HEYA__V1__SERVER_MESSAGE__BODY_ROOMS, "rooms")->rooms;
}

uint32_t player_send_search(struct player *player, const char *kind, const char *filter, const char *sort,
                            const char *after, uint32_t limit) {
  Heya__V1__List list = HEYA__V1__LIST__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  list.kind = text_field(kind);
  list.filter = text_field(filter);
  list.sort = text_field(sort);
  list.after = text_field(after);
  list.limit = limit;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LIST;
  message.list = &list;
  return player_send(player, &message);
}

const Heya__V1__Rooms *player_search(struct player *player, const char *kind, const char *filter, const char *sort,
                                     const char *after, uint32_t limit) {
  uint32_t request = player_send_search(player, kind, filter, sort, after, limit);
  return expect(player, request, HEYA__V1__SERVER_MESSAGE__BODY_ROOMS, "rooms")->rooms;
}

void player_ping(struct player *player) {
  Heya__V1__Ping ping = HEYA__V1__PING__INIT;
  ping.time = 42;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_PING;
  message.ping = &ping;
  cr_assert(expect(player, player_send(player, &message), HEYA__V1__SERVER_MESSAGE__BODY_PONG, "pong")->pong->time ==
            42);
}

static bool is_event(const struct player_message *heard, const void *arg) {
  return heard->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT &&
         heard->message->event->body_case == *(const Heya__V1__Event__BodyCase *)arg;
}

static const struct player_message *must_hear(struct player *player, player_match *match, const void *arg,
                                              const char *what) {
  const struct player_message *heard = player_await(player, PLAYER_MS, match, arg);
  if (!heard) player_print(player);
  cr_assert(heard, "%s did not hear %s", player->name, what);
  return heard;
}

const Heya__V1__Event *player_await_event(struct player *player, Heya__V1__Event__BodyCase body) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(&heya__v1__event__descriptor, (unsigned)body);
  return must_hear(player, is_event, &body, field->name)->message->event;
}

static bool is_line(const struct player_message *heard, const void *arg) {
  return heard->chat && heard->chat->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE &&
         strcmp(heard->chat->line->text, arg) == 0;
}

const Heya__Kinds__Chat__Line *player_await_line(struct player *player, const char *text) {
  return must_hear(player, is_line, text, text)->chat->line;
}

static bool is_live(const struct player_message *heard, const void *arg) {
  return heard->live && heard->live->body_case == *(const Heya__Kinds__Live__Event__BodyCase *)arg;
}

const Heya__Kinds__Live__Event *player_await_live(struct player *player, Heya__Kinds__Live__Event__BodyCase body) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(&heya__kinds__live__event__descriptor, (unsigned)body);
  return must_hear(player, is_live, &body, field->name)->live;
}

static bool is_detached(const struct player_message *heard, const void *arg) {
  return heard->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_DETACHED &&
         heard->message->detached->reason == *(const Heya__V1__Error__Code *)arg;
}

const Heya__V1__Detached *player_await_detached(struct player *player, Heya__V1__Error__Code reason) {
  return must_hear(player, is_detached, &reason, name_of(&heya__v1__error__code__descriptor, (int)reason))
      ->message->detached;
}

/* ---- payloads ----------------------------------------------------------------------------------------------------
 */

static struct bytes pack(struct player_payload *out, const ProtobufCMessage *message) {
  cr_assert(protobuf_c_message_get_packed_size(message) <= sizeof out->data);
  return bytes_of(out->data, protobuf_c_message_pack(message, out->data));
}

struct bytes player_say_payload(struct player_payload *out, const char *text) {
  Heya__Kinds__Chat__Say say = HEYA__KINDS__CHAT__SAY__INIT;
  say.text = text_field(text);
  Heya__Kinds__Chat__Command command = HEYA__KINDS__CHAT__COMMAND__INIT;
  command.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  command.say = &say;
  return pack(out, &command.base);
}

struct bytes player_live_options(struct player_payload *out, uint32_t live_id, uint32_t deadline_ms) {
  Heya__Kinds__Live__Options options = HEYA__KINDS__LIVE__OPTIONS__INIT;
  options.live_id = live_id;
  options.deadline_ms = deadline_ms;
  return pack(out, &options.base);
}

struct bytes player_live_profile(struct player_payload *out, uint32_t leader_card_id, bool hard) {
  Heya__Kinds__Live__Profile profile = HEYA__KINDS__LIVE__PROFILE__INIT;
  profile.leader_card_id = leader_card_id;
  profile.difficulty = hard ? HEYA__KINDS__LIVE__DIFFICULTY__HARD : HEYA__KINDS__LIVE__DIFFICULTY__NORMAL;
  return pack(out, &profile.base);
}

struct bytes player_start_payload(struct player_payload *out) {
  Heya__Kinds__Live__Start start = HEYA__KINDS__LIVE__START__INIT;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_START;
  command.start = &start;
  return pack(out, &command.base);
}

struct bytes player_submit_payload(struct player_payload *out, uint32_t round, uint32_t score) {
  Heya__Kinds__Live__Judge judge = HEYA__KINDS__LIVE__JUDGE__INIT;
  judge.perfect = score / 1000;
  judge.great = 3;
  judge.good = 2;
  judge.bad = 1;
  Heya__Kinds__Live__Submit submit = HEYA__KINDS__LIVE__SUBMIT__INIT;
  submit.round = round;
  submit.score = score;
  submit.judge = &judge;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT;
  command.submit = &submit;
  return pack(out, &command.base);
}

struct bytes player_choose_payload(struct player_payload *out, uint32_t live_id) {
  Heya__Kinds__Live__Choose choose = HEYA__KINDS__LIVE__CHOOSE__INIT;
  choose.live_id = live_id;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_CHOOSE;
  command.choose = &choose;
  return pack(out, &command.base);
}

struct bytes player_dissolve_payload(struct player_payload *out) {
  Heya__Kinds__Live__Dissolve dissolve = HEYA__KINDS__LIVE__DISSOLVE__INIT;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_DISSOLVE;
  command.dissolve = &dissolve;
  return pack(out, &command.base);
}
