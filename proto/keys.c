/* Builds the keys of proto/keys.h. A new key is one function here and one there. */
#include "proto/keys.h"

#include <assert.h>
#include <string.h>

/* Its parts, up to NULL. Made for every command of every call, so without printf. */
static struct key join(const char *const *parts) {
  struct key key = {.len = 0};
  for (; *parts; parts++) {
    size_t len = strlen(*parts);
    assert(key.len + len < sizeof key.text);
    memcpy(key.text + key.len, *parts, len);
    key.len += len;
  }
  key.text[key.len] = '\0';
  return key;
}
#define JOIN(...) join((const char *const[]){__VA_ARGS__, NULL})

#define DIGITS_MAX 11 /* of a uint32_t, and NUL */

static const char *digits_of(uint32_t value, char out[DIGITS_MAX]) {
  size_t at = DIGITS_MAX - 1;
  out[at] = '\0';
  do {
    out[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  return out + at;
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-';
}

bool key_prefix_is_valid(const char *prefix) {
  size_t len = strnlen(prefix, KEY_PREFIX_MAX + 1);
  if (len > KEY_PREFIX_MAX) return false;
  for (size_t i = 0; i < len; i++)
    if (!is_word(prefix[i]) && !strchr(":{}", prefix[i])) return false;
  return true;
}

bool process_id_is_valid(const char *id, size_t len) {
  if (len == 0 || len > PROCESS_ID_MAX) return false;
  for (size_t i = 0; i < len; i++)
    if (!is_word(id[i])) return false;
  return true;
}

struct key key_config(const char *prefix) {
  return JOIN(prefix, "config");
}

struct key key_workers(const char *prefix) {
  return JOIN(prefix, "workers");
}

struct key key_owners(const char *prefix) {
  return JOIN(prefix, "owners");
}

struct key key_rooms_of_kind(const char *prefix, const char *kind) {
  return JOIN(prefix, "rooms:", kind);
}

struct key key_worker(const char *prefix, const char *worker) {
  return JOIN(prefix, "worker:", worker);
}

struct key key_worker_control(const char *prefix, const char *worker) {
  return JOIN(prefix, "worker:", worker, ":ctl");
}

struct key key_gateway(const char *prefix, const char *gateway) {
  return JOIN(prefix, "gateway:", gateway);
}

struct key key_gateway_events(const char *prefix, const char *gateway) {
  return JOIN(prefix, "gateway:", gateway, ":evt");
}

struct key key_gateway_queued(const char *prefix, const char *gateway) {
  return JOIN(prefix, "gateway:", gateway, ":queued");
}

static struct key key_part(const char *prefix, uint32_t partition, const char *what) {
  char digits[DIGITS_MAX];
  return JOIN(prefix, "part:", digits_of(partition, digits), ":", what);
}

struct key key_part_owner(const char *prefix, uint32_t partition) {
  return key_part(prefix, partition, "owner");
}

struct key key_part_commands(const char *prefix, uint32_t partition) {
  return key_part(prefix, partition, "cmd");
}

struct key key_part_done(const char *prefix, uint32_t partition) {
  return key_part(prefix, partition, "done");
}

struct key key_part_bytes(const char *prefix, uint32_t partition) {
  return key_part(prefix, partition, "bytes");
}

struct key key_part_rooms(const char *prefix, uint32_t partition) {
  return key_part(prefix, partition, "rooms");
}

struct key key_part_outbox(const char *prefix, uint32_t partition, uint32_t shard) {
  char from[DIGITS_MAX], to[DIGITS_MAX];
  return JOIN(prefix, "part:", digits_of(partition, from), ":out:", digits_of(shard, to));
}

struct key key_room(const char *prefix, const char *id) {
  return JOIN(prefix, "room:", id);
}

struct key key_room_members(const char *prefix, const char *id) {
  return JOIN(prefix, "room:", id, ":members");
}

struct key key_room_results(const char *prefix, const char *id) {
  return JOIN(prefix, "room:", id, ":results");
}

struct key key_room_deadline(const char *prefix, const char *id) {
  return JOIN(prefix, "room:", id, ":deadline");
}

struct key key_room_log(const char *prefix, const char *id) {
  return JOIN(prefix, "room:", id, ":log");
}

struct key key_tomb(const char *prefix, const char *id) {
  return JOIN(prefix, "tomb:", id);
}
