/* Loading a partition from Redis: the set of its rooms, then each room's image, a window of them at a time.
 *
 * Only a room that is not there may be told of without an image, since the next commit then takes it off the books: a
 * key that is gone, or of another type (somebody wrote over it, so the image is lost anyway; logged). Any other
 * refusal says nothing about the room and ends the load. */
#include "common/store_redis_call.h"

#include "common/mem.h"

#include <inttypes.h>

#define WINDOW 64 /* rooms asked for and not answered yet */

struct load;

/* One room under way. */
struct slot {
  struct load *load;
  const char *id; /* in load->ids */
};

struct load {
  struct store_call *call;
  store_room_cb *room;
  uint32_t partition;
  struct buf ids; /* room ids, each with its NUL */
  size_t at;      /* in ids: the next one to ask for */
  size_t in_flight;
  enum store_result result; /* STORE_OK until an answer was lost or refused */
  struct slot slots[WINDOW];
};

static void load_discard(struct store_call *call) {
  struct load *load = call->with.state;
  buf_close(&load->ids);
  free(load);
}

static void load_end(struct load *load) {
  struct store_call *call = load->call;
  call->cb.done(call->arg, load->result);
  load_discard(call);
  store_call_end(call);
}

static void ask(struct slot *slot);

/* This room is told; on to the next one. */
static void slot_done(struct slot *slot) {
  struct load *load = slot->load;
  if (load->result == STORE_OK && load->at < load->ids.len) {
    ask(slot);
  } else if (--load->in_flight == 0) {
    load_end(load);
  }
}

/* The room is not told: whether it exists is not known. */
static void slot_failed(struct slot *slot, enum store_result result, const char *message) {
  struct load *load = slot->load;
  struct store_redis *store = load->call->store;
  if (message)
    log_limited(store->log, &store->logged.load, LOG_LEVEL_ERROR, "load_refused", F_U("partition", load->partition),
                F_S("room", slot->id), F_S("message", message));
  if (load->result == STORE_OK) load->result = result;
  slot_done(slot);
}

static void on_tomb(void *arg, const struct redisReply *reply) {
  struct slot *slot = arg;
  struct load *load = slot->load;
  const char *message;
  int64_t until_ms = 0;
  enum store_result result = store_redis_judge(load->call->store, reply, false, &message);
  if (result != STORE_OK) {
    slot_failed(slot, result, message);
    return;
  }
  if (!redis_reply_i64(reply, &until_ms) || until_ms < 0) until_ms = 0; /* -2: none; -1: not one of ours */
  load->room(load->call->arg, slot->id, bytes_of(NULL, 0), (uint64_t)until_ms);
  slot_done(slot);
}

static void ask_tomb(struct slot *slot) {
  struct store_redis *store = slot->load->call->store;
  struct key tomb = key_tomb(store->prefix, slot->id);
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "PEXPIRETIME");
  redis_args_bytes(&store->args, key_bytes(&tomb));
  redis_args_finish(&store->args);
  store_send(store, store->commands, "store.load", 0, on_tomb, slot);
}

static bool is_wrong_type(const char *message) {
  return message && strncmp(message, "WRONGTYPE ", sizeof "WRONGTYPE " - 1) == 0;
}

static void on_image(void *arg, const struct redisReply *reply) {
  struct slot *slot = arg;
  struct load *load = slot->load;
  struct store_redis *store = load->call->store;
  const char *message;
  struct bytes image;
  enum store_result result = store_redis_judge(store, reply, false, &message);
  if (is_wrong_type(message)) {
    log_limited(store->log, &store->logged.room, LOG_LEVEL_ERROR, "room_unreadable", F_S("room", slot->id),
                F_S("message", message));
    ask_tomb(slot);
  } else if (result != STORE_OK) {
    slot_failed(slot, result, message);
  } else if (redis_reply_bytes(reply, &image)) {
    load->room(load->call->arg, slot->id, image, 0);
    slot_done(slot);
  } else {
    ask_tomb(slot);
  }
}

static void ask(struct slot *slot) {
  struct load *load = slot->load;
  struct store_redis *store = load->call->store;
  slot->id = (const char *)load->ids.data + load->at;
  load->at += strlen(slot->id) + 1;
  struct key room = key_room(store->prefix, slot->id);
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "HGET");
  redis_args_bytes(&store->args, key_bytes(&room));
  redis_args_text(&store->args, "image");
  redis_args_finish(&store->args);
  store_send(store, store->commands, "store.load", 0, on_image, slot);
}

/* Keeps the ids that are room ids of this partition. */
static void gather_ids(struct load *load, const struct redisReply *members) {
  struct store_redis *store = load->call->store;
  for (size_t i = 0; i < redis_reply_count(members); i++) {
    struct bytes text = {0};
    struct room_id id;
    if (redis_reply_bytes(redis_reply_at(members, i), &text) && room_id_parse(text.data, text.len, &id) &&
        room_partition(id.id, id.id_len, store->options.partitions) == load->partition)
      buf_append(&load->ids, id.id, (size_t)id.id_len + 1);
    else
      log_limited(store->log, &store->logged.room, LOG_LEVEL_ERROR, "room_of_another_partition",
                  F_U("partition", load->partition), F_BYTES("room", text));
  }
}

static void finish_members(struct store_call *call, enum store_result result, const char *message,
                           const struct redisReply *reply) {
  struct load *load = call->with.state;
  if (message)
    log_limited(call->store->log, &call->store->logged.load, LOG_LEVEL_ERROR, "load_refused",
                F_U("partition", load->partition), F_S("message", message));
  load->result = result;
  if (result == STORE_OK) gather_ids(load, reply);
  call->sent_again = true; /* ends with load_end */
  load->in_flight = 1;     /* this function, lest the load end below it */
  for (size_t i = 0; i < WINDOW && load->at < load->ids.len; i++) {
    load->in_flight++;
    load->slots[i].load = load;
    ask(&load->slots[i]);
  }
  if (--load->in_flight == 0) load_end(load);
}

void store_redis_load(struct store *base, uint32_t partition, store_room_cb *room, store_done_cb *done, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_members, false, arg);
  struct load *load = xcalloc(1, sizeof *load);
  struct key rooms = key_part_rooms(store->prefix, partition);
  *load = (struct load){.call = call, .room = room, .partition = partition};
  call->cb.done = done;
  call->with.state = load;
  call->discard = load_discard;
  redis_args_clear(&store->args);
  redis_args_text(&store->args, "SMEMBERS");
  redis_args_bytes(&store->args, key_bytes(&rooms));
  store_call_send(call, "store.load");
}
