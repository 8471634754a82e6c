/* The side that asks something of other rooms: functions of worker/kind.h. See worker/elsewhere.h. */
#include "common/mem.h"
#include "proto/pb.h"
#include "worker/room.h"
#include <stdio.h>

uint32_t room_asks_left(const struct room *room) {
  return room->asked < ROOM_ASKED_MAX ? ROOM_ASKED_MAX - room->asked : 0;
}

static bool is_sound(const struct room *room, const char *id, const struct kind_seats *seats) {
  struct room_id parsed;
  if (room_asks_left(room) == 0 || !room_id_parse(id, strlen(id), &parsed)) return false;
  if (seats->n > ROOM_ASK_SEATS_MAX || seats->keep_ms == 0 || seats->keep_ms > SEATS_KEEP_MAX_MS) return false;
  for (size_t i = 0; i < seats->n; i++) {
    if (!player_is_valid(seats->players[i], strlen(seats->players[i]))) return false;
  }
  return true;
}

static void *scratch(struct room *room, size_t n, size_t size) {
  void *memory = arena_alloc(&room->effects->scratch, (n ? n : 1) * size);
  if (!memory) mem_exhausted(n * size);
  return memory;
}

static Heya__Bus__Reserve reserve_of(struct room *room, const struct kind_seats *seats, uint64_t token) {
  Heya__Bus__Reserve reserve = HEYA__BUS__RESERVE__INIT;
  Heya__Bus__Seat *list = scratch(room, seats->n, sizeof *list);
  reserve.seats = scratch(room, seats->n, sizeof *reserve.seats);
  reserve.n_seats = seats->n;
  for (size_t i = 0; i < seats->n; i++) {
    heya__bus__seat__init(&list[i]);
    list[i].player = pb_text(seats->players[i]);
    reserve.seats[i] = &list[i];
  }
  reserve.keep_ms = seats->keep_ms;
  reserve.from = room->id;
  reserve.incarnation = room->incarnation;
  reserve.token = token;
  return reserve;
}

/* Saved at once also in a lossy room, or it would forget what it has asked. */
static void ask(struct room *room, const char *id, Heya__Bus__Entry *entry) {
  entry->room = pb_text(id);
  effects_append(room->effects, effects_partition_of(room->effects, id), entry);
  room->asked++;
  room_touch_facts(room);
}

bool room_open_elsewhere(struct room *room, const char *id, struct bytes options, uint32_t max_members,
                         const struct kind_seats *seats, uint64_t token) {
  if (!is_sound(room, id, seats)) return false;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Open open = HEYA__BUS__OPEN__INIT;
  Heya__Bus__Reserve reserve = reserve_of(room, seats, token);
  open.options = pb_bytes(options);
  open.max_members = max_members;
  open.seats = &reserve;
  if (room->kind->vacancy) open.lobby = room->id;
  entry.body_case = HEYA__BUS__ENTRY__BODY_OPEN;
  entry.open = &open;
  ask(room, id, &entry);
  return true;
}

bool room_reserve_elsewhere(struct room *room, const char *id, const struct kind_seats *seats, uint64_t token) {
  if (!is_sound(room, id, seats)) return false;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Reserve reserve = reserve_of(room, seats, token);
  entry.body_case = HEYA__BUS__ENTRY__BODY_RESERVE;
  entry.reserve = &reserve;
  ask(room, id, &entry);
  return true;
}

/* ---- ids ---- */

/* The next bits, the highest first. */
static void put(uint8_t *digest, size_t *at, uint64_t value, size_t bits) {
  for (size_t i = bits; i-- > 0; (*at)++) {
    if (value >> i & 1) digest[*at / 8] |= (uint8_t)(0x80 >> *at % 8);
  }
}

/* Of the 130 bits that a name has. An entry's effects are computed again, with the same ids, until they are
 * committed. Frames are not: rooms that tick also say in which epoch. */
void room_new_id(struct room *room, const char *kind, char *out) {
  struct effects *effects = room->effects;
  uint8_t digest[32] = {0};
  char name[DERIVED_NAME_LEN + 1];
  size_t at = 0;
  put(digest, &at, effects->partition, 16);
  put(digest, &at, effects->entry.ms, 44);
  put(digest, &at, effects->entry.seq, 32);
  put(digest, &at, effects->ids_made++, 20);
  put(digest, &at, room->frames.hz ? effects->epoch : 0, 18);
  derived_name(digest, name);
  snprintf(out, ROOM_ID_MAX + 1, "%.*s/%s", KIND_MAX, kind, name);
}
