/* See ghost.h. One poll over all clients; each is a small state machine. */
#include "tests/integration/ghost.h"

#include "common/clock.h"
#include "common/mem.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <poll.h>

#define SILENCE_MS       20000 /* nobody heard anything for so long: something is lost */
#define INCARNATIONS_MAX 65536
#define DISSOLVE_ONE_IN  3

enum ghost_state { OUT, JOINING, IN, LEAVING };

/* Entry ids compare by their numbers. */
struct incarnation {
  uint64_t parts[3];
};

struct ghost {
  struct player *player;
  enum ghost_state state;
  uint32_t request;
  uint64_t act_at_us;                /* OUT: joins then. IN: leaves then */
  uint64_t out_since, join_sent;     /* moments: the crowd's counter of what happened */
  struct incarnation incarnation;    /* of the room it is in, or was */
  struct incarnation newest_seen;    /* by anybody when it sent its join */
  uint64_t seq;                      /* of its Joined */
  bool snapshot[GHOST_CLIENTS];      /* who was in it */
  bool view[GHOST_CLIENTS];          /* who is there as far as it knows */
  uint64_t must_hear[GHOST_CLIENTS]; /* number of the newest join it has to hear of; 0: none */
  uint64_t has_heard[GHOST_CLIENTS];
  bool is_host;
};

struct crowd {
  struct cluster *cluster;
  struct crowd_options options;
  struct ghost ghosts[GHOST_CLIENTS];
  uint64_t moment, random, started, heard_us;
  struct incarnation newest, doomed; /* the newest one seen, and the newest that somebody asked to end */
  struct incarnation *made;          /* by a Joined with created */
  size_t made_count;
  bool stopping; /* no new joins */
  bool together; /* crowd_meet: nobody leaves before all are in */
  struct crowd_report *report;
};

static const char *const names[GHOST_CLIENTS] = {"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"};

static int index_of(const char *player) {
  cr_assert(player[0] == 'g' && player[1] >= '0' && player[1] < '0' + GHOST_CLIENTS && !player[2], "who is %s?",
            player);
  return player[1] - '0';
}

static struct incarnation incarnation_parse(const char *text) {
  struct incarnation parsed = {{0}};
  for (int i = 0; i < 3 && *text; i++) {
    char *end;
    parsed.parts[i] = strtoull(text, &end, 10);
    cr_assert(end > text, "an incarnation begins with an entry id");
    text = *end ? end + 1 : end;
  }
  return parsed;
}

static int incarnation_compare(struct incarnation a, struct incarnation b) {
  for (int i = 0; i < 3; i++)
    if (a.parts[i] != b.parts[i]) return a.parts[i] < b.parts[i] ? -1 : 1;
  return 0;
}

/* xorshift64 (Marsaglia, 2003); the spread matters, not the quality. */
static uint64_t draw(struct crowd *crowd, uint64_t below) {
  crowd->random ^= crowd->random << 13;
  crowd->random ^= crowd->random >> 7;
  crowd->random ^= crowd->random << 17;
  return below ? crowd->random % below : 0;
}

/* ---- the rules ---------------------------------------------------------------------------------------------------
 */

static void check_incarnation(struct crowd *crowd, const struct ghost *ghost, bool created) {
  cr_assert_geq(incarnation_compare(ghost->incarnation, ghost->newest_seen), 0,
                "%s got into a room that had ended before it asked", ghost->player->name);
  if (!created) return;
  for (size_t i = 0; i < crowd->made_count; i++)
    cr_assert_neq(incarnation_compare(crowd->made[i], ghost->incarnation), 0, "one room was made twice");
  cr_assert_lt(crowd->made_count, INCARNATIONS_MAX);
  crowd->made[crowd->made_count++] = ghost->incarnation;
  crowd->report->incarnations++;
}

/* `ghost` has just come in; `other` is surely in. */
static void check_pair(struct crowd *crowd, struct ghost *ghost, struct ghost *other) {
  cr_assert_eq(incarnation_compare(ghost->incarnation, other->incarnation), 0,
               "%s and %s are in two rooms of the same name at once", ghost->player->name, other->player->name);
  cr_assert_neq(ghost->seq, other->seq, "%s and %s came in by the same event", ghost->player->name,
                other->player->name);
  struct ghost *earlier = ghost->seq < other->seq ? ghost : other, *later = earlier == ghost ? other : ghost;
  int earlier_index = (int)(earlier - crowd->ghosts), later_index = (int)(later - crowd->ghosts);
  cr_assert(later->snapshot[earlier_index], "%s came after %s and does not see him", later->player->name,
            earlier->player->name);
  earlier->must_hear[later_index] = later->seq;
  crowd->report->overlaps++;
}

/* It holds a Joined, has not sent its leave, and nobody has asked to end the room. */
static bool surely_in(const struct crowd *crowd, const struct ghost *ghost) {
  return ghost->state == IN && incarnation_compare(ghost->incarnation, crowd->doomed) > 0;
}

static void check_newcomer(struct crowd *crowd, struct ghost *ghost) {
  for (unsigned i = 0; i < crowd->options.clients; i++) {
    struct ghost *other = &crowd->ghosts[i];
    if (other == ghost) continue;
    if (surely_in(crowd, ghost) && surely_in(crowd, other)) check_pair(crowd, ghost, other);
    if (other->state == OUT && other->out_since < ghost->join_sent)
      cr_assert_not(ghost->snapshot[i], "%s sees the ghost of %s", ghost->player->name, other->player->name);
  }
}

static void check_farewell(struct crowd *crowd, const struct ghost *ghost) {
  for (unsigned i = 0; i < crowd->options.clients; i++)
    cr_assert_leq(ghost->must_hear[i], ghost->has_heard[i], "%s was in together with %s and never heard of it",
                  ghost->player->name, names[i]);
}

/* ---- what is heard -----------------------------------------------------------------------------------------------
 */

static void go_out(struct crowd *crowd, struct ghost *ghost) {
  check_farewell(crowd, ghost);
  ghost->state = OUT;
  ghost->out_since = ++crowd->moment;
  ghost->act_at_us = clock_monotonic_us() + draw(crowd, 300);
  crowd->report->rounds++;
}

static void come_in(struct crowd *crowd, struct ghost *ghost, const Heya__V1__Joined *joined) {
  cr_assert_not(joined->returned, "%s had left", ghost->player->name);
  ghost->incarnation = incarnation_parse(joined->incarnation);
  ghost->seq = joined->seq;
  memset(ghost->snapshot, 0, sizeof ghost->snapshot);
  memset(ghost->must_hear, 0, sizeof ghost->must_hear);
  memset(ghost->has_heard, 0, sizeof ghost->has_heard);
  for (size_t i = 0; i < joined->snapshot->n_members; i++)
    ghost->snapshot[index_of(joined->snapshot->members[i]->player)] = true;
  memcpy(ghost->view, ghost->snapshot, sizeof ghost->view);
  cr_assert(ghost->snapshot[ghost - crowd->ghosts], "%s is not in its own room", ghost->player->name);
  ghost->state = IN;
  check_incarnation(crowd, ghost, joined->created);
  check_newcomer(crowd, ghost);
  if (incarnation_compare(ghost->incarnation, crowd->newest) > 0) crowd->newest = ghost->incarnation;
  crowd->moment++;
  ghost->is_host = strcmp(joined->snapshot->host, ghost->player->name) == 0;
  ghost->act_at_us = clock_monotonic_us() + draw(crowd, crowd->options.stay_ms * 1000 + 1);
}

static void hear_event(struct crowd *crowd, struct ghost *ghost, const Heya__V1__Event *event) {
  bool inside = ghost->state == IN || ghost->state == LEAVING;
  cr_assert(inside, "%s hears of a room it is not in", ghost->player->name);
  cr_assert_gt(event->seq, ghost->seq, "%s hears again what its snapshot contained", ghost->player->name);
  if (event->body_case == HEYA__V1__EVENT__BODY_HOST) ghost->is_host = strcmp(event->host, ghost->player->name) == 0;
  if (event->body_case == HEYA__V1__EVENT__BODY_JOINED) {
    int who = index_of(event->joined->player);
    cr_assert_not(ghost->view[who], "%s hears that %s joins, who is there", ghost->player->name, names[who]);
    ghost->view[who] = true;
    ghost->has_heard[who] = event->seq;
  }
  if (event->body_case == HEYA__V1__EVENT__BODY_MEMBER_LEFT) {
    int who = index_of(event->member_left->player);
    const struct ghost *other = &crowd->ghosts[who];
    bool is_in = surely_in(crowd, other) && event->seq > other->seq &&
                 incarnation_compare(other->incarnation, ghost->incarnation) == 0;
    cr_assert_not(is_in && other != ghost, "%s hears that %s left, who is in", ghost->player->name, names[who]);
    cr_assert(ghost->view[who], "%s hears that %s left, who was not there", ghost->player->name, names[who]);
    ghost->view[who] = false;
  }
}

static void hear_answer(struct crowd *crowd, struct ghost *ghost, const Heya__V1__ServerMessage *message) {
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED:
    cr_assert_eq(ghost->state, JOINING);
    come_in(crowd, ghost, message->joined);
    return;
  case HEYA__V1__SERVER_MESSAGE__BODY_LEFT:
    if (ghost->state == OUT && crowd->options.dissolve) return; /* the end of the room was heard first */
    cr_assert_eq(ghost->state, LEAVING);
    go_out(crowd, ghost);
    return;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR:
    /* The room ended while this was on its way; its Detached, before or after, is the way out. */
    cr_assert(crowd->options.dissolve && message->error->code != HEYA__V1__ERROR__CODE__INTERNAL,
              "%s gets an error: %s", ghost->player->name, message->error->message);
    if (ghost->state == JOINING) {
      ghost->state = OUT;
      ghost->act_at_us = clock_monotonic_us() + 1000;
    }
    return;
  default: return;
  }
}

/* In LEAVING the room may have ended first: then the answer to the leave is an error, and this is the way out. */
static void hear_detached(struct crowd *crowd, struct ghost *ghost, const Heya__V1__Detached *detached) {
  cr_assert(crowd->options.dissolve && detached->reason == HEYA__V1__ERROR__CODE__ROOM_CLOSED,
            "%s is put out of the room for reason %d", ghost->player->name, (int)detached->reason);
  if (ghost->state == IN || ghost->state == LEAVING) go_out(crowd, ghost);
}

static void hear(struct crowd *crowd, struct ghost *ghost) {
  cr_assert(player_pump(ghost->player), "%s lost its connection", ghost->player->name);
  for (size_t i = 0; i < ghost->player->log_count; i++) {
    const Heya__V1__ServerMessage *message = ghost->player->log[i].message;
    crowd->heard_us = clock_monotonic_us();
    if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT)
      hear_event(crowd, ghost, message->event);
    else if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_DETACHED)
      hear_detached(crowd, ghost, message->detached);
    else if (message->request == ghost->request)
      hear_answer(crowd, ghost, message);
  }
  player_forget(ghost->player);
}

/* ---- what is done ------------------------------------------------------------------------------------------------
 */

static void send_join(struct crowd *crowd, struct ghost *ghost) {
  struct player_payload options;
  bool live = strncmp(crowd->options.room, "live/", 5) == 0;
  struct bytes none = bytes_of(NULL, 0);
  ghost->request = player_send_join(ghost->player, crowd->options.room, true,
                                    live ? player_live_options(&options, 1, 0) : none, none);
  ghost->state = JOINING;
  ghost->join_sent = ++crowd->moment;
  ghost->newest_seen = crowd->newest;
  crowd->started++;
}

static void send_leave(struct crowd *crowd, struct ghost *ghost) {
  struct player_payload payload;
  crowd->moment++;
  ghost->state = LEAVING;
  if (crowd->options.dissolve && ghost->is_host && draw(crowd, DISSOLVE_ONE_IN) == 0) {
    if (incarnation_compare(ghost->incarnation, crowd->doomed) > 0) crowd->doomed = ghost->incarnation;
    crowd->report->dissolved++;
    player_send_command(ghost->player, crowd->options.room, 0, player_dissolve_payload(&payload));
  }
  ghost->request = player_send_leave(ghost->player, crowd->options.room);
}

static unsigned count_in(const struct crowd *crowd) {
  unsigned count = 0;
  for (unsigned i = 0; i < crowd->options.clients; i++) count += crowd->ghosts[i].state == IN;
  return count;
}

static void act(struct crowd *crowd, struct ghost *ghost, uint64_t now_us) {
  if (ghost->act_at_us > now_us) return;
  if (ghost->state == OUT && !crowd->stopping) send_join(crowd, ghost);
  if (ghost->state == IN && (!crowd->together || crowd->stopping)) send_leave(crowd, ghost);
}

static void wait_for_any(const struct crowd *crowd) {
  struct pollfd fds[GHOST_CLIENTS];
  uint64_t now_us = clock_monotonic_us(), next_us = now_us + 50000;
  for (unsigned i = 0; i < crowd->options.clients; i++) {
    const struct ghost *ghost = &crowd->ghosts[i];
    bool acts =
        (ghost->state == OUT && !crowd->stopping) || (ghost->state == IN && (!crowd->together || crowd->stopping));
    if (acts && ghost->act_at_us < next_us) next_us = ghost->act_at_us;
    fds[i] = (struct pollfd){.fd = wsclient_fd(ghost->player->socket), .events = POLLIN};
  }
  poll(fds, crowd->options.clients, next_us <= now_us ? 0 : (int)((next_us - now_us) / 1000) + 1);
}

static bool all_out(const struct crowd *crowd) {
  for (unsigned i = 0; i < crowd->options.clients; i++)
    if (crowd->ghosts[i].state != OUT) return false;
  return true;
}

static void turn(struct crowd *crowd) {
  wait_for_any(crowd);
  for (unsigned i = 0; i < crowd->options.clients; i++) {
    hear(crowd, &crowd->ghosts[i]);
    act(crowd, &crowd->ghosts[i], clock_monotonic_us());
  }
  uint64_t silent_ms = (clock_monotonic_us() - crowd->heard_us) / 1000;
  cr_assert_lt(silent_ms, wait_patience_ms(SILENCE_MS), "an answer is lost");
}

static void begin(struct crowd *crowd, struct crowd_report *report) {
  crowd->report = report;
  crowd->started = 0;
  crowd->stopping = false;
  crowd->heard_us = clock_monotonic_us();
}

void crowd_run(struct crowd *crowd, uint64_t rounds, struct crowd_report *report) {
  begin(crowd, report);
  do {
    if (crowd->started >= rounds) crowd->stopping = true;
    turn(crowd);
  } while (!crowd->stopping || !all_out(crowd));
}

void crowd_meet(struct crowd *crowd, uint64_t at_ms, struct crowd_report *report) {
  uint64_t patience = wait_deadline(60000);
  while (redis_now_ms(cluster_redis(crowd->cluster)) < at_ms) cr_assert(wait_left(patience));
  begin(crowd, report);
  crowd->together = true;
  while (!crowd->stopping || !all_out(crowd)) {
    turn(crowd);
    if (count_in(crowd) == crowd->options.clients) crowd->stopping = true;
  }
  crowd->together = false;
}

struct crowd *crowd_create(struct cluster *cluster, const struct crowd_options *options) {
  struct crowd *crowd = xcalloc(1, sizeof *crowd);
  crowd->cluster = cluster;
  crowd->options = *options;
  crowd->random = clock_monotonic_us() | 1;
  crowd->made = xcalloc(INCARNATIONS_MAX, sizeof *crowd->made);
  for (unsigned i = 0; i < options->clients; i++)
    crowd->ghosts[i].player = cluster_player(cluster, (int)(i % 2), names[i]);
  for (unsigned i = 0; i < options->clients; i++) player_forget(crowd->ghosts[i].player);
  return crowd;
}

void crowd_destroy(struct crowd *crowd) {
  free(crowd->made);
  free(crowd);
}
