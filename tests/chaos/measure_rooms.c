/* How long a worker needs to take over very many rooms: all of them belong to one worker, the other one owns
 * partitions without rooms; the first is killed, and every room is sent one command at once. For comparison the same
 * burst of commands without a kill. Few connections are each in many rooms. */
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"
#include "tests/chaos/stage.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/names.h"
#include "proto/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOMS      10000
#define PEOPLE     20
#define EACH       (ROOMS / PEOPLE)
#define BATCH      50 /* joins of a person at a time */
#define PATIENCE_S 60

static const char *const gateway_args[] = {
    "--max-rooms", "1000", "--message-rate", "0", "--max-output-bytes", "64m", "--waiting-bytes", "64m", NULL};

struct seat {
  char room[ROOM_ID_MAX + 1];
  bool in, waits;
  uint32_t number; /* of the last command */
};

struct many;

struct person {
  struct many *many;
  struct ws *ws;
  unsigned index;
  bool welcome;
  unsigned asked, in; /* rooms */
  struct seat *seats; /* EACH */
};

struct many {
  struct stage stage;
  struct person people[PEOPLE];
  uint64_t began_us, last_us;
  unsigned acked, refused, lost;
  struct samples *acks;
  struct samples quiet, quiet_last, failover, failover_last, failover_first;
};

/* ---- a person ---- */

static void send_message(struct person *person, Heya__V1__ClientMessage *message) {
  uint8_t data[512];
  ws_send(person->ws, bytes_of(data, heya__v1__client_message__pack(message, data)));
}

/* Requests are the seats' numbers and one. */
static void join(struct person *person, unsigned seat) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Join body = HEYA__V1__JOIN__INIT;
  body.room = person->seats[seat].room;
  body.create = true;
  message.request = seat + 1;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &body;
  send_message(person, &message);
}

static void join_more(struct person *person) {
  while (person->asked < EACH && person->asked < person->in + BATCH) join(person, person->asked++);
}

static void say(struct person *person, unsigned seat) {
  uint8_t payload[32];
  Heya__Kinds__Chat__Command line = HEYA__KINDS__CHAT__COMMAND__INIT;
  Heya__Kinds__Chat__Say words = HEYA__KINDS__CHAT__SAY__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  words.text = (char[]){"here"};
  line.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  line.say = &words;
  body.room = person->seats[seat].room;
  body.number = person->seats[seat].number;
  body.payload = pb_bytes(bytes_of(payload, heya__kinds__chat__command__pack(&line, payload)));
  message.request = seat + 1;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  send_message(person, &message);
}

static void on_ack(struct person *person, uint32_t request) {
  struct many *many = person->many;
  struct seat *seat = request && request <= EACH ? &person->seats[request - 1] : NULL;
  if (!seat || !seat->waits) return;
  seat->waits = false;
  many->last_us = clock_monotonic_us() - many->began_us;
  samples_add(many->acks, many->last_us);
  many->acked++;
}

static void on_error(struct person *person, uint32_t request, const Heya__V1__Error *error) {
  if (error->code == HEYA__V1__ERROR__CODE__BUSY && request && request <= EACH && person->seats[request - 1].waits) {
    say(person, request - 1); /* the answer is the pace */
    return;
  }
  person->many->refused++;
  printf("  refused: %s %s\n", error->room, error->message);
}

static void on_message(void *arg, struct bytes data) {
  struct person *person = arg;
  Heya__V1__ServerMessage *message = heya__v1__server_message__unpack(NULL, data.len, data.data);
  if (!message) return;
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_WELCOME:
    person->welcome = true;
    join_more(person);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED:
    person->in++;
    join_more(person);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK: on_ack(person, message->request); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR: on_error(person, message->request, message->error); break;
  default: break;
  }
  heya__v1__server_message__free_unpacked(message, NULL);
}

static void on_open(void *arg) {
  struct person *person = arg;
  char name[16];
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  snprintf(name, sizeof name, "p%u", person->index);
  hello.player = name;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  send_message(person, &message);
}

static void on_closed(void *arg, unsigned code) {
  struct person *person = arg;
  person->ws = NULL;
  person->many->lost++;
  printf("  connection lost: %u\n", code);
}

/* ---- the rooms ---- */

/* Names for so many rooms that all lie in partitions of this worker. */
static void name_rooms(struct many *many, unsigned worker) {
  struct stage_owner owners[STAGE_PARTITIONS];
  char id[ROOM_ID_MAX + 1];
  stage_owners(&many->stage, owners);
  for (unsigned n = 0, i = 0; n < ROOMS; i++) {
    int len = snprintf(id, sizeof id, "chat/r%u", i);
    if (owners[room_partition(id, (size_t)len, STAGE_PARTITIONS)].worker != worker) continue;
    memcpy(many->people[n / EACH].seats[n % EACH].room, id, (size_t)len + 1);
    n++;
  }
}

static bool all_in(void *arg) {
  const struct many *many = arg;
  unsigned in = 0;
  for (unsigned i = 0; i < PEOPLE; i++) in += many->people[i].in;
  return in == ROOMS || many->lost || many->refused;
}

static bool move_in(struct many *many) {
  static const struct ws_events events = {.open = on_open, .message = on_message, .closed = on_closed};
  struct stage *stage = &many->stage;
  for (unsigned i = 0; i < PEOPLE; i++) {
    struct person *person = &many->people[i];
    *person = (struct person){.many = many, .index = i, .seats = xcalloc(EACH, sizeof *person->seats)};
  }
  name_rooms(many, 0);
  for (unsigned i = 0; i < PEOPLE; i++)
    many->people[i].ws = ws_connect(stage->loop, stage->servers.gateways[0].port, &events, &many->people[i]);
  return run_until(stage->loop, PATIENCE_S, all_in, many) && !many->lost && !many->refused;
}

/* ---- bursts ---- */

static bool all_acked(void *arg) {
  const struct many *many = arg;
  return many->acked == ROOMS || many->lost || many->refused;
}

/* One command to each room. */
static bool burst(struct many *many, struct samples *acks, struct samples *last) {
  many->acked = 0;
  many->acks = acks;
  many->began_us = clock_monotonic_us();
  for (unsigned seat = 0; seat < EACH; seat++) {
    for (unsigned i = 0; i < PEOPLE && !many->lost; i++) {
      struct person *person = &many->people[i];
      person->seats[seat].waits = true;
      person->seats[seat].number++;
      say(person, seat);
    }
  }
  bool fine = run_until(many->stage.loop, PATIENCE_S, all_acked, many) && !many->lost && !many->refused;
  if (!fine) printf("  only %u of %d rooms answer after %d s\n", many->acked, ROOMS, PATIENCE_S);
  if (fine) samples_add(last, many->last_us);
  return fine;
}

/* All rooms are the one's; the other takes them over. Its former partitions stay without rooms. */
static bool kill_owner(struct many *many, unsigned index) {
  struct stage *stage = &many->stage;
  struct server *worker = &stage->servers.workers[index];
  if (!burst(many, &many->quiet, &many->quiet_last)) return false;
  run_until(stage->loop, 1, NULL, NULL);
  size_t before = many->failover.n;
  servers_kill(worker);
  if (!burst(many, &many->failover, &many->failover_last)) return false;
  uint64_t first_us = UINT64_MAX;
  for (size_t i = before; i < many->failover.n; i++)
    if (many->failover.values_us[i] < first_us) first_us = many->failover.values_us[i];
  samples_add(&many->failover_first, first_us);
  return true;
}

static bool once(struct many *many, unsigned seed) {
  struct stage *stage = &many->stage;
  (void)seed;
  many->lost = many->refused = 0;
  bool fine = stage_open(stage);
  stage->servers.gateway_args = gateway_args;
  fine = fine && stage_start(stage, 2, 1) && move_in(many) && kill_owner(many, 0);
  for (unsigned i = 0; i < PEOPLE; i++) {
    ws_drop(many->people[i].ws);
    free(many->people[i].seats);
  }
  stage->servers.keep_dir = !fine;
  stage_close(stage);
  return fine;
}

bool measure_rooms(uint32_t times, unsigned seed) {
  static struct many many;
  bool fine = true;
  for (uint32_t i = 0; fine && i < times; i++) fine = once(&many, seed + i);
  printf(
      "  %d rooms in the 8 partitions of one worker, a second worker with 8 empty ones; one command to each room at "
      "once\n",
      ROOMS);
  samples_print_header();
  samples_print(&many.quiet, "without a kill: command to ack (of a room)");
  samples_print(&many.quiet_last, "without a kill: to the last room's ack");
  samples_print(&many.failover_first, "kill to the first room's ack (of a kill)");
  samples_print(&many.failover, "kill to ack (of a room)");
  samples_print(&many.failover_last, "kill to the last room's ack: all are served (of a kill)");
  return fine;
}
