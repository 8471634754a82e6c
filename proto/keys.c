/* Builds the keys of proto/keys.h. A new key is one function here and one there. */
#include "proto/keys.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 1, 2))) static struct key make(const char *format, ...) {
  struct key key;
  va_list args;
  va_start(args, format);
  int len = vsnprintf(key.text, sizeof key.text, format, args);
  va_end(args);
  assert(len >= 0 && (size_t)len < sizeof key.text);
  key.len = (size_t)len;
  return key;
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
  return make("%sconfig", prefix);
}

struct key key_workers(const char *prefix) {
  return make("%sworkers", prefix);
}

struct key key_owners(const char *prefix) {
  return make("%sowners", prefix);
}

struct key key_rooms_of_kind(const char *prefix, const char *kind) {
  return make("%srooms:%s", prefix, kind);
}

struct key key_worker(const char *prefix, const char *worker) {
  return make("%sworker:%s", prefix, worker);
}

struct key key_worker_control(const char *prefix, const char *worker) {
  return make("%sworker:%s:ctl", prefix, worker);
}

struct key key_gateway(const char *prefix, const char *gateway) {
  return make("%sgateway:%s", prefix, gateway);
}

struct key key_gateway_events(const char *prefix, const char *gateway) {
  return make("%sgateway:%s:evt", prefix, gateway);
}

struct key key_gateway_queued(const char *prefix, const char *gateway) {
  return make("%sgateway:%s:queued", prefix, gateway);
}

static struct key key_part(const char *prefix, uint32_t partition, const char *what) {
  return make("%spart:%u:%s", prefix, (unsigned)partition, what);
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
  return make("%spart:%u:out:%u", prefix, (unsigned)partition, (unsigned)shard);
}

struct key key_room(const char *prefix, const char *id) {
  return make("%sroom:%s", prefix, id);
}

struct key key_room_members(const char *prefix, const char *id) {
  return make("%sroom:%s:members", prefix, id);
}

struct key key_room_results(const char *prefix, const char *id) {
  return make("%sroom:%s:results", prefix, id);
}

struct key key_room_deadline(const char *prefix, const char *id) {
  return make("%sroom:%s:deadline", prefix, id);
}

struct key key_room_log(const char *prefix, const char *id) {
  return make("%sroom:%s:log", prefix, id);
}

struct key key_tomb(const char *prefix, const char *id) {
  return make("%stomb:%s", prefix, id);
}
