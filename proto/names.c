/* The grammar of names, and the hash that maps a room to its partition (proto/names.h). */
#include "proto/names.h"

#include "proto/utf8.h"

#include <assert.h>
#include <string.h>

static bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* [a-z][a-z0-9_]{0,max - 1} */
static bool is_identifier(const char *text, size_t len, size_t max) {
  if (len == 0 || len > max || !is_lower(text[0])) return false;
  for (size_t i = 1; i < len; i++)
    if (!is_lower(text[i]) && !is_digit(text[i]) && text[i] != '_') return false;
  return true;
}

bool kind_is_valid(const char *kind, size_t len) {
  return is_identifier(kind, len, KIND_MAX);
}

bool property_name_is_valid(const char *name, size_t len) {
  return is_identifier(name, len, PROPERTY_NAME_MAX);
}

/* [A-Za-z0-9_.-]* */
static bool is_word(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    bool is_letter = is_lower(c) || (c >= 'A' && c <= 'Z');
    if (!is_letter && !is_digit(c) && c != '_' && c != '.' && c != '-') return false;
  }
  return true;
}

bool name_is_valid(const char *name, size_t len) {
  if (len == 0 || len > ROOM_NAME_MAX) return false;
  if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) return false;
  return is_word(name, len);
}

bool name_is_derived(const char *name, size_t len) {
  if (len != DERIVED_NAME_LEN || name[0] != '~') return false;
  for (size_t i = 1; i < len; i++)
    if (!is_lower(name[i]) && !(name[i] >= '2' && name[i] <= '7')) return false;
  return true;
}

bool room_id_parse(const char *id, size_t len, struct room_id *out) {
  *out = (struct room_id){0};
  if (len == 0 || len > ROOM_ID_MAX) return false;
  const char *slash = memchr(id, '/', len);
  if (!slash) return false;
  size_t kind_len = (size_t)(slash - id);
  const char *name = slash + 1;
  size_t name_len = len - kind_len - 1;
  bool derived = name_is_derived(name, name_len);
  if (!kind_is_valid(id, kind_len) || (!derived && !name_is_valid(name, name_len))) return false;
  memcpy(out->id, id, len);
  memcpy(out->kind, id, kind_len);
  out->id_len = (uint8_t)len;
  out->kind_len = (uint8_t)kind_len;
  out->derived = derived;
  return true;
}

bool room_id_make(const char *kind, const char *name, struct room_id *out) {
  char id[ROOM_ID_MAX + 1];
  size_t kind_len = strlen(kind), name_len = strlen(name);
  *out = (struct room_id){0};
  if (kind_len > KIND_MAX || name_len > ROOM_NAME_MAX) return false;
  memcpy(id, kind, kind_len);
  id[kind_len] = '/';
  memcpy(id + kind_len + 1, name, name_len);
  return room_id_parse(id, kind_len + 1 + name_len, out);
}

bool player_is_valid(const char *player, size_t len) {
  return len >= 1 && len <= PLAYER_MAX && utf8_is_name(player, len);
}

bool display_name_is_valid(const char *name, size_t len) {
  return len == 0 || (len <= DISPLAY_NAME_MAX && utf8_is_name(name, len));
}

bool create_key_is_valid(const char *key, size_t len) {
  return len >= 1 && len <= CREATE_KEY_MAX && utf8_is_text(key, len, UTF8_ONE_LINE);
}

bool instance_is_valid(const char *instance, size_t len) {
  return len <= INSTANCE_MAX && is_word(instance, len);
}

bool property_value_is_valid(const char *value, size_t len) {
  return len <= PROPERTY_VALUE_MAX && utf8_is_text(value, len, UTF8_ONE_LINE);
}

void derived_name(const uint8_t digest[32], char out[DERIVED_NAME_LEN + 1]) {
  static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
  out[0] = '~';
  for (size_t i = 0; i < DERIVED_NAME_LEN - 1; i++) {
    size_t bit = i * 5;
    unsigned two = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];
    out[i + 1] = base32[two >> (11 - bit % 8) & 31];
  }
  out[DERIVED_NAME_LEN] = '\0';
}

uint32_t room_partition(const char *id, size_t len, uint32_t partitions) {
  assert(partitions > 0);
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)id[i]) * 0x100000001b3u;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
  hash ^= hash >> 33;
  return (uint32_t)(hash % partitions);
}
