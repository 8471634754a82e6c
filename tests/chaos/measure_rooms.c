/* How long a worker needs to take over very many rooms: all of them belong to one worker, the other one owns
 * partitions without rooms; the first is killed, and every room is sent one command at once. For comparison the same
 * burst of commands without a kill. Few connections are each in many rooms. */
#include "tests/chaos/crowd.h"
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/names.h"

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

struct person {
  unsigned asked, in; /* rooms */
  struct seat *seats; /* EACH, owned */
};

struct many {
  struct stage stage;
  struct crowd crowd;
  struct person people[PEOPLE];
  uint64_t began_us, last_us;
  unsigned acked, refused;
  struct samples *acks;
  struct samples quiet, quiet_last, failover, failover_last, failover_first;
};

/* ---- a person ---- */

/* Requests are the seats' numbers and one. */
static void join_more(struct visitor *visitor, struct person *person) {
  while (person->asked < EACH && person->asked < person->in + BATCH) {
    const char *room = person->seats[person->asked++].room;
    visitor_join(visitor, person->asked, room, true, bytes_of(NULL, 0));
  }
}

static void say(struct visitor *visitor, const struct seat *seat, uint32_t request) {
  uint8_t payload[32];
  Heya__Kinds__Chat__Command line = HEYA__KINDS__CHAT__COMMAND__INIT;
  Heya__Kinds__Chat__Say words = HEYA__KINDS__CHAT__SAY__INIT;
  words.text = (char[]){"here"};
  line.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  line.say = &words;
  visitor_command(visitor, request, seat->room, seat->number,
                  bytes_of(payload, heya__kinds__chat__command__pack(&line, payload)));
}

static void on_ack(struct many *many, struct seat *seat) {
  if (!seat || !seat->waits) return;
  seat->waits = false;
  many->last_us = clock_monotonic_us() - many->began_us;
  samples_add(many->acks, many->last_us);
  many->acked++;
}

static void on_error(struct visitor *visitor, const Heya__V1__Error *error, const struct seat *seat,
                     uint32_t request) {
  struct many *many = visitor->crowd->arg;
  if (error->code == HEYA__V1__ERROR__CODE__BUSY && seat && seat->waits) {
    say(visitor, seat, request); /* the answer is the pace */
    return;
  }
  many->refused++;
  printf("  refused: %s %s\n", error->room, error->message);
}

static void on_heard(struct visitor *visitor, const Heya__V1__ServerMessage *message) {
  struct many *many = visitor->crowd->arg;
  struct person *person = &many->people[visitor->index];
  uint32_t request = message->request;
  struct seat *seat = request && request <= EACH ? &person->seats[request - 1] : NULL;
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED:
    person->in++;
    join_more(visitor, person);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK: on_ack(many, seat); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR: on_error(visitor, message->error, seat, request); break;
  default: break;
  }
}

static bool is_spoilt(const struct many *many) {
  return many->crowd.lost || many->refused;
}

/* ---- the rooms ---- */

/* Names for so many rooms that all lie in partitions of this worker. */
static void name_rooms(struct many *many, unsigned worker) {
  struct servers_owner owners[SERVERS_PARTITIONS];
  char id[ROOM_ID_MAX + 1];
  stage_owners(&many->stage, owners);
  for (unsigned n = 0, i = 0; n < ROOMS; i++) {
    int len = snprintf(id, sizeof id, "chat/r%u", i);
    if (owners[room_partition(id, (size_t)len, SERVERS_PARTITIONS)].worker != worker) continue;
    memcpy(many->people[n / EACH].seats[n % EACH].room, id, (size_t)len + 1);
    n++;
  }
}

static bool all_in(void *arg) {
  const struct many *many = arg;
  unsigned in = 0;
  for (unsigned i = 0; i < PEOPLE; i++) in += many->people[i].in;
  return in == ROOMS || is_spoilt(many);
}

static bool move_in(struct many *many) {
  for (unsigned i = 0; i < PEOPLE; i++)
    many->people[i] = (struct person){.seats = xcalloc(EACH, sizeof *many->people[i].seats)};
  name_rooms(many, 0);
  many->crowd = (struct crowd){.heard = on_heard, .arg = many};
  if (!crowd_enter(&many->crowd, &many->stage, PEOPLE)) return false;
  for (unsigned i = 0; i < PEOPLE; i++) join_more(&many->crowd.visitors[i], &many->people[i]);
  return run_until(many->stage.loop, PATIENCE_S, all_in, many) && !is_spoilt(many);
}

/* ---- bursts ---- */

static bool all_acked(void *arg) {
  const struct many *many = arg;
  return many->acked == ROOMS || is_spoilt(many);
}

/* One command to each room. */
static bool burst(struct many *many, struct samples *acks, struct samples *last) {
  many->acked = 0;
  many->acks = acks;
  many->began_us = clock_monotonic_us();
  for (unsigned seat = 0; seat < EACH; seat++) {
    for (unsigned i = 0; i < PEOPLE; i++) {
      struct seat *here = &many->people[i].seats[seat];
      here->waits = true;
      here->number++;
      say(&many->crowd.visitors[i], here, seat + 1);
    }
  }
  bool fine = run_until(many->stage.loop, PATIENCE_S, all_acked, many) && !is_spoilt(many);
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
  many->refused = 0;
  bool fine = stage_open(stage);
  stage->servers.gateway_args = gateway_args;
  fine = fine && stage_start(stage, 2, 1) && move_in(many) && kill_owner(many, 0);
  crowd_leave(&many->crowd);
  for (unsigned i = 0; i < PEOPLE; i++) {
    free(many->people[i].seats);
    many->people[i].seats = NULL;
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
