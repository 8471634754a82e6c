/* What must be true of a Redis before it is used: our function libraries are loaded (after each connect), and the
 * deployment is the one this process was told of (`init`, asked by its owner). A new check is a row of `steps`. */
#include "common/store_redis_call.h"

#include "common/clock.h"
#include "common/mem.h"

#include <stdio.h>

#define REST_S 1. /* between two attempts at a Redis that refuses us for now */

/* ---- after each connect ---- */

static const struct library {
  const char *name;
  const char *code;
} libraries[] = {{LIBRARY_HEYA, heya_lua}, {LIBRARY_PEOPLE, heya_people_lua}};
#define N_LIBRARIES (sizeof libraries / sizeof *libraries)

static void next_library(struct store_redis *store);

static void send_setup(struct store_redis *store, struct redis_link *link, redis_link_cb *cb) {
  redis_args_finish(&store->args);
  redis_link_call(link, store->args.n, store->args.argv, store->args.argvlen, cb, store);
}

static void refused_for_now(struct store_redis *store, const char *message) {
  store_redis_note_refusal(store, message);
  log_limited(store->log, &store->logged.setup, LOG_LEVEL_WARN, "redis_refuses_for_now", F_S("message", message));
}

/* Ready nevertheless when Redis will not have our functions, so that init can say why. */
static void setup_end(struct store_redis *store, const char *refusal) {
  free(store->load_error);
  store->load_error = refusal ? xstrdup(refusal) : NULL;
  if (refusal) log_error(store->log, "redis_functions_refused", F_S("reason", refusal));
  store->loaded = true;
  store_redis_update_ready(store);
}

/* False when the setup ends here. */
static bool setup_ok(struct store_redis *store, const struct redisReply *reply) {
  const char *message;
  enum store_result result = store_redis_judge(store, reply, false, &message);
  if (result == STORE_OK) return true;
  if (result == STORE_LOST) return false;
  if (store_redis_passes(message)) {
    refused_for_now(store, message);
    redis_link_drop(store->commands, message); /* to begin anew */
  } else {
    setup_end(store, message);
  }
  return false;
}

static void on_time(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  if (!setup_ok(store, reply)) return;
  store_clock_time(store, reply);
  setup_end(store, NULL);
}

static void on_loaded(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  if (!setup_ok(store, reply)) return;
  log_info(store->log, "redis_functions_loaded", F_S("library", libraries[store->setup_library].name));
  store->setup_library++;
  next_library(store);
}

/* The value after `name` in a flat list of names and values. */
static const struct redisReply *value_of(const struct redisReply *list, const char *name) {
  for (size_t i = 0; i + 1 < redis_reply_count(list); i += 2)
    if (redis_reply_is(redis_reply_at(list, i), name)) return redis_reply_at(list, i + 1);
  return NULL;
}

static void on_listed(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  if (!setup_ok(store, reply)) return;
  const char *code = libraries[store->setup_library].code;
  if (redis_reply_is(value_of(redis_reply_at(reply, 0), "library_code"), code)) {
    store->setup_library++;
    next_library(store);
    return;
  }
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "FUNCTION");
  redis_args_text(&store->args, "LOAD");
  redis_args_text(&store->args, "REPLACE");
  redis_args_text(&store->args, code);
  send_setup(store, store->commands, on_loaded);
}

static void next_library(struct store_redis *store) {
  redis_args_clear(&store->args);
  if (store->setup_library == N_LIBRARIES) {
    store_clock_ask(store, on_time);
    return;
  }
  redis_args_text(&store->args, "FUNCTION");
  redis_args_text(&store->args, "LIST");
  redis_args_text(&store->args, "LIBRARYNAME");
  redis_args_text(&store->args, libraries[store->setup_library].name);
  redis_args_text(&store->args, "WITHCODE");
  send_setup(store, store->commands, on_listed);
}

/* ---- both connections ---- */

/* The value of "name:" in an INFO answer, cut to size; false, and "", when it is not there. */
static bool info_value(const struct redisReply *reply, const char *name, char *out, size_t size) {
  const char *text = redis_reply_string(reply);
  const char *at = text ? strstr(text, name) : NULL;
  *out = '\0';
  if (at) snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), "\r\n"), at + strlen(name));
  return at != NULL;
}

/* An INFO that is refused is said by init. */
static void on_commands_info(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  if (!reply) return;
  info_value(reply, "run_id:", store->commands_run, sizeof store->commands_run);
  next_library(store);
}

static void on_client_id(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  const char *message;
  enum store_result result = store_redis_result(reply, false, &message);
  if (result == STORE_OK && redis_reply_u64(reply, &store->reads_id)) {
    store_redis_update_ready(store);
  } else if (reply) {
    redis_link_drop(store->reads, message ? message : "CLIENT ID has an unexpected answer");
  }
}

static void on_reads_info(void *arg, const struct redisReply *reply) {
  struct store_redis *store = arg;
  if (!reply) return;
  info_value(reply, "run_id:", store->reads_run, sizeof store->reads_run);
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "CLIENT");
  redis_args_text(&store->args, "ID");
  send_setup(store, store->reads, on_client_id);
}

static void ask_info(struct store_redis *store, struct redis_link *link, redis_link_cb *cb) {
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "INFO");
  redis_args_text(&store->args, "server");
  send_setup(store, link, cb);
}

void store_setup_begin(struct store_redis *store) {
  store->setup_library = 0;
  store->clock.newest_ms = 0; /* perhaps of another server */
  ask_info(store, store->commands, on_commands_info);
}

void store_setup_reads(struct store_redis *store) {
  ask_info(store, store->reads, on_reads_info);
}

/* While one master follows another, the two may lead to different ones: what is read here would not be known there.
 */
static bool same_server(struct store_redis *store) {
  static const char reason[] = "the two connections lead to different servers";
  if (!store->commands_run[0] || !store->reads_run[0] || !strcmp(store->commands_run, store->reads_run)) return true;
  redis_link_drop(store->commands, reason);
  redis_link_drop(store->reads, reason);
  return false;
}

void store_redis_update_ready(struct store_redis *store) {
  bool ready = store->loaded && store->reads_id != 0 && !store->resting && same_server(store);
  if (ready == store->was_ready) return;
  store->was_ready = ready;
  if (ready) store_read_ready(store);
  if (store->base.on_ready) store->base.on_ready(store->base.on_ready_arg, ready);
}

/* ---- init ---- */

struct init {
  uint32_t partitions; /* as told */
  char told[33];       /* likewise: the deployment's id; "": none */
  const char *cluster; /* what a new shard becomes part of; "" : nothing is made */
  unsigned step;
  char random[33];
  char probe[KEY_MAX]; /* a key that does not exist */
  struct store_deployment found;
  char message[512];
};

typedef bool check(struct store_redis *, struct init *, const struct redisReply *);

static bool check_server(struct store_redis *store, struct init *init, const struct redisReply *reply) {
  char version[32];
  (void)store;
  info_value(reply, "run_id:", init->found.server, sizeof init->found.server);
  if (!info_value(reply, "redis_version:", version, sizeof version)) snprintf(version, sizeof version, "unknown");
  if (strtol(version, NULL, 10) >= 7) return true;
  snprintf(init->message, sizeof init->message, "Redis %s is too old: functions need 7.0 or newer", version);
  return false;
}

/* A server that was a replica for a while and is a master again runs on with what the other one had. */
static bool check_replication(struct store_redis *store, struct init *init, const struct redisReply *reply) {
  char id[42];
  size_t len = strlen(init->found.server);
  (void)store;
  info_value(reply, "master_replid:", id, sizeof id);
  snprintf(init->found.server + len, sizeof init->found.server - len, " %s", id);
  return true;
}

static bool check_policy(struct store_redis *store, struct init *init, const struct redisReply *reply) {
  char policy[32] = "unknown";
  if (store->load_error) {
    snprintf(init->message, sizeof init->message, "Redis refuses the function libraries: %s", store->load_error);
    return false;
  }
  if (!info_value(reply, "maxmemory_policy:", policy, sizeof policy)) snprintf(policy, sizeof policy, "unknown");
  if (strcmp(policy, "noeviction") == 0) return true;
  snprintf(init->message, sizeof init->message,
           "maxmemory-policy is %s, so Redis may drop rooms: set it to noeviction (CONFIG SET maxmemory-policy "
           "noeviction)",
           policy);
  return false;
}

/* What it says of itself, where it says nothing of shards: one, the first. */
static bool read_shard(const struct redisReply *reply, uint64_t *shards, uint64_t *shard) {
  *shards = 1;
  *shard = 0;
  if (redis_reply_is_nil(redis_reply_at(reply, 3))) return true;
  return redis_reply_u64(redis_reply_at(reply, 3), shards) && *shards > 0 && *shards <= UINT32_MAX &&
         redis_reply_u64(redis_reply_at(reply, 4), shard) && *shard < *shards;
}

/* Redis are counted from 1 for people, as on a command line. */
static bool check_shard(struct store_redis *store, struct init *init, const struct redisReply *reply) {
  uint64_t shards, shard;
  uint32_t told = store_redis_shards(store), which = store->options.shard;
  if (!read_shard(reply, &shards, &shard)) {
    snprintf(init->message, sizeof init->message,
             "%sconfig is damaged: shards and shard are numbers that somebody has changed: repair them",
             store->prefix);
  } else if (shards != told) {
    snprintf(init->message, sizeof init->message,
             "%sconfig says that the deployment has %u Redis, this process was told %u: give every process the same "
             "list of --redis, in the same order; another number of them needs a new deployment (docs/operating.md)",
             store->prefix, (unsigned)shards, (unsigned)told);
  } else if (shard != which) {
    snprintf(
        init->message, sizeof init->message,
        "--redis number %u leads to a Redis whose %sconfig says that it is number %u of the deployment: the order is "
        "wrong, or the same Redis is given twice",
        (unsigned)which + 1, store->prefix, (unsigned)shard + 1);
  } else if (told > 1 && *init->told && strcmp(init->told, init->found.cluster) != 0) {
    snprintf(init->message, sizeof init->message,
             "--redis number %u leads to a Redis of another deployment (%s; the others are of %s); if one of "
             "them has lost its data, see docs/operating.md, Several Redis",
             (unsigned)which + 1, init->found.cluster, init->told);
  } else {
    return true;
  }
  return false;
}

static bool check_config(struct store_redis *store, struct init *init, const struct redisReply *reply) {
  uint64_t partitions, schema;
  if (!redis_reply_u64(redis_reply_at(reply, 0), &partitions) || partitions == 0 || partitions > UINT32_MAX ||
      !redis_reply_u64(redis_reply_at(reply, 1), &schema) ||
      !redis_reply_text(redis_reply_at(reply, 2), init->found.cluster, sizeof init->found.cluster)) {
    snprintf(init->message, sizeof init->message,
             "%sconfig is damaged: repair it, or delete it in a deployment "
             "without rooms",
             store->prefix);
    return false;
  }
  init->found.partitions = (uint32_t)partitions;
  if (schema != SCHEMA_VERSION) {
    snprintf(init->message, sizeof init->message,
             "the data has schema %u, this program has %u: run the version that matches, or use another prefix",
             (unsigned)schema, (unsigned)SCHEMA_VERSION);
  } else if (partitions != init->partitions) {
    snprintf(init->message, sizeof init->message,
             "%sconfig says %u partitions, this process was told %u: the number cannot change in a deployment",
             store->prefix, (unsigned)partitions, (unsigned)init->partitions);
  } else {
    return check_shard(store, init, reply);
  }
  return false;
}

/* A shard that nobody has made yet, and that we may not make, not knowing whose it is: the first one says so. */
static bool is_unborn(const struct store_redis *store, const struct init *init, const struct redisReply *reply) {
  return store_redis_shards(store) > 1 && !*init->cluster && redis_reply_is_array(reply) &&
         redis_reply_is_nil(redis_reply_at(reply, 0));
}

/* "P": prefix, "K": the probe key, "R": the random id, "N": partitions, "V": schema version, "C": the deployment's
 * id, "S": how many shards, and which, if there are several. */
static const struct step {
  const char *words[9];
  check *check; /* NULL: any answer but an error will do */
} steps[] = {
    {{"INFO", "server"}, check_server},
    {{"INFO", "replication"}, check_replication},
    {{"INFO", "memory"}, check_policy},
    {{"FCALL", FUNCTION_SELFTEST, "0", "P", "R"}, NULL},
    {{"SMEMBERS", "K"}, NULL}, /* what is used outside functions */
    {{"HGET", "K", "image"}, NULL},
    {{"PEXPIRETIME", "K"}, NULL},
    {{"XREAD", "COUNT", "1", "STREAMS", "K", "0"}, NULL},
    {{"CLIENT", "UNBLOCK", "0"}, NULL},
    {{"WATCH", "K"}, NULL},
    {{"UNWATCH"}, NULL},
    {{"EXEC"}, NULL}, /* of a transaction with nothing in it */
    {{"FCALL", FUNCTION_INIT, "0", "P", "N", "V", "C", "S"}, check_config},
};

static void add_shard(struct store_redis *store) {
  if (store_redis_shards(store) == 1) return;
  redis_args_u64(&store->args, store->options.shards);
  redis_args_u64(&store->args, store->options.shard);
}

static void on_multi(void *arg, const struct redisReply *reply) {
  (void)arg, (void)reply; /* when it is refused, EXEC is too */
}

static void init_send(struct store_call *call) {
  struct store_redis *store = call->store;
  struct init *init = call->with.state;
  if (strcmp(steps[init->step].words[0], "EXEC") == 0) {
    redis_args_clear(&store->args);
    redis_args_text(&store->args, "MULTI");
    send_setup(store, store->commands, on_multi);
  }
  redis_args_clear(&store->args);
  for (const char *const *word = steps[init->step].words; *word; word++) {
    if (strcmp(*word, "P") == 0)
      redis_args_text(&store->args, store->prefix);
    else if (strcmp(*word, "K") == 0)
      redis_args_text(&store->args, init->probe);
    else if (strcmp(*word, "R") == 0)
      redis_args_text(&store->args, init->random);
    else if (strcmp(*word, "N") == 0)
      redis_args_u64(&store->args, init->partitions);
    else if (strcmp(*word, "V") == 0)
      redis_args_u64(&store->args, SCHEMA_VERSION);
    else if (strcmp(*word, "C") == 0)
      redis_args_text(&store->args, init->cluster);
    else if (strcmp(*word, "S") == 0)
      add_shard(store);
    else
      redis_args_text(&store->args, *word);
  }
  store_call_send(call, "store.init");
}

static void init_discard(struct store_call *call) {
  free(call->with.state);
}

void store_setup_rested(struct ev_loop *loop, ev_timer *timer, int events) {
  struct store_redis *store = timer->data;
  (void)loop, (void)events;
  store->resting = false;
  store_redis_update_ready(store);
}

static void rest(struct store_redis *store) {
  store->resting = true;
  ev_timer_stop(store->loop, &store->rest_timer);
  ev_timer_set(&store->rest_timer, REST_S, 0.);
  ev_timer_start(store->loop, &store->rest_timer);
  store_redis_update_ready(store);
}

static void finish_init(struct store_call *call, enum store_result result, const char *message,
                        const struct redisReply *reply) {
  struct init *init = call->with.state;
  const struct step *step = &steps[init->step];
  if (result == STORE_OK && step->check == check_config && is_unborn(call->store, init, reply)) {
    refused_for_now(call->store, "a new deployment begins on its first Redis, which has not been reached yet");
    rest(call->store);
    result = STORE_LOST;
  }
  bool ok = result == STORE_OK && (!step->check || step->check(call->store, init, reply));
  if (ok && init->step + 1 < sizeof steps / sizeof *steps) {
    init->step++;
    init_send(call);
    return;
  }
  if (message && result != STORE_LOST && store_redis_passes(message)) {
    refused_for_now(call->store, message);
    rest(call->store);
    result = STORE_LOST;
  }
  if (ok) store_redis_note_refusal(call->store, NULL);
  if (message && result != STORE_LOST)
    snprintf(init->message, sizeof init->message, "Redis refuses %s%s%s: %s", step->words[0],
             step->check == check_config || strcmp(step->words[0], "FCALL") == 0 ? " " : "",
             strcmp(step->words[0], "FCALL") == 0 ? step->words[1] : "", message);
  if (!ok && result != STORE_LOST) result = STORE_FAILED;
  call->cb.init(call->arg, result, init->message, &init->found);
  free(init);
}

void store_redis_init(struct store *base, struct store_deployment told, store_init_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_init, false, arg);
  struct init *init = xcalloc(1, sizeof *init);
  uint8_t random[16];
  base->ops->random(base, random, sizeof random);
  for (size_t i = 0; i < sizeof random; i++) snprintf(init->random + 2 * i, 3, "%02x", random[i]);
  snprintf(init->probe, sizeof init->probe, "%sselftest:%s", store->prefix, init->random);
  init->partitions = told.partitions;
  init->found = told;
  memcpy(init->told, told.cluster, sizeof init->told);
  bool told_it = store_redis_shards(store) > 1 && (*told.cluster || store->options.shard > 0);
  init->cluster = told_it ? init->told : init->random;
  call->cb.init = cb;
  call->with.state = init;
  call->discard = init_discard;
  init_send(call);
}
