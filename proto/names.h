/* What rooms, kinds, players and properties may be called, and which partition a room belongs to.
 *
 * Gateways check with it what clients send, workers check it again: a name that passed here can be put into a Redis
 * key (proto/keys.h) without reaching another one. The grammar is said at the head of client.proto. Pure.
 */
#ifndef HEYA_PROTO_NAMES_H
#define HEYA_PROTO_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIND_MAX           16 /* bytes, as in all of these */
#define ROOM_NAME_MAX      64
#define ROOM_ID_MAX        (KIND_MAX + 1 + ROOM_NAME_MAX)
#define DERIVED_NAME_LEN   27 /* "~" and 26 characters */
#define PLAYER_MAX         64
#define DISPLAY_NAME_MAX   64
#define CREATE_KEY_MAX     64
#define INSTANCE_MAX       32
#define PROPERTY_NAME_MAX  32
#define PROPERTY_VALUE_MAX 64

/* A checked room id "<kind>/<name>". Holds no pointers: may be copied. */
struct room_id {
  char id[ROOM_ID_MAX + 1]; /* the whole, NUL-terminated */
  char kind[KIND_MAX + 1];  /* NUL-terminated */
  uint8_t id_len;
  uint8_t kind_len;
  bool derived; /* the name starts with "~": made by `create` */
};

/* False when `id` is not a room id; *out is then all zero. `id` need not end in NUL. */
bool room_id_parse(const char *id, size_t len, struct room_id *out);

/* Puts kind and name together; false as above. */
bool room_id_make(const char *kind, const char *name, struct room_id *out);

/* The part after the slash, NUL-terminated, id_len - kind_len - 1 bytes; valid as long as *id. */
static inline const char *room_id_name(const struct room_id *id) {
  return id->id + id->kind_len + 1;
}

/* [a-z][a-z0-9_]{0,15} */
bool kind_is_valid(const char *kind, size_t len);

/* A name a client may choose: [A-Za-z0-9_.-]{1,64}, but neither "." nor "..", which URLs and paths give a meaning of
 * their own. Derived names are not valid here. */
bool name_is_valid(const char *name, size_t len);

/* "~" and 26 characters of a-z2-7. */
bool name_is_derived(const char *name, size_t len);

/* 1 to 64 bytes of UTF-8 that can be shown as a name (utf8_is_name): no control characters, nothing that breaks lines
 * or turns the direction of text, and not only spaces. */
bool player_is_valid(const char *player, size_t len);

/* Like a player id, but may be empty: then the player id is shown. */
bool display_name_is_valid(const char *name, size_t len);

/* The client's key in `create`: 1 to 64 bytes of UTF-8 without control characters. It is never shown. */
bool create_key_is_valid(const char *key, size_t len);

/* A client's name for itself: [A-Za-z0-9_.-]{0,32}; empty for none. */
bool instance_is_valid(const char *instance, size_t len);

/* [a-z][a-z0-9_]{0,31} */
bool property_name_is_valid(const char *name, size_t len);

/* Up to 64 bytes of UTF-8 without control characters. */
bool property_value_is_valid(const char *value, size_t len);

/* The name of a room made by `create`: "~" and the first 130 bits of `digest` in lower-case base32 (RFC 4648,
 * section 6). The digest is SHA-256 over a domain of the caller's, the player id
 * and the client's key, with a NUL byte between them; the caller computes it (gateway/requests.c).
 */
void derived_name(const uint8_t digest[32], char out[DERIVED_NAME_LEN + 1]);

/* The partition of a room, 0 to partitions - 1; partitions must not be 0. Part of the data format: FNV-1a (64 bit) of
 * the id, then the finalizer of MurmurHash3 (fmix64), since FNV's low bits alone are weak, then modulo. */
uint32_t room_partition(const char *id, size_t len, uint32_t partitions);

#endif
