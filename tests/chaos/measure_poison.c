/* What a command that crashes its worker costs: the members of its room, and everybody else, who are under load in
 * ordinary rooms. Workers that die are started again a second later, as
 * deploy/systemd does. Two sorts of crash: one at which
 * the worker still leaves its last words (a bad pointer), and one at which it cannot (killed by the system). */
#include "tests/chaos/measure.h"
#include "tests/chaos/stage.h"
#include "tests/chaos/watch.h"

#include "common/clock.h"
#include "proto/pb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define CLIENTS    200
#define RATE       5 /* a second of a client: 1000 in all */
#define WORKERS    2
#define VISITORS   3
#define PATIENCE_S 20

struct poison;

/* A member of the room that will fail. */
struct visitor {
  struct poison *poison;
  unsigned index;
  struct ws *ws;
  bool in;
};

struct poison {
  struct stage stage;
  struct watch watch;
  struct visitor visitors[VISITORS];
  struct sort *sort; /* of the crash under way */
  char room[32];
  uint64_t sent_us;
  unsigned told, lost;
};

/* One sort of crash. */
struct sort {
  const char *word, *what;
  struct samples told, acks;
  struct view moved, stayed;
  uint64_t crashes, deaths, deaths_max;   /* deaths: of workers; the most of one crash */
  uint64_t reasons[CODES], errors[CODES]; /* in Detached to members, and in answers to the sender */
};

/* ---- visitors ---- */

static void send_message(struct visitor *visitor, Heya__V1__ClientMessage *message) {
  uint8_t data[256];
  ws_send(visitor->ws, bytes_of(data, heya__v1__client_message__pack(message, data)));
}

static void on_open(void *arg) {
  struct visitor *visitor = arg;
  char name[16];
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  snprintf(name, sizeof name, "visitor%u", visitor->index);
  hello.player = name;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  send_message(visitor, &message);
  join.room = visitor->poison->room;
  join.create = true;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  send_message(visitor, &message);
}

static void send_poison(struct visitor *visitor, const char *word) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command command = HEYA__V1__COMMAND__INIT;
  command.room = visitor->poison->room;
  command.number = 1;
  command.payload = pb_bytes(bytes_of_str(word));
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &command;
  send_message(visitor, &message);
}

static void on_message(void *arg, struct bytes data) {
  struct visitor *visitor = arg;
  struct poison *poison = visitor->poison;
  Heya__V1__ServerMessage *message = heya__v1__server_message__unpack(NULL, data.len, data.data);
  if (!message) return;
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED) {
    visitor->in = true;
  } else if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ERROR) {
    poison->sort->errors[(unsigned)message->error->code % CODES]++;
  } else if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_DETACHED && visitor->in) {
    visitor->in = false;
    poison->sort->reasons[(unsigned)message->detached->reason % CODES]++;
    samples_add(&poison->sort->told, clock_monotonic_us() - poison->sent_us);
    poison->told++;
  }
  heya__v1__server_message__free_unpacked(message, NULL);
}

static void on_closed(void *arg, unsigned code) {
  struct visitor *visitor = arg;
  visitor->ws = NULL;
  visitor->poison->lost++;
  printf("  a connection was lost: %u\n", code);
}

static bool all_in(void *arg) {
  const struct poison *poison = arg;
  for (unsigned i = 0; i < VISITORS; i++)
    if (!poison->visitors[i].in) return false;
  return true;
}

static bool all_told(void *arg) {
  const struct poison *poison = arg;
  return poison->told == VISITORS;
}

static bool all_run(void *arg) {
  const struct servers *servers = arg;
  for (unsigned i = 0; i < WORKERS; i++)
    if (servers->workers[i].state != SERVER_UP) return false;
  return true;
}

/* ---- once ---- */

static bool enter(struct poison *poison) {
  static const struct ws_events events = {.open = on_open, .message = on_message, .closed = on_closed};
  for (unsigned i = 0; i < VISITORS; i++) {
    struct visitor *visitor = &poison->visitors[i];
    *visitor = (struct visitor){.poison = poison, .index = i};
    visitor->ws = ws_connect(poison->stage.loop, poison->stage.servers.gateways[i % 2].port, &events, visitor);
  }
  bool fine = run_until(poison->stage.loop, PATIENCE_S, all_in, poison);
  if (!fine) printf("  nobody gets into %s\n", poison->room);
  return fine;
}

static uint64_t count_starts(const struct servers *servers) {
  uint64_t starts = 0;
  for (unsigned i = 0; i < WORKERS; i++) starts += servers->workers[i].starts;
  return starts;
}

static bool crash_once(struct poison *poison, struct sort *sort) {
  struct stage *stage = &poison->stage;
  snprintf(poison->room, sizeof poison->room, "poison/%s%" PRIu64, sort->word, sort->crashes++);
  poison->sort = sort;
  poison->told = poison->lost = 0;
  bool fine = enter(poison);
  uint64_t starts = count_starts(&stage->servers);
  watch_begin(&poison->watch, &sort->acks);
  poison->sent_us = clock_monotonic_us();
  if (fine) send_poison(&poison->visitors[0], sort->word);
  fine = fine && run_until(stage->loop, PATIENCE_S, all_told, poison);
  if (!fine) printf("  %u of %d members of %s were told\n", poison->told, VISITORS, poison->room);
  fine = fine && run_until(stage->loop, PATIENCE_S, all_run, &stage->servers) && stage_balance(stage);
  watch_end(&poison->watch, &sort->moved, &sort->stayed);
  uint64_t deaths = count_starts(&stage->servers) - starts;
  sort->deaths += deaths;
  if (deaths > sort->deaths_max) sort->deaths_max = deaths;
  for (unsigned i = 0; i < VISITORS; i++) ws_drop(poison->visitors[i].ws);
  return fine && !poison->lost;
}

/* ---- all ---- */

static void print_codes(const uint64_t *codes, const char *who) {
  for (unsigned i = 0; i < CODES; i++) {
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&heya__v1__error__code__descriptor, (int)i);
    if (codes[i]) printf("; %s %s, %" PRIu64 " times", who, value ? value->name : "?", codes[i]);
  }
}

static void print_sort(struct sort *sort) {
  printf("  %s, %" PRIu64 " times: %" PRIu64 " workers died of it, at most %" PRIu64 " of one", sort->what,
         sort->crashes, sort->deaths, sort->deaths_max);
  print_codes(sort->reasons, "its members were told");
  print_codes(sort->errors, "the sender was answered");
  printf("\n");
  samples_print_header();
  samples_print(&sort->told, "the command to the news in its room (of a member)");
  samples_print(&sort->acks, "ordinary rooms meanwhile: command to ack, of all");
  view_print(&sort->moved, "its room's worker died");
  view_print(&sort->stayed, "its room's worker lives");
}

bool measure_poison(uint32_t times, unsigned seed) {
  static struct poison poison;
  static struct sort sorts[] = {{.word = "crash", .what = "a bad pointer"},
                                {.word = "kill", .what = "killed by the system, so without last words"}};
  struct stage *stage = &poison.stage;
  char kind[300];
  const char *const args[] = {"--kind", kind, NULL};
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  bool fine = stage_open(stage);
  snprintf(kind, sizeof kind, "%s/poison.so", stage->servers.programs);
  stage->servers.worker_args = args;
  for (unsigned i = 0; i < WORKERS; i++) stage->servers.workers[i].mortal = true;
  fine = fine && stage_start(stage, WORKERS, 2) && stage_populate(stage, CLIENTS, RATE, seed);
  if (fine) watch_open(&poison.watch, &stage->swarm);
  for (uint32_t i = 0; fine && i < times; i++)
    fine = crash_once(&poison, &sorts[0]) && crash_once(&poison, &sorts[1]);
  printf("  %d clients in %d ordinary rooms, %d commands a second, %d workers\n", CLIENTS, CLIENTS / 4,
         CLIENTS * RATE, WORKERS);
  for (size_t i = 0; i < 2; i++) print_sort(&sorts[i]);
  watch_close(&poison.watch);
  if (stage->swarm.clients) fine = stage_check(stage) && fine;
  stage->servers.keep_dir = !fine;
  stage_close(stage);
  return fine;
}
