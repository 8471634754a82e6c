/* Every Redis key and function name, in one place; docs/redis.md describes what is behind each.
 *
 * Callers pass checked names only (proto/names.h; process ids are made by the processes themselves): a key that does
 * not fit is a programming error and asserts. `prefix` is an option of the deployment, KEY_PREFIX_DEFAULT by default.
 */
#ifndef HEYA_PROTO_KEYS_H
#define HEYA_PROTO_KEYS_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_PREFIX_DEFAULT "heya:"
#define KEY_PREFIX_MAX     32
#define PROCESS_ID_MAX     40 /* bytes of a gateway or worker id */
#define KEY_MAX            160

/* The layout of keys and images, and the version in the library's and functions' names. */
#define SCHEMA_VERSION 1

struct key {
  char text[KEY_MAX]; /* NUL-terminated */
  size_t len;
};

static inline struct bytes key_bytes(const struct key *key) {
  return bytes_of(key->text, key->len);
}

/* Up to KEY_PREFIX_MAX of [A-Za-z0-9_.:{}-]; may be empty. For checking the option. */
bool key_prefix_is_valid(const char *prefix);

/* 1 to PROCESS_ID_MAX of [A-Za-z0-9_.-]; "." separates nothing in keys, ":" does. For ids read back from Redis. */
bool process_id_is_valid(const char *id, size_t len);

/* ---- of the deployment ---- */
struct key key_config(const char *prefix);                          /* hash */
struct key key_workers(const char *prefix);                         /* zset: worker -> lease expiry */
struct key key_owners(const char *prefix);                          /* string: changes with every owner */
struct key key_rooms_of_kind(const char *prefix, const char *kind); /* zset: listing index */

/* ---- of a process ---- */
struct key key_worker(const char *prefix, const char *worker);          /* hash */
struct key key_worker_control(const char *prefix, const char *worker);  /* stream: partitions released for it */
struct key key_gateway(const char *prefix, const char *gateway);        /* hash with TTL */
struct key key_gateway_events(const char *prefix, const char *gateway); /* stream with TTL */
struct key key_gateway_queued(const char *prefix, const char *gateway); /* zset with TTL: "bytes" -> how many wait */

/* ---- of a partition ---- */
struct key key_part_owner(const char *prefix, uint32_t partition);    /* hash: worker, epoch */
struct key key_part_commands(const char *prefix, uint32_t partition); /* stream */
struct key key_part_done(const char *prefix, uint32_t partition);     /* string: stream id */
struct key key_part_bytes(const char *prefix, uint32_t partition);    /* string: bytes that wait in the stream */
struct key key_part_rooms(const char *prefix, uint32_t partition);    /* set of room ids */
/* stream: what it has said to partitions of another shard, until they have it */
struct key key_part_outbox(const char *prefix, uint32_t partition, uint32_t shard);

/* ---- of a room; `id` is a checked room id, NUL-terminated ---- */
struct key key_room(const char *prefix, const char *id);          /* hash */
struct key key_room_members(const char *prefix, const char *id);  /* hash */
struct key key_room_results(const char *prefix, const char *id);  /* hash */
struct key key_room_deadline(const char *prefix, const char *id); /* string with PXAT */
struct key key_room_log(const char *prefix, const char *id);      /* stream */
struct key key_tomb(const char *prefix, const char *id);          /* string with TTL */

/* ---- functions ----
 * The machine's carry the schema version, so a process never runs another version's function by surprise. */
#define LIBRARY_HEYA             "heya1"
#define FUNCTION_INIT            "heya1_init"
#define FUNCTION_SELFTEST        "heya1_selftest"
#define FUNCTION_APPEND          "heya1_append"
#define FUNCTION_FORWARD         "heya1_forward"
#define FUNCTION_COMMIT          "heya1_commit"
#define FUNCTION_CLAIM           "heya1_claim"
#define FUNCTION_RELEASE         "heya1_release"
#define FUNCTION_BLAME           "heya1_blame"
#define FUNCTION_RENEW           "heya1_renew"
#define FUNCTION_SUSPECT         "heya1_suspect"
#define FUNCTION_WORKER_CLOSE    "heya1_worker_close"
#define FUNCTION_GATEWAY_OPEN    "heya1_gateway_open"
#define FUNCTION_GATEWAY_RENEW   "heya1_gateway_renew"
#define FUNCTION_GATEWAY_SUSPECT "heya1_gateway_suspect"
#define FUNCTION_GATEWAY_TRIM    "heya1_gateway_trim"
#define FUNCTION_GATEWAY_CLOSE   "heya1_gateway_close"
#define FUNCTION_LIST            "heya1_list"
#define FUNCTION_DRAIN           "heya1_drain"

/* For people at redis-cli; read-only. */
#define LIBRARY_PEOPLE      "heya_people"
#define FUNCTION_ROOM       "heya_room"
#define FUNCTION_ROOMS      "heya_rooms"
#define FUNCTION_WORKERS    "heya_workers"
#define FUNCTION_PARTITIONS "heya_partitions"
#define FUNCTION_GATEWAYS   "heya_gateways"

/* The libraries' source (proto/heya.lua, proto/heya_people.lua), for FUNCTION LOAD. */
extern const char heya_lua[];
extern const char heya_people_lua[];

#endif
