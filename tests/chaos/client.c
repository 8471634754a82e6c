/* See tests/chaos/client.h. */
#include "tests/chaos/client.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_HELLO 1
#define REQUEST_JOIN  2
#define WATCH_S       0.5
#define PATIENCE_US   2000000 /* without an answer, times 1 to 4; then it tries elsewhere */
#define BACKOFF_MIN_S 0.02
#define BACKOFF_MAX_S 0.5
#define DEADLINE_MS   3000 /* of the live rooms */
#define EMPTY_S       14   /* away for so long at most leaves a chat of two empty for longer than it lives */
#define CODE(name)    HEYA__V1__ERROR__CODE__##name

static void reconnect(struct client *client);
static void on_left(struct client *client);

/* ---- sending ---- */

static double random_unit(struct swarm *swarm) {
  return (double)rand_r(&swarm->seed) / ((double)RAND_MAX + 1);
}

static void after(struct client *client, ev_timer *timer, double seconds) {
  ev_timer_stop(client->swarm->loop, timer);
  ev_timer_set(timer, seconds, 0.);
  ev_timer_start(client->swarm->loop, timer);
}

static void send_message(struct client *client, Heya__V1__ClientMessage *message) {
  uint8_t data[1024];
  ws_send(client->ws, bytes_of(data, heya__v1__client_message__pack(message, data)));
}

static size_t pack_line(const struct command *command, uint8_t *out) {
  char text[16];
  Heya__Kinds__Chat__Command body = HEYA__KINDS__CHAT__COMMAND__INIT;
  Heya__Kinds__Chat__Say say = HEYA__KINDS__CHAT__SAY__INIT;
  snprintf(text, sizeof text, "t%" PRIu32, command->token);
  say.text = text;
  body.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  body.say = &say;
  return heya__kinds__chat__command__pack(&body, out);
}

static size_t pack_live(const struct command *command, uint8_t *out) {
  Heya__Kinds__Live__Command body = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Start start = HEYA__KINDS__LIVE__START__INIT;
  Heya__Kinds__Live__Submit submit = HEYA__KINDS__LIVE__SUBMIT__INIT;
  submit.round = command->round;
  submit.score = command->score;
  body.body_case = command->start ? HEYA__KINDS__LIVE__COMMAND__BODY_START : HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT;
  if (command->start)
    body.start = &start;
  else
    body.submit = &submit;
  return heya__kinds__live__command__pack(&body, out);
}

static void send_command(struct client *client, struct command *command) {
  uint8_t payload[128];
  size_t len = client->live ? pack_live(command, payload) : pack_line(command, payload);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  body.room = client->room_id;
  body.number = command->number;
  body.payload = pb_bytes(bytes_of(payload, len));
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  command->sent_us = clock_monotonic_us();
  if (!command->first_us) command->first_us = command->sent_us;
  send_message(client, &message);
}

static void send_new(struct client *client, struct command command) {
  command.number = client->next_number++;
  client->pending[client->n_pending] = command;
  send_command(client, &client->pending[client->n_pending++]);
}

static void send_pending(struct client *client) {
  for (unsigned i = 0; i < client->n_pending; i++) send_command(client, &client->pending[i]);
}

static void send_hello(struct client *client) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  hello.player = client->name;
  hello.instance = client->name;
  hello.connection = ++client->connections;
  message.request = REQUEST_HELLO;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  send_message(client, &message);
}

static void send_join(struct client *client) {
  uint8_t options[32];
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  Heya__Kinds__Live__Options live = HEYA__KINDS__LIVE__OPTIONS__INIT;
  live.live_id = 1;
  live.deadline_ms = DEADLINE_MS;
  join.room = client->room_id;
  if (client->session[0]) {
    resume.session = client->session;
    resume.incarnation = client->incarnation;
    resume.epoch = client->at.epoch;
    resume.seq = client->at.seq;
    resume.answered = client->answered;
    join.resume = &resume;
    client->swarm->count.resumes++;
  } else {
    join.create = true;
    if (client->live) join.options = pb_bytes(bytes_of(options, heya__kinds__live__options__pack(&live, options)));
  }
  message.request = REQUEST_JOIN;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  send_message(client, &message);
}

static void send_leave(struct client *client) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Leave leave = HEYA__V1__LEAVE__INIT;
  leave.room = client->room_id;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &leave;
  send_message(client, &message);
  client->state = CLIENT_LEAVING;
  client->since_us = clock_monotonic_us();
  client->swarm->count.leaves++;
}

/* ---- the fate of commands ---- */

static struct command *find_pending(struct client *client, uint32_t number) {
  for (unsigned i = 0; i < client->n_pending; i++)
    if (client->pending[i].number == number) return &client->pending[i];
  return NULL;
}

static void settle(struct client *client, struct command *command, enum fate fate) {
  if (command->token) client->swarm->book->tokens[command->token].fate = fate;
  if (client->live && !command->start && fate != FATE_UNKNOWN)
    rounds_submit(client->swarm->rounds, client->room, command->round, client->name, command->score,
                  fate == FATE_ACKED ? SUBMIT_ACKED : SUBMIT_REFUSED);
  if (command->number > client->answered) client->answered = command->number;
  size_t at = (size_t)(command - client->pending);
  memmove(command, command + 1, (--client->n_pending - at) * sizeof *command);
}

static void lose_session(struct client *client) {
  while (client->n_pending) settle(client, client->pending, FATE_UNKNOWN);
  client->session[0] = client->incarnation[0] = '\0';
  client->answered = 0;
  client->next_number = 1;
}

/* ---- hearing ---- */

static void take_note(struct client *client, struct note note) {
  book_note(client->swarm->book, client->index, note);
  client->at = note.at;
  client->heard_us = clock_monotonic_us();
}

static struct position position(const struct client *client, uint64_t epoch, uint64_t seq) {
  return (struct position){strtoull(client->incarnation, NULL, 10), epoch, seq};
}

/* FNV-1a. */
static uint32_t hash_of(const Heya__V1__Event *event) {
  uint8_t data[4096];
  uint32_t hash = 2166136261u;
  if (heya__v1__event__get_packed_size(event) > sizeof data) return 0;
  size_t len = heya__v1__event__pack(event, data);
  for (size_t i = 0; i < len; i++) hash = (hash ^ data[i]) * 16777619u;
  return hash;
}

/* The client whose coming, absence or return it tells: to all but himself. */
static uint32_t not_for(const Heya__V1__Event *event) {
  const char *player = NULL;
  if (event->body_case == HEYA__V1__EVENT__BODY_JOINED) player = event->joined->player;
  if (event->body_case == HEYA__V1__EVENT__BODY_BACK) player = event->back;
  if (event->body_case == HEYA__V1__EVENT__BODY_AWAY) player = event->away;
  return player && player[0] == 'p' ? (uint32_t)strtoul(player + 1, NULL, 10) : BOOK_NOBODY;
}

static bool is_among(char *const *names, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static void hear_live(struct client *client, struct bytes payload) {
  struct rounds *rounds = client->swarm->rounds;
  Heya__Kinds__Live__Event *event = heya__kinds__live__event__unpack(NULL, payload.len, payload.data);
  if (!event) return;
  switch (event->body_case) {
  case HEYA__KINDS__LIVE__EVENT__BODY_STARTED:
    rounds_started(rounds, client->room, event->started);
    client->round = event->started->round;
    client->playing = is_among(event->started->players, event->started->n_players, client->name);
    client->through = false;
    break;
  case HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED:
    rounds_deadline(rounds, client->room, event->submitted->round, event->submitted->deadline_ms);
    break;
  case HEYA__KINDS__LIVE__EVENT__BODY_RESULTS:
    rounds_results(rounds, client->room, client->name, event->results, true, clock_wall_ms());
    client->playing = false;
    break;
  default: break;
  }
  heya__kinds__live__event__free_unpacked(event, NULL);
}

/* The token of a line. */
static uint32_t hear_chat(struct bytes payload) {
  uint32_t token = 0;
  Heya__Kinds__Chat__Event *event = heya__kinds__chat__event__unpack(NULL, payload.len, payload.data);
  if (event && event->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE && event->line->text[0] == 't')
    token = (uint32_t)strtoul(event->line->text + 1, NULL, 10);
  if (event) heya__kinds__chat__event__free_unpacked(event, NULL);
  return token;
}

static void on_event(struct client *client, const Heya__V1__Event *event) {
  struct swarm *swarm = client->swarm;
  uint32_t token = 0;
  if (event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD) {
    struct bytes payload = bytes_of(event->payload.data, event->payload.len);
    if (client->live)
      hear_live(client, payload);
    else
      token = hear_chat(payload);
  } else if (event->body_case == HEYA__V1__EVENT__BODY_HOST) {
    snprintf(client->host, sizeof client->host, "%s", event->host);
  }
  take_note(client, (struct note){.kind = NOTE_EVENT,
                                  .at = position(client, event->epoch, event->seq),
                                  .token = token < swarm->book->n_tokens ? token : 0,
                                  .content = hash_of(event),
                                  .not_for = not_for(event)});
  if (token) client->line_at = client->at;
  if (swarm->watch.event) swarm->watch.event(swarm->watch.arg, client);
}

static void take_live_state(struct client *client, ProtobufCBinaryData data) {
  Heya__Kinds__Live__State *state = heya__kinds__live__state__unpack(NULL, data.len, data.data);
  if (!state) return;
  client->round = state->round;
  client->playing =
      state->phase == HEYA__KINDS__LIVE__PHASE__PLAYING && is_among(state->players, state->n_players, client->name);
  client->through = is_among(state->submitted, state->n_submitted, client->name);
  for (unsigned i = 0; i < client->n_pending; i++)
    client->through = client->through || client->pending[i].round == state->round;
  if (state->results)
    rounds_results(client->swarm->rounds, client->room, client->name, state->results, false, clock_wall_ms());
  heya__kinds__live__state__free_unpacked(state, NULL);
}

static void take_chat_state(struct client *client, ProtobufCBinaryData data) {
  struct book *book = client->swarm->book;
  Heya__Kinds__Chat__State *state = heya__kinds__chat__state__unpack(NULL, data.len, data.data);
  for (size_t i = 0; state && i < state->n_lines; i++) {
    uint32_t token = (uint32_t)strtoul(state->lines[i]->text + 1, NULL, 10);
    if (state->lines[i]->text[0] == 't' && token < book->n_tokens) book->tokens[token].shown = true;
  }
  if (state) heya__kinds__chat__state__free_unpacked(state, NULL);
}

static void on_joined(struct client *client, const Heya__V1__Joined *joined) {
  struct swarm *swarm = client->swarm;
  bool had_one = client->session[0] != '\0';
  if (had_one && strcmp(client->session, joined->session) != 0) {
    swarm->count.sessions_lost++;
    lose_session(client);
  }
  snprintf(client->session, sizeof client->session, "%s", joined->session);
  snprintf(client->incarnation, sizeof client->incarnation, "%s", joined->incarnation);
  take_note(client, (struct note){.kind = joined->snapshot ? NOTE_SNAPSHOT : NOTE_RESUMED,
                                  .at = position(client, joined->epoch, joined->seq)});
  swarm->count.snapshots += joined->snapshot && had_one;
  if (joined->snapshot) {
    snprintf(client->host, sizeof client->host, "%s", joined->snapshot->host);
    if (client->live)
      take_live_state(client, joined->snapshot->state);
    else
      take_chat_state(client, joined->snapshot->state);
  }
  client->state = CLIENT_IN;
  client->since_us = client->heard_us;
  client->failures = 0;
  client->resend_waits = false;
  if (client->joined_once && client->lost_us && swarm->watch.back)
    swarm->watch.back(swarm->watch.arg, client, client->heard_us - client->lost_us);
  client->joined_once = true;
  client->lost_us = 0;
  send_pending(client);
}

static void on_ack(struct client *client, const Heya__V1__Ack *ack) {
  struct swarm *swarm = client->swarm;
  struct command *command = find_pending(client, ack->number);
  if (!command) return; /* it was sent twice */
  uint64_t now_us = clock_monotonic_us(), took_us = now_us - command->first_us;
  client->heard_us = client->acked_us = now_us;
  swarm->count.acks++;
  swarm->count.ack_us_sum += took_us;
  settle(client, command, FATE_ACKED);
  if (swarm->watch.ack) swarm->watch.ack(swarm->watch.arg, client, took_us);
}

/* Sends all again after a while: from the first unanswered on, in order. */
static void resend_later(struct client *client, uint32_t wait_ms) {
  if (client->resend_waits) return;
  client->resend_waits = true;
  after(client, &client->act, (double)(wait_ms + 1) / 1000.);
}

static void on_error(struct client *client, uint32_t request, const Heya__V1__Error *error) {
  struct command *command = error->number ? find_pending(client, error->number) : NULL;
  client->swarm->count.errors[(unsigned)error->code % CODES]++;
  switch (error->code) {
  case CODE(BUSY):
  case CODE(RATE_LIMITED): resend_later(client, error->retry_after_ms); return;
  case CODE(GAP): resend_later(client, 0); return;
  case CODE(STALE):
  case CODE(NOT_IN_ROOM): reconnect(client); return;
  case CODE(ROOM_NOT_FOUND):
  case CODE(ROOM_CLOSED):
  case CODE(ROOM_LOST):
    lose_session(client);
    reconnect(client);
    return;
  default: break;
  }
  if (command)
    settle(client, command, error->code == CODE(TOO_OLD) ? FATE_UNKNOWN : FATE_REFUSED);
  else if (request == REQUEST_JOIN || request == REQUEST_HELLO)
    reconnect(client);
}

static void on_message(void *arg, struct bytes data) {
  struct client *client = arg;
  struct swarm *swarm = client->swarm;
  Heya__V1__ServerMessage *message = heya__v1__server_message__unpack(NULL, data.len, data.data);
  if (!message) {
    swarm->count.bad_messages++;
    return;
  }
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED: on_joined(client, message->joined); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: on_event(client, message->event); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK: on_ack(client, message->ack); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_LEFT: on_left(client); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR: on_error(client, message->request, message->error); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_DETACHED:
    swarm->count.detached++;
    swarm->count.detached_by[(unsigned)message->detached->reason % CODES]++;
    if (message->detached->reason == CODE(ROOM_LOST) || message->detached->reason == CODE(ROOM_CLOSED))
      lose_session(client);
    reconnect(client);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE:
    swarm->count.goodbyes++;
    reconnect(client);
    break;
  default: break;
  }
  heya__v1__server_message__free_unpacked(message, NULL);
}

/* ---- the connection ---- */

static void wait_to_connect(struct client *client) {
  struct swarm *swarm = client->swarm;
  if (client->state == CLIENT_LEAVING) {
    take_note(client, (struct note){.kind = NOTE_LEFT, .at = client->at});
    lose_session(client);
    client->joined_once = false;
  }
  double most = BACKOFF_MIN_S * (1 << (client->failures < 6 ? client->failures : 6));
  if (most > BACKOFF_MAX_S) most = BACKOFF_MAX_S;
  client->failures++;
  client->state = CLIENT_WAITING;
  client->since_us = clock_monotonic_us();
  if (client->joined_once && !client->lost_us) client->lost_us = client->since_us;
  after(client, &client->connect, most * random_unit(swarm));
}

static void reconnect(struct client *client) {
  ws_drop(client->ws);
  client->ws = NULL;
  client->swarm->count.reconnects++;
  wait_to_connect(client);
}

/* Out, for a while. */
static void on_left(struct client *client) {
  if (client->state != CLIENT_LEAVING) return;
  ws_drop(client->ws);
  client->ws = NULL;
  wait_to_connect(client);
  after(client, &client->connect, random_unit(client->swarm) * (client->room_size == 2 ? EMPTY_S : 2));
}

static void on_open(void *arg) {
  struct client *client = arg;
  client->state = CLIENT_JOINING;
  client->since_us = clock_monotonic_us();
  send_hello(client);
  send_join(client);
}

static void on_closed(void *arg, unsigned code) {
  struct client *client = arg;
  (void)code;
  client->ws = NULL;
  client->swarm->count.reconnects++;
  wait_to_connect(client);
}

static void on_connect(struct ev_loop *loop, ev_timer *timer, int events) {
  static const struct ws_events ws_events = {.open = on_open, .message = on_message, .closed = on_closed};
  struct client *client = timer->data;
  struct swarm *swarm = client->swarm;
  (void)events;
  uint16_t port = swarm->gateway(swarm->gateway_arg, client, &client->gateway);
  if (!port) {
    wait_to_connect(client);
    return;
  }
  swarm->count.connects++;
  client->state = CLIENT_CONNECTING;
  client->since_us = clock_monotonic_us();
  client->ws = ws_connect(loop, port, &ws_events, client);
}

/* Who gets no answer tries elsewhere. */
static void on_watch(struct ev_loop *loop, ev_timer *timer, int events) {
  struct client *client = timer->data;
  uint64_t now_us = clock_monotonic_us();
  (void)loop, (void)events;
  uint64_t patience_us = PATIENCE_US * (1 + client->index % 4);
  bool late = client->state == CLIENT_IN ? client->n_pending && now_us - client->pending[0].sent_us > patience_us
                                         : now_us - client->since_us > patience_us;
  if (client->state == CLIENT_WAITING || !late) return;
  client->swarm->count.timeouts++;
  reconnect(client);
}

/* ---- acting ---- */

static void act_in_chat(struct client *client) {
  struct swarm *swarm = client->swarm;
  if (swarm->leaving && !client->n_pending && random_unit(swarm) < (client->room_size == 2 ? 0.1 : 0.01)) {
    send_leave(client);
    return;
  }
  send_new(client, (struct command){.token = book_token(swarm->book, client->index, client->room)});
}

/* One in seven gives up. */
static void act_in_round(struct client *client) {
  struct swarm *swarm = client->swarm;
  if (!client->playing && !swarm->quiet && strcmp(client->host, client->name) == 0 && !client->n_pending) {
    send_new(client, (struct command){.start = true});
  } else if (client->playing && !client->through) {
    client->through = true;
    if ((client->round + client->index) % 7 == 0) return;
    struct command command = {.round = client->round, .score = 1 + (uint32_t)rand_r(&swarm->seed) % 1000000};
    rounds_submit(swarm->rounds, client->room, command.round, client->name, command.score, SUBMIT_SENT);
    send_new(client, command);
  }
}

static void on_act(struct ev_loop *loop, ev_timer *timer, int events) {
  struct client *client = timer->data;
  struct swarm *swarm = client->swarm;
  (void)loop, (void)events;
  if (client->state == CLIENT_IN && client->resend_waits) {
    client->resend_waits = false;
    send_pending(client);
  } else if (client->state == CLIENT_IN && client->n_pending < PENDING_MAX) {
    if (client->live)
      act_in_round(client);
    else if (!swarm->quiet)
      act_in_chat(client);
  }
  after(client, &client->act, (0.5 + random_unit(swarm)) / swarm->rate);
}

/* ---- the swarm ---- */

static void client_start(struct swarm *swarm, uint32_t index, uint32_t room, uint32_t room_size) {
  struct client *client = &swarm->clients[index];
  *client = (struct client){.swarm = swarm, .index = index, .room = room, .room_size = room_size, .next_number = 1};
  client->live = room < swarm->n_live;
  snprintf(client->name, sizeof client->name, "p%" PRIu32, index);
  snprintf(client->room_id, sizeof client->room_id, "%s/r%" PRIu32, client->live ? "live" : "chat", room);
  swarm->book->histories[index].room = room;
  ev_timer_init(&client->connect, on_connect, 0., 0.);
  ev_timer_init(&client->act, on_act, 0., 0.);
  ev_timer_init(&client->watch, on_watch, WATCH_S, WATCH_S);
  client->connect.data = client->act.data = client->watch.data = client;
  ev_timer_start(swarm->loop, &client->watch);
  after(client, &client->connect, random_unit(swarm));
  after(client, &client->act, 1 + random_unit(swarm));
}

static uint32_t size_of_room(const struct swarm *swarm, uint32_t room) {
  static const uint32_t sizes[] = {2, 4, 3, 8, 5, 2, 6, 4};
  uint32_t size = swarm->room_size ? swarm->room_size : sizes[room % (sizeof sizes / sizeof *sizes)];
  return room < swarm->n_live && size > PLAYERS_MAX ? PLAYERS_MAX : size;
}

void swarm_start(struct swarm *swarm, struct ev_loop *loop, uint32_t n_clients) {
  swarm->loop = loop;
  swarm->n_clients = n_clients;
  swarm->clients = xcalloc(n_clients, sizeof *swarm->clients);
  for (uint32_t i = 0; i < n_clients; swarm->n_rooms++) {
    uint32_t size = size_of_room(swarm, swarm->n_rooms);
    for (uint32_t seat = 0; seat < size && i < n_clients; seat++) client_start(swarm, i++, swarm->n_rooms, size);
  }
  swarm->book->n_rooms = swarm->n_rooms;
}

void swarm_stop(struct swarm *swarm) {
  for (uint32_t i = 0; i < swarm->n_clients; i++) {
    struct client *client = &swarm->clients[i];
    ws_drop(client->ws);
    ev_timer_stop(swarm->loop, &client->connect);
    ev_timer_stop(swarm->loop, &client->act);
    ev_timer_stop(swarm->loop, &client->watch);
  }
  free(swarm->clients);
}

uint32_t swarm_in(const struct swarm *swarm) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < swarm->n_clients; i++) n += swarm->clients[i].state == CLIENT_IN;
  return n;
}

uint32_t swarm_pending(const struct swarm *swarm) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < swarm->n_clients; i++) n += swarm->clients[i].n_pending;
  return n;
}

/* ---- errors ---- */

/* What a client may be told when things break around it, and what the game itself says. */
static const struct {
  Heya__V1__Error__Code code;
  const char *when;
} explained[] = {
    {CODE(BUSY), "a partition or Redis takes no more for a moment; sent again"},
    {CODE(RATE_LIMITED), "much was sent again at once; sent again later"},
    {CODE(GAP), "a command before it was refused; sent again"},
    {CODE(STALE), "sent before the session moved to another connection; resumed"},
    {CODE(NOT_IN_ROOM), "sent after the session moved to another connection; resumed"},
    {CODE(WRONG_STATE), "the round was over, or running"},
    {CODE(TOO_LATE), "after the deadline"},
    {CODE(UNKNOWN_ROUND), "the round was over"},
    {CODE(NOT_HOST), "the host changed meanwhile"},
};

static const char *explanation(unsigned code) {
  for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
    if ((unsigned)explained[i].code == code) return explained[i].when;
  return NULL;
}

uint64_t swarm_unexplained(const struct swarm *swarm) {
  uint64_t n = swarm->count.bad_messages;
  for (unsigned i = 0; i < CODES; i++)
    if (!explanation(i)) n += swarm->count.errors[i] + swarm->count.detached_by[i];
  return n;
}

void swarm_print_errors(const struct swarm *swarm) {
  for (unsigned i = 0; i < CODES; i++) {
    uint64_t n = swarm->count.errors[i] + swarm->count.detached_by[i];
    if (!n) continue;
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&heya__v1__error__code__descriptor, (int)i);
    printf("  %8" PRIu64 " %-16s %s\n", n, value ? value->name : "?",
           explanation(i) ? explanation(i) : "UNEXPLAINED");
  }
}
