/* What somebody else did to Redis while everything runs: a wrong type in each key there is, a command that is
 * forbidden. One worker owns all partitions, so whatever could spread would. What must hold each time:
 *   - a room in another partition goes on as if nothing were;
 *   - when it is put right again, the room and partition that were hit go on too, without anybody's help;
 *   - nobody who listens is left in silence: he hears on, or is told that he is out. */
#include "common/clock.h"
#include "proto/fault.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE(name)  HEYA__V1__ERROR__CODE__##name
#define HIT         "chat/hit"
#define SOON_MS     15000
#define ROUNDS      8 /* of talk while it is damaged: more than one renewal */
#define SAVED       "saved-by-the-test"
#define REPORT(...) (getenv("HEYA_REPORT") ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

TestSuite(damage, .timeout = 120);

struct scene {
  struct cluster *cluster;
  char well[64]; /* a room in another partition */
  struct player *cid, *dan;
  unsigned rounds;
};

static struct scene start(void) {
  struct scene scene = {.cluster = cluster_start(&(struct cluster_options){.workers = 1, .partitions = 4})};
  cluster_await_all_owned(scene.cluster);
  uint32_t hit = cluster_partition(scene.cluster, HIT);
  for (unsigned i = 0;; i++) {
    snprintf(scene.well, sizeof scene.well, "chat/well%u", i);
    if (cluster_partition(scene.cluster, scene.well) != hit) break;
  }
  scene.cid = cluster_player(scene.cluster, 0, "cid");
  scene.dan = cluster_player(scene.cluster, 1, "dan");
  player_join(scene.cid, scene.well);
  player_join(scene.dan, scene.well);
  return scene;
}

/* Each line is acknowledged and heard, in time. */
static void others_go_on(struct scene *scene) {
  char text[32];
  for (unsigned i = 0; i < ROUNDS; i++) {
    snprintf(text, sizeof text, "round %u", scene->rounds++);
    player_say(scene->cid, text);
    player_await_line(scene->dan, text);
    player_forget(scene->dan);
  }
}

/* ---- the room that is hit ---- */

static bool is_end(const struct player_message *message, const void *arg) {
  (void)arg;
  switch (message->message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_DETACHED:
  case HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE: return true;
  default: return false;
  }
}

struct wanted {
  struct player *player;
  const char *text;
};

static bool is_line(const struct player_message *message, const void *arg) {
  const Heya__V1__ServerMessage *said = message->message;
  if (said->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return false;
  const Heya__V1__Event *event = said->event;
  if (event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) return false;
  return memmem(event->payload.data, event->payload.len, arg, strlen(arg)) != NULL;
}

/* He has heard the line, or that he is out. */
static bool knows(void *arg) {
  const struct wanted *wanted = arg;
  bool connected = player_pump(wanted->player);
  return !connected || player_heard(wanted->player, is_line, wanted->text) ||
         player_heard(wanted->player, is_end, NULL);
}

struct entering {
  struct scene *scene;
  const char *name;
  struct player *player; /* NULL: none that was let in */
};

static bool is_let_in(struct player *player, uint32_t request, Heya__V1__ServerMessage__BodyCase wanted) {
  const Heya__V1__ServerMessage *answer = player_answer(player, request);
  return answer && answer->body_case == wanted;
}

static bool is_ready(struct cluster *cluster) {
  struct http_response response;
  http_get(&response, cluster_gateway_admin(cluster, 0), "/readyz");
  bool ready = response.status == 200;
  http_response_close(&response);
  return ready;
}

static bool come_in(void *arg) {
  struct entering *entering = arg;
  if (!entering->player || !player_pump(entering->player)) {
    if (!is_ready(entering->scene->cluster)) return false;
    entering->player = cluster_stranger(entering->scene->cluster, 0, entering->name, NULL);
    player_send_hello(entering->player, entering->name, "", "");
  }
  return is_let_in(entering->player,
                   player_send_join(entering->player, HIT, true, (struct bytes){0}, (struct bytes){0}),
                   HEYA__V1__SERVER_MESSAGE__BODY_JOINED);
}

/* In the room, as soon as it may be entered. */
static struct player *enter_alone(struct scene *scene, const char *name) {
  struct entering entering = {.scene = scene, .name = name};
  cr_assert(wait_until(SOON_MS, come_in, &entering), "the room cannot be entered");
  return entering.player;
}

struct pair {
  struct player *ann, *bob;
};

static struct pair enter(struct scene *scene) {
  return (struct pair){.ann = enter_alone(scene, "ann"), .bob = enter_alone(scene, "bob")};
}

static uint32_t say(struct player *player, const char *text) {
  struct player_payload payload;
  return player_send_command(player, HIT, 0, player_say_payload(&payload, text));
}

/* ---- a wrong type in a key ---- */

static void put_right(struct redis_client *redis, const char *key) {
  redis_do(redis, "DEL %s", key);
  if (redis_integer(redis, "EXISTS " SAVED)) redis_do(redis, "RENAME " SAVED " %s", key);
}

static void plant(struct redis_client *redis, const char *key) {
  redis_do(redis, "DEL " SAVED);
  if (redis_integer(redis, "EXISTS %s", key)) redis_do(redis, "RENAME %s " SAVED, key);
  redis_do(redis, "SETBIT %s 7 1", key); /* a string that is no number; where a string belongs, something else: */
}

/* Whoever asked is answered, or told that he is out. */
static const char *outcome_of(struct player *player, uint32_t request, const char *key) {
  const Heya__V1__ServerMessage *answer = player_answer(player, request);
  cr_assert(answer || player_heard(player, is_end, NULL), "%s: who asked is left in silence", key);
  if (!answer) return "out";
  return answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK ? "applied" : fault_name(answer->error->code);
}

static void damage(struct scene *scene, const char *key, bool is_string) {
  struct redis_client *redis = cluster_redis(scene->cluster);
  struct pair pair = enter(scene);
  plant(redis, key);
  if (is_string) redis_do(redis, "DEL %s", key);
  if (is_string) redis_do(redis, "SADD %s wrong", key);
  uint32_t request = say(pair.ann, "while it is damaged");
  others_go_on(scene);
  put_right(redis, key);
  uint64_t since_us = clock_monotonic_us();
  const char *outcome = outcome_of(pair.ann, request, key);
  struct wanted bob = {.player = pair.bob, .text = "while it is damaged"};
  if (strcmp(outcome, "applied") == 0) cr_assert(wait_until(SOON_MS, knows, &bob), "%s: bob misses a line", key);

  struct player *cat = enter_alone(scene, "cat");
  player_acked(cat, say(cat, "put right"));
  uint64_t took_us = clock_monotonic_us() - since_us;
  bob.text = "put right";
  cr_assert(wait_until(SOON_MS, knows, &bob), "%s: who listens is left in silence", key);
  others_go_on(scene);
  REPORT("%-34s others: no pause. Said meanwhile: %s. Who listened %s. Room usable %u ms after it was put right\n",
         key, outcome, player_heard(pair.bob, is_end, NULL) ? "was told that he is out" : "hears on",
         (unsigned)(took_us / 1000));
  player_drop(pair.ann);
  player_drop(pair.bob);
  player_drop(cat);
}

Test(damage, a_wrong_type_in_each_key_of_a_room_disturbs_no_other) {
  static const char *const keys[] = {"heya:room:" HIT, "heya:room:" HIT ":members", "heya:room:" HIT ":results",
                                     "heya:room:" HIT ":log", "heya:rooms:chat"};
  struct scene scene = start();
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) damage(&scene, keys[i], false);
  damage(&scene, "heya:room:" HIT ":deadline", true);
  cluster_stop(scene.cluster);
}

Test(damage, a_wrong_type_in_each_key_of_a_partition_disturbs_no_other) {
  static const struct {
    const char *name;
    bool is_string;
  } keys[] = {{"cmd", false}, {"owner", false}, {"rooms", false}, {"done", true}, {"bytes", true}};
  struct scene scene = start();
  char key[96];
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    snprintf(key, sizeof key, "heya:part:%u:%s", (unsigned)cluster_partition(scene.cluster, HIT), keys[i].name);
    damage(&scene, key, keys[i].is_string);
  }
  cluster_stop(scene.cluster);
}

/* ---- the lists that all share ---- */

struct typed {
  struct redis_client *redis;
  const char *key;
};

static bool is_sorted_set(void *arg) {
  const struct typed *typed = arg;
  char *type = redis_string(typed->redis, "TYPE %s", typed->key);
  bool is = strcmp(type, "zset") == 0;
  free(type);
  return is;
}

/* Those may cost everybody a reconnect, and no more. */
static void damage_shared(struct scene *scene, const char *key) {
  struct redis_client *redis = cluster_redis(scene->cluster);
  struct pair pair = enter(scene);
  redis_do(redis, "DEL %s", key);
  redis_do(redis, "SET %s wrong", key);
  uint64_t since_us = clock_monotonic_us();
  struct wanted bob = {.player = pair.bob, .text = "nobody puts it right"};
  struct player *cat = enter_alone(scene, "cat");
  say(cat, bob.text);
  cr_assert(wait_until(SOON_MS, knows, &bob), "%s: who listens is left in silence", key);
  struct player *dog = enter_alone(scene, "dog");
  player_acked(dog, say(dog, "on we go"));
  struct typed typed = {.redis = redis, .key = key};
  cr_assert(wait_until(SOON_MS, is_sorted_set, &typed), "%s is not made anew", key);
  REPORT("%-34s made anew by itself. Who listened %s. A room usable after %u ms\n", key,
         player_heard(pair.bob, is_end, NULL) ? "was sent to reconnect" : "hears on",
         (unsigned)((clock_monotonic_us() - since_us) / 1000));
  player_drop(pair.ann);
  player_drop(pair.bob);
  player_drop(cat);
  player_drop(dog);
}

Test(damage, a_wrong_type_in_the_lists_of_workers_and_gateways_heals_by_itself) {
  struct scene scene = start();
  damage_shared(&scene, "heya:workers");
  damage_shared(&scene, "heya:gateways");
  cluster_stop(scene.cluster);
}

/* ---- a command that is forbidden ---- */

static bool is_resync(const struct player_message *message, const void *arg) {
  (void)arg;
  const Heya__V1__ServerMessage *said = message->message;
  return said->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED && said->joined->reason == CODE(RESYNC);
}

/* XTRIM is the last but one thing that a commit does: the rooms are written, and nobody is told. */
Test(damage, a_commit_that_fails_half_way_is_told_to_the_members) {
  struct scene scene = start();
  struct redis_client *redis = cluster_redis(scene.cluster);
  struct pair pair = enter(&scene);
  struct player_payload payload;
  struct bytes line = player_say_payload(&payload, "applied, and nobody hears of it");
  redis_do(redis, "ACL SETUSER default -xtrim");
  uint32_t unanswered = player_send_command(pair.ann, HIT, 1, line);
  cr_assert(process_wait_line(cluster_worker(scene.cluster, 0), " event=commit_failed ", PLAYER_MS, NULL, 0));
  redis_do(redis, "ACL SETUSER default +xtrim");
  struct player *both[] = {pair.ann, pair.bob};
  for (int i = 0; i < 2; i++) {
    const struct player_message *message = player_await(both[i], SOON_MS, is_resync, NULL);
    cr_assert(message, "%s is not told", both[i]->name);
    cr_assert(message->message->joined->snapshot);
  }
  cr_assert_not(player_heard(pair.ann, is_end, NULL));
  (void)unanswered;
  player_acked(pair.ann, player_send_command(pair.ann, HIT, 1, line)); /* the first answer, and no second line */
  const Heya__V1__Joined *joined = player_join(cluster_player(scene.cluster, 1, "cat"), HIT);
  Heya__Kinds__Chat__State *state =
      heya__kinds__chat__state__unpack(NULL, joined->snapshot->state.len, joined->snapshot->state.data);
  cr_assert_eq(state->n_lines, 1);
  heya__kinds__chat__state__free_unpacked(state, NULL);
  others_go_on(&scene);
  cluster_stop(scene.cluster);
}

static bool is_answer_to(const struct player_message *message, const void *arg) {
  const uint32_t *request = arg;
  return message->message->request == *request;
}

static const char *said_so_far(struct player *player, uint32_t request) {
  const struct player_message *message = player_await(player, 1000, is_answer_to, &request);
  if (!message) return "nothing yet";
  const Heya__V1__ServerMessage *answer = message->message;
  return answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK ? "applied" : fault_name(answer->error->code);
}

/* Each command that the servers use, forbidden for a while to all of them. */
Test(damage, a_command_that_is_forbidden_for_a_while_is_waited_out) {
  static const char *const commands[] = {"xread", "hset", "hget", "xadd", "zadd", "set", "time", "fcall"};
  struct scene scene = start();
  struct redis_client *redis = cluster_redis(scene.cluster);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    struct pair pair = enter(&scene);
    redis_do(redis, "ACL SETUSER default -%s", commands[i]);
    uint32_t request = say(pair.ann, "forbidden");
    const char *said = said_so_far(pair.ann, request);
    redis_do(redis, "ACL SETUSER default +%s", commands[i]);
    uint64_t since_us = clock_monotonic_us();
    struct player *cat = enter_alone(&scene, "cat");
    player_acked(cat, say(cat, "allowed again"));
    struct wanted bob = {.player = pair.bob, .text = "allowed again"};
    cr_assert(wait_until(SOON_MS, knows, &bob), "-%s: who listens is left in silence", commands[i]);
    REPORT("-%-33s said meanwhile: %s. All well %u ms after it was allowed again\n", commands[i], said,
           (unsigned)((clock_monotonic_us() - since_us) / 1000));
    player_drop(pair.ann);
    player_drop(pair.bob);
    player_drop(cat);
  }
  cluster_stop(scene.cluster);
}
