/* The fixed-rate loop under a full house: very many arenas on one worker, at two rates, a tenth of them with four
 * fighters who run to and fro; in the others one stands still, so that they live. How many frames the worker runs,
 * how punctually they begin, whether the schedule drifts, and what it costs. */
#include "tests/chaos/crowd.h"
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"
#include "tests/support/usage.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/kinds/arena.pb-c.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW       1000 /* rooms */
#define FAST       200
#define ROOMS      (SLOW + FAST)
#define SLOW_HZ    10
#define FAST_HZ    60
#define FRAMES_HZ  (SLOW * SLOW_HZ + FAST * FAST_HZ)
#define EACH_TENTH 10 /* room has fighters who move */
#define FIGHTERS   4
#define RUNNERS    40 /* connections of those who move */
#define KEEPERS    20 /* and of those who stand in the other rooms */
#define BATCH      50 /* joins of a connection at a time */
#define SECONDS    60
#define EDGE_US    5000000 /* at both ends of that, where drift is looked for */
#define TURN_S     0.1     /* a tenth of the runners turns each time */
#define PATIENCE_S 60

static const char *const gateway_args[] = {
    "--max-rooms", "1000", "--message-rate", "0", "--max-output-bytes", "64m", "--waiting-bytes", "64m", NULL};

struct stand { /* of somebody in a room */
  unsigned room;
  uint32_t number; /* of the last command */
};

struct guest {
  struct stand *stands; /* owned */
  unsigned n, asked, in;
};

struct arena_room {
  uint64_t first, last, heard; /* frames, by number */
  uint64_t first_us, last_us;
  int64_t early_us, late_us; /* the least time that a frame took to arrive, at the begin and at the end; see offset */
};

struct arrival {
  unsigned room;
  int64_t offset_us;
};

struct house {
  struct stage stage;
  struct crowd crowd;
  const char *kind;
  struct guest guests[RUNNERS + KEEPERS];
  struct arena_room rooms[ROOMS];
  struct arrival *arrivals; /* owned */
  size_t n_arrivals, cap_arrivals;
  uint64_t began_us; /* 0: nothing is counted */
  uint64_t commands, acks;
  unsigned in, refused, turn;
  ev_timer turning;
};

static uint32_t hz_of(unsigned room) {
  return room < SLOW ? SLOW_HZ : FAST_HZ;
}

static bool moves(unsigned room) {
  return room % EACH_TENTH == 0;
}

static const char *room_name(const struct house *house, unsigned room, char out[32]) {
  snprintf(out, 32, "%s/m%u", house->kind, room);
  return out;
}

/* ---- coming in ---- */

static void stand_in(struct guest *guest, unsigned room) {
  guest->stands = xrealloc(guest->stands, (guest->n + 1) * sizeof *guest->stands);
  guest->stands[guest->n++] = (struct stand){.room = room};
}

/* Who goes where: four runners to each room that moves, one keeper to each other. */
static void seat_guests(struct house *house) {
  unsigned runner = 0, keeper = 0;
  memset(house->guests, 0, sizeof house->guests);
  for (unsigned room = 0; room < ROOMS; room++) {
    if (!moves(room)) stand_in(&house->guests[RUNNERS + keeper++ % KEEPERS], room);
    for (unsigned i = 0; moves(room) && i < FIGHTERS; i++) stand_in(&house->guests[runner++ % RUNNERS], room);
  }
}

static void join_more(struct visitor *visitor, struct house *house) {
  struct guest *guest = &house->guests[visitor->index];
  while (guest->asked < guest->n && guest->asked < guest->in + BATCH) {
    uint8_t data[32];
    char name[32];
    Heya__Kinds__Arena__Options options = HEYA__KINDS__ARENA__OPTIONS__INIT;
    unsigned room = guest->stands[guest->asked++].room;
    options.tick_hz = hz_of(room);
    options.width = options.height = 1000; /* nobody meets a wall for long */
    visitor_join(visitor, guest->asked, room_name(house, room, name), true,
                 bytes_of(data, heya__kinds__arena__options__pack(&options, data)));
  }
}

/* ---- running ---- */

static void run_along(struct visitor *visitor, struct stand *stand) {
  uint8_t data[64];
  char name[32];
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Move move = HEYA__KINDS__ARENA__MOVE__INIT;
  struct house *house = visitor->crowd->arg;
  stand->number++;
  move.x = stand->number % 2 ? 0.8f : -0.8f;
  move.y = stand->number % 2 ? 0.6f : -0.6f;
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_MOVE;
  command.move = &move;
  visitor_command(visitor, 0, room_name(house, stand->room, name), stand->number,
                  bytes_of(data, heya__kinds__arena__command__pack(&command, data)));
  house->commands++;
}

/* Each runner turns round once a second, a tenth of them at a time. */
static void on_turn(struct ev_loop *loop, ev_timer *timer, int events) {
  struct house *house = timer->data;
  (void)loop, (void)events;
  for (unsigned i = house->turn; i < RUNNERS; i += EACH_TENTH)
    for (unsigned j = 0; j < house->guests[i].n; j++)
      run_along(&house->crowd.visitors[i], &house->guests[i].stands[j]);
  house->turn = (house->turn + 1) % EACH_TENTH;
}

/* ---- hearing ---- */

/* Between when the frame was due, had the room been made at time 0 of our clock, and when it came. What differs from
 * room to room is constant, so that the least of a room tells how late its others are, and whether it drifts. */
static int64_t offset(uint64_t at_us, uint64_t frame, uint32_t hz) {
  return (int64_t)at_us - (int64_t)(frame * 1000000 / hz);
}

static void on_frame(struct house *house, unsigned number, uint64_t frame) {
  struct arena_room *room = &house->rooms[number];
  uint64_t now_us = clock_monotonic_us(), since_us = now_us - house->began_us;
  int64_t offset_us = offset(now_us, frame, hz_of(number));
  if (!room->heard) *room = (struct arena_room){frame, frame, 0, now_us, now_us, INT64_MAX, INT64_MAX};
  room->heard++;
  room->last = frame;
  room->last_us = now_us;
  if (since_us < EDGE_US && offset_us < room->early_us) room->early_us = offset_us;
  if (since_us > SECONDS * UINT64_C(1000000) - EDGE_US && offset_us < room->late_us) room->late_us = offset_us;
  if (house->n_arrivals == house->cap_arrivals) {
    house->cap_arrivals = house->cap_arrivals ? house->cap_arrivals * 2 : 65536;
    house->arrivals = xrealloc(house->arrivals, house->cap_arrivals * sizeof *house->arrivals);
  }
  house->arrivals[house->n_arrivals++] = (struct arrival){number, offset_us};
}

/* Only one of a room's fighters listens. */
static void on_event(struct visitor *visitor, struct house *house, const Heya__V1__Event *event) {
  if (!house->began_us || visitor->index % FIGHTERS || event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) return;
  const char *number = strrchr(event->room, '/');
  Heya__Kinds__Arena__Event *said = heya__kinds__arena__event__unpack(NULL, event->payload.len, event->payload.data);
  if (said && number && said->body_case == HEYA__KINDS__ARENA__EVENT__BODY_FRAME)
    on_frame(house, (unsigned)strtoul(number + 2, NULL, 10) % ROOMS, said->frame->number);
  if (said) heya__kinds__arena__event__free_unpacked(said, NULL);
}

static void on_heard(struct visitor *visitor, const Heya__V1__ServerMessage *message) {
  struct house *house = visitor->crowd->arg;
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED:
    house->in++;
    house->guests[visitor->index].in++;
    join_more(visitor, house);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK: house->acks++; break;
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: on_event(visitor, house, message->event); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR:
    house->refused++;
    printf("  refused: %s %s\n", message->error->room, message->error->message);
    break;
  default: break;
  }
}

/* ---- the verdict ---- */

static void print_rooms(struct house *house) {
  struct samples late = {0};
  uint64_t heard = 0, missing = 0;
  double most_off = 0, drift_us = 0;
  int64_t least_us[ROOMS];
  for (unsigned i = 0; i < ROOMS; i++) least_us[i] = INT64_MAX;
  for (size_t i = 0; i < house->n_arrivals; i++) {
    const struct arrival *arrival = &house->arrivals[i];
    if (arrival->offset_us < least_us[arrival->room]) least_us[arrival->room] = arrival->offset_us;
  }
  for (size_t i = 0; i < house->n_arrivals; i++)
    samples_add(&late, (uint64_t)(house->arrivals[i].offset_us - least_us[house->arrivals[i].room]));
  for (unsigned i = 0; i < ROOMS; i += EACH_TENTH) {
    const struct arena_room *room = &house->rooms[i];
    double passed_s = (double)(room->last_us - room->first_us) / 1e6;
    most_off = fmax(most_off, fabs((double)(room->last - room->first) - passed_s * hz_of(i)));
    drift_us = fmax(drift_us, fabs((double)(room->late_us - room->early_us)));
    heard += room->heard;
    missing += room->last - room->first + 1 - room->heard;
  }
  printf("  of the %d rooms that move: %" PRIu64 " frames heard, %" PRIu64
         " missing; against rate x time off by %.2f frames at most; drift over %d s %.2f ms at most\n",
         ROOMS / EACH_TENTH, heard, missing, most_off, SECONDS, drift_us / 1000);
  samples_print_header();
  samples_print(&late, "a frame is heard later than the promptest of its room");
  samples_close(&late);
}

static void print_worker(const struct usage *before, const struct usage *after, const char *kind) {
  double passed_s = (double)(after->at_us - before->at_us) / 1e6;
  printf("  %s: %.1f frames a second run of %d; in %.1f s skipped %.0f, late by a whole frame %.0f, slow %.0f\n",
         kind, usage_grown(before, after, "heya_worker_frames_total") / passed_s, FRAMES_HZ, passed_s,
         usage_grown(before, after, "heya_worker_frames_skipped_total"),
         usage_grown(before, after, "heya_worker_frames_late_total"),
         usage_grown(before, after, "heya_worker_frames_slow_total"));
  printf("  frames begin after their time: half of them less than %g ms, 99 %% less than %g ms, 99.9 %% less than %g "
         "ms; they take: half less than %g ms, 99 %% less than %g ms\n",
         usage_below(before, after, "heya_worker_frame_delay_seconds", 0.5) * 1000,
         usage_below(before, after, "heya_worker_frame_delay_seconds", 0.99) * 1000,
         usage_below(before, after, "heya_worker_frame_delay_seconds", 0.999) * 1000,
         usage_below(before, after, "heya_worker_frame_seconds", 0.5) * 1000,
         usage_below(before, after, "heya_worker_frame_seconds", 0.99) * 1000);
}

/* ---- an evening ---- */

static bool all_in(void *arg) {
  const struct house *house = arg;
  return house->in == ROOMS - ROOMS / EACH_TENTH + ROOMS / EACH_TENTH * FIGHTERS || house->crowd.lost ||
         house->refused;
}

static bool move_in(struct house *house) {
  seat_guests(house);
  house->crowd = (struct crowd){.heard = on_heard, .arg = house};
  if (!crowd_enter(&house->crowd, &house->stage, RUNNERS + KEEPERS)) return false;
  for (unsigned i = 0; i < house->crowd.n; i++) join_more(&house->crowd.visitors[i], house);
  return run_until(house->stage.loop, PATIENCE_S, all_in, house) && !house->crowd.lost && !house->refused;
}

static bool over(void *arg) {
  const struct house *house = arg;
  return house->crowd.lost || house->refused;
}

static bool watch(struct house *house) {
  struct stage *stage = &house->stage;
  const struct server *servers[] = {&stage->servers.workers[0], &stage->servers.gateways[0],
                                    &stage->servers.redis[0]};
  struct usage before[3], after[3];
  bool fine = true;
  ev_timer_init(&house->turning, on_turn, 0., TURN_S);
  house->turning.data = house;
  ev_timer_start(stage->loop, &house->turning);
  run_until(stage->loop, 3, over, house);
  for (unsigned i = 0; i < 3; i++) fine = usage_read(&before[i], servers[i]) && fine;
  house->commands = house->acks = 0;
  house->began_us = clock_monotonic_us();
  fine = !run_until(stage->loop, SECONDS, over, house) && fine;
  for (unsigned i = 0; i < 3; i++) fine = usage_read(&after[i], servers[i]) && fine;
  house->began_us = 0;
  ev_timer_stop(stage->loop, &house->turning);
  if (fine) {
    print_worker(&before[0], &after[0], house->kind);
    print_rooms(house);
    printf("  %" PRIu64 " commands, %" PRIu64
           " acknowledged; processors busy: worker %.2f, gateway %.2f, Redis %.2f\n",
           house->commands, house->acks, usage_cpus(&before[0], &after[0]), usage_cpus(&before[1], &after[1]),
           usage_cpus(&before[2], &after[2]));
  }
  for (unsigned i = 0; i < 3; i++) usage_close(&before[i]), usage_close(&after[i]);
  return fine;
}

static bool evening(const char *kind) {
  static struct house house;
  house = (struct house){.kind = kind};
  bool fine = stage_open(&house.stage);
  house.stage.servers.gateway_args = gateway_args;
  fine = fine && stage_start(&house.stage, 1, 1) && move_in(&house) && watch(&house);
  crowd_leave(&house.crowd);
  for (unsigned i = 0; i < RUNNERS + KEEPERS; i++) free(house.guests[i].stands);
  free(house.arrivals);
  house.stage.servers.keep_dir = !fine;
  stage_close(&house.stage);
  return fine;
}

bool measure_arena(uint32_t times, unsigned seed) {
  bool fine = true;
  (void)seed;
  printf("  %d rooms at %d Hz and %d at %d Hz on one worker; in each tenth one four who move, in the others one who "
         "stands\n",
         SLOW, SLOW_HZ, FAST, FAST_HZ);
  for (uint32_t i = 0; fine && i < times; i++) fine = evening("arena") && evening("skirmish");
  return fine;
}
