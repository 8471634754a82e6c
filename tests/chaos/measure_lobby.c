/* A crowd that looks for rooms in one lobby, through two gateways. `quick`: all ask at once for a place in a room of
 * four, again and again; then there are exactly so many full rooms. `match`: people of different skills, some in
 * parties, while the lobby's worker is killed; then everybody has one room, with his party and with people within the
 * range that he had grown to. All go where they are sent, and in the end Redis says who is there. */
#include "tests/chaos/crowd.h"
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/kinds/lobby.pb-c.h"
#include "proto/names.h"
#include "proto/pb.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOBBY       "lobby/main"
#define QUICK       200 /* players */
#define MATCHED     1000
#define ROOM_SIZE   4
#define SKILLS      2000
#define RANGE       5
#define WIDEN_PER_S 100
#define PATIENCE_S  60

#define REFUSALS_SHOWN 5

static const char *const gateway_args[] = {"--message-rate", "0", NULL};

enum request { ENTER = 1, ASK, GO, CANCEL, LEAVE };

struct seeker {
  char room[ROOM_ID_MAX + 1]; /* "": not matched */
  uint32_t number;            /* of his last command to the lobby */
  uint64_t asked_us, matched_us;
  int32_t skill;
  unsigned leader; /* of his party, himself if there is no other */
};

struct lounge {
  struct stage stage;
  struct crowd crowd;
  struct seeker *seekers; /* owned */
  unsigned answered;      /* of the requests that are made together */
  unsigned expected;
  unsigned matched, inside, repeated, elsewhere, refused;
  char mode[24];
};

/* ---- talking ---- */

static void say(struct lounge *lounge, unsigned index, enum request request, Heya__Kinds__Lobby__Command *command) {
  uint8_t data[512];
  visitor_command(&lounge->crowd.visitors[index], request, LOBBY, ++lounge->seekers[index].number,
                  bytes_of(data, heya__kinds__lobby__command__pack(command, data)));
}

static void ask_quick(struct lounge *lounge, unsigned index) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Quick quick = HEYA__KINDS__LOBBY__QUICK__INIT;
  quick.kind = pb_text("chat");
  quick.max_members = ROOM_SIZE;
  quick.mode = lounge->mode;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_QUICK;
  command.quick = &quick;
  say(lounge, index, ASK, &command);
}

static void ask_match(struct lounge *lounge, unsigned index) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Enqueue enqueue = HEYA__KINDS__LOBBY__ENQUEUE__INIT;
  struct seeker *seekers = lounge->seekers;
  char *party[ROOM_SIZE];
  enqueue.kind = pb_text("chat");
  enqueue.size = ROOM_SIZE;
  enqueue.skill = seekers[index].skill;
  enqueue.range = RANGE;
  enqueue.widen_per_s = WIDEN_PER_S;
  enqueue.mode = lounge->mode;
  enqueue.party = party;
  for (unsigned i = index + 1; i < lounge->crowd.n && seekers[i].leader == index; i++)
    party[enqueue.n_party++] = lounge->crowd.visitors[i].name;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_ENQUEUE;
  command.enqueue = &enqueue;
  for (unsigned i = index; i < lounge->crowd.n && seekers[i].leader == index; i++)
    seekers[i].asked_us = clock_monotonic_us();
  say(lounge, index, ASK, &command);
}

static void cancel(struct lounge *lounge, unsigned index) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Cancel body = HEYA__KINDS__LOBBY__CANCEL__INIT;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_CANCEL;
  command.cancel = &body;
  say(lounge, index, CANCEL, &command);
}

/* ---- hearing ---- */

/* He goes there at once: his seat is not kept for long. */
static void on_matched(struct visitor *visitor, const Heya__Kinds__Lobby__Matched *matched) {
  struct lounge *lounge = visitor->crowd->arg;
  struct seeker *seeker = &lounge->seekers[visitor->index];
  if (strcmp(matched->mode, lounge->mode) != 0) return;
  if (*seeker->room) {
    if (strcmp(seeker->room, matched->room) != 0) lounge->elsewhere++;
    lounge->repeated++;
    return;
  }
  snprintf(seeker->room, sizeof seeker->room, "%s", matched->room);
  seeker->matched_us = clock_monotonic_us();
  lounge->matched++;
  visitor_join(visitor, GO, seeker->room, false, bytes_of(NULL, 0));
}

static void on_event(struct visitor *visitor, const Heya__V1__Event *event) {
  if (event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD || strcmp(event->room, LOBBY) != 0) return;
  Heya__Kinds__Lobby__Event *said = heya__kinds__lobby__event__unpack(NULL, event->payload.len, event->payload.data);
  if (said && said->body_case == HEYA__KINDS__LOBBY__EVENT__BODY_MATCHED) on_matched(visitor, said->matched);
  if (said) heya__kinds__lobby__event__free_unpacked(said, NULL);
}

static void on_heard(struct visitor *visitor, const Heya__V1__ServerMessage *message) {
  struct lounge *lounge = visitor->crowd->arg;
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: on_event(visitor, message->event); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR:
    if (lounge->refused++ < REFUSALS_SHOWN)
      printf("  refused: %s in %s: %s\n", visitor->name, message->error->room, message->error->message);
    break;
  default:
    lounge->inside += message->request == GO;
    lounge->answered += message->request != 0 && message->request != GO;
  }
}

static bool is_spoilt(const struct lounge *lounge) {
  return lounge->crowd.lost || lounge->refused || lounge->elsewhere;
}

static bool all_answered(void *arg) {
  const struct lounge *lounge = arg;
  return lounge->answered >= lounge->expected || is_spoilt(lounge);
}

static bool await_answers(struct lounge *lounge, unsigned n) {
  lounge->expected = n;
  bool fine = run_until(lounge->stage.loop, PATIENCE_S, all_answered, lounge) && !is_spoilt(lounge);
  if (!fine) printf("  only %u of %u requests are answered\n", lounge->answered, n);
  lounge->answered = 0;
  return fine;
}

static bool all_inside(void *arg) {
  const struct lounge *lounge = arg;
  return lounge->inside == lounge->crowd.n || is_spoilt(lounge);
}

static bool await_inside(struct lounge *lounge) {
  bool fine = run_until(lounge->stage.loop, PATIENCE_S, all_inside, lounge) && !is_spoilt(lounge);
  if (!fine)
    printf("  of %u players only %u are matched and %u in their rooms\n", lounge->crowd.n, lounge->matched,
           lounge->inside);
  return fine;
}

/* ---- where they are ---- */

/* The members of a room, as Redis has it in its record. */
static long members_of(struct lounge *lounge, const char *room) {
  redisReply *reply = redisCommand(lounge->stage.redis, "HGET heya:room:%s members", room);
  long members = reply && reply->type == REDIS_REPLY_STRING ? strtol(reply->str, NULL, 10) : -1;
  if (reply) freeReplyObject(reply);
  return members;
}

static int by_room(const void *a, const void *b) {
  const struct seeker *const *x = a, *const *y = b;
  return strcmp((*x)->room, (*y)->room);
}

static uint64_t range_of(const struct seeker *seeker) {
  return RANGE + (seeker->matched_us - seeker->asked_us) * WIDEN_PER_S / 1000000 + 1;
}

/* Both have grown to reach the other. */
static bool reach_each_other(const struct seeker *a, const struct seeker *b) {
  uint64_t apart = (uint64_t)labs((long)a->skill - b->skill);
  return apart <= range_of(a) && apart <= range_of(b);
}

/* There are exactly as many rooms as there must be, each of them full. */
static bool check_rooms(struct lounge *lounge) {
  unsigned n = lounge->crowd.n, rooms = 0, wrong = 0;
  const struct seeker **sorted = xcalloc(n, sizeof *sorted);
  for (unsigned i = 0; i < n; i++) sorted[i] = &lounge->seekers[i];
  qsort(sorted, n, sizeof *sorted, by_room);
  for (unsigned i = 0; i < n; i++) {
    if (i && by_room(&sorted[i - 1], &sorted[i]) == 0) continue;
    rooms++;
    if (i + ROOM_SIZE <= n && by_room(&sorted[i], &sorted[i + ROOM_SIZE - 1]) == 0 &&
        members_of(lounge, sorted[i]->room) == ROOM_SIZE)
      continue;
    printf("  %s has %ld members\n", sorted[i]->room, members_of(lounge, sorted[i]->room));
    wrong++;
  }
  free(sorted);
  if (rooms != n / ROOM_SIZE) printf("  %u rooms instead of %u\n", rooms, n / ROOM_SIZE);
  return !wrong && rooms == n / ROOM_SIZE;
}

static bool check_company(const struct lounge *lounge) {
  const struct seeker *seekers = lounge->seekers;
  unsigned parted = 0, out_of_range = 0;
  for (unsigned i = 0; i < lounge->crowd.n; i++) {
    parted += strcmp(seekers[i].room, seekers[seekers[i].leader].room) != 0;
    for (unsigned j = 0; j < i; j++)
      out_of_range += strcmp(seekers[i].room, seekers[j].room) == 0 && !reach_each_other(&seekers[i], &seekers[j]);
  }
  if (parted || out_of_range)
    printf("  %u are parted from their party, %u pairs are out of range\n", parted, out_of_range);
  return !parted && !out_of_range;
}

/* ---- coming and going ---- */

static bool gather(struct lounge *lounge, unsigned workers, unsigned players) {
  *lounge = (struct lounge){.seekers = xcalloc(players, sizeof *lounge->seekers)};
  bool fine = stage_open(&lounge->stage);
  lounge->stage.servers.gateway_args = gateway_args;
  fine = fine && stage_start(&lounge->stage, workers, 2);
  lounge->crowd = (struct crowd){.heard = on_heard, .arg = lounge};
  if (!fine || !crowd_enter(&lounge->crowd, &lounge->stage, players)) return false;
  for (unsigned i = 0; i < players; i++)
    visitor_join(&lounge->crowd.visitors[i], ENTER, LOBBY, true, bytes_of(NULL, 0));
  return await_answers(lounge, players);
}

static void part(struct lounge *lounge, bool fine) {
  crowd_leave(&lounge->crowd);
  free(lounge->seekers);
  lounge->stage.servers.keep_dir = !fine;
  stage_close(&lounge->stage);
}

static bool leave_rooms(struct lounge *lounge) {
  for (unsigned i = 0; i < lounge->crowd.n; i++) {
    cancel(lounge, i);
    visitor_leave(&lounge->crowd.visitors[i], LEAVE, lounge->seekers[i].room);
    *lounge->seekers[i].room = '\0';
  }
  lounge->matched = lounge->inside = 0;
  return await_answers(lounge, lounge->crowd.n * 2);
}

/* ---- quick ---- */

static bool all_ask(struct lounge *lounge, uint32_t round, struct samples *took) {
  unsigned n = lounge->crowd.n;
  snprintf(lounge->mode, sizeof lounge->mode, "round-%" PRIu32, round);
  uint64_t began_us = clock_monotonic_us();
  for (unsigned i = 0; i < n; i++) ask_quick(lounge, i);
  if (!await_answers(lounge, n) || !await_inside(lounge)) return false;
  for (unsigned i = 0; i < n; i++) samples_add(took, lounge->seekers[i].matched_us - began_us);
  return check_rooms(lounge) && leave_rooms(lounge);
}

bool measure_quick(uint32_t times, unsigned seed) {
  static struct lounge lounge;
  struct samples took = {0};
  uint32_t round = 0;
  (void)seed;
  bool fine = gather(&lounge, 2, QUICK);
  while (fine && round < times) fine = all_ask(&lounge, round, &took) && ++round;
  printf("  %" PRIu32 " times in a row: %d players at once, through two gateways, two workers: exactly %d rooms with "
         "%d members each\n",
         round, QUICK, QUICK / ROOM_SIZE, ROOM_SIZE);
  samples_print_header();
  samples_print(&took, "to ask until one is told one's room");
  samples_close(&took);
  part(&lounge, fine);
  return fine;
}

/* ---- match ---- */

/* Of ten players four come in twos: no larger parties, so that the last to wait can always be grouped. Skills pile up
 * in the middle. */
static void draw_people(struct lounge *lounge, unsigned seed) {
  srand(seed);
  for (unsigned i = 0; i < lounge->crowd.n; i++) {
    struct seeker *seeker = &lounge->seekers[i];
    seeker->leader = i - (i % 10 == 1 || i % 10 == 5);
    seeker->skill = (rand() % SKILLS + rand() % SKILLS) / 2;
    seeker->skill = lounge->seekers[seeker->leader].skill;
  }
}

static unsigned lobbys_worker(struct lounge *lounge) {
  struct servers_owner owners[SERVERS_PARTITIONS];
  stage_owners(&lounge->stage, owners);
  return owners[room_partition(LOBBY, strlen(LOBBY), SERVERS_PARTITIONS)].worker;
}

static bool half_answered(void *arg) {
  const struct lounge *lounge = arg;
  return lounge->answered >= lounge->expected / 2 || is_spoilt(lounge);
}

static bool half_matched(void *arg) {
  const struct lounge *lounge = arg;
  return lounge->matched >= lounge->crowd.n / 2 || is_spoilt(lounge);
}

/* The lobby's worker dies when half of all have been told that they wait, and the next one when half are matched. */
static bool all_wait(struct lounge *lounge) {
  unsigned asked = 0, owner = lobbys_worker(lounge);
  snprintf(lounge->mode, sizeof lounge->mode, "ranked");
  for (unsigned i = 0; i < lounge->crowd.n; i++) {
    if (lounge->seekers[i].leader != i) continue;
    ask_match(lounge, i);
    asked++;
  }
  lounge->expected = asked;
  if (!run_until(lounge->stage.loop, PATIENCE_S, half_answered, lounge)) return false;
  servers_kill(&lounge->stage.servers.workers[owner]);
  if (!await_answers(lounge, asked)) return false;
  if (!run_until(lounge->stage.loop, PATIENCE_S, half_matched, lounge)) return false;
  owner = lobbys_worker(lounge);
  if (owner == SERVERS_NOBODY) return false;
  servers_kill(&lounge->stage.servers.workers[owner]);
  return await_inside(lounge);
}

static bool match_once(unsigned seed, struct samples *took, unsigned *repeated) {
  static struct lounge lounge;
  bool fine = gather(&lounge, 3, MATCHED);
  if (fine) draw_people(&lounge, seed);
  fine = fine && all_wait(&lounge) && check_rooms(&lounge) && check_company(&lounge);
  for (unsigned i = 0; fine && i < MATCHED; i++)
    samples_add(took, lounge.seekers[i].matched_us - lounge.seekers[i].asked_us);
  *repeated += lounge.repeated;
  part(&lounge, fine);
  return fine;
}

bool measure_match(uint32_t times, unsigned seed) {
  struct samples took = {0};
  unsigned repeated = 0, done = 0;
  bool fine = true;
  while (fine && done < times) fine = match_once(seed + done, &took, &repeated) && ++done;
  printf("  %u times: %d players, of whom four in ten are in parties of two; the lobby's worker was killed twice "
         "meanwhile.\n"
         "  All matched, once (told again: %u times), into %d rooms of %d, parties together, nobody out of range\n",
         done, MATCHED, repeated, MATCHED / ROOM_SIZE, ROOM_SIZE);
  samples_print_header();
  samples_print(&took, "to wait until one is told one's room");
  samples_close(&took);
  return fine;
}
