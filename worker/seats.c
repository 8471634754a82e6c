/* See worker/seats.h. */
#include "worker/seats.h"
#include "common/mem.h"
#include "worker/room.h"

void seats_close(struct seats *seats) {
  free(seats->kept);
  *seats = (struct seats){0};
}

static struct kept_seat *find(const struct seats *seats, const char *player) {
  for (size_t i = 0; i < seats->n; i++) {
    if (strcmp(seats->kept[i].player, player) == 0) return &seats->kept[i];
  }
  return NULL;
}

void seats_keep(struct seats *seats, const char *player, uint64_t until_ms) {
  struct kept_seat *seat = find(seats, player);
  if (!seat) {
    seats->kept = xrealloc(seats->kept, (seats->n + 1) * sizeof *seats->kept);
    seat = &seats->kept[seats->n++];
    *seat = (struct kept_seat){.until_ms = 0};
    snprintf(seat->player, sizeof seat->player, "%s", player);
  }
  if (seat->until_ms < until_ms) seat->until_ms = until_ms;
}

bool seats_are_kept_for(const struct seats *seats, const char *player) {
  return find(seats, player) != NULL;
}

void seats_give_up(struct seats *seats, const char *player) {
  struct kept_seat *seat = find(seats, player);
  if (seat) *seat = seats->kept[--seats->n];
}

uint64_t seats_first_end_ms(const struct seats *seats) {
  uint64_t first = 0;
  for (size_t i = 0; i < seats->n; i++) {
    if (first == 0 || seats->kept[i].until_ms < first) first = seats->kept[i].until_ms;
  }
  return first;
}

uint64_t seats_last_end_ms(const struct seats *seats) {
  uint64_t last = 0;
  for (size_t i = 0; i < seats->n; i++) {
    if (seats->kept[i].until_ms > last) last = seats->kept[i].until_ms;
  }
  return last;
}

void seats_let_pass(struct seats *seats, uint64_t now_ms) {
  for (size_t i = 0; i < seats->n;) {
    if (seats->kept[i].until_ms > now_ms) {
      i++;
    } else {
      seats->kept[i] = seats->kept[--seats->n];
    }
  }
}

uint32_t seats_free(const struct room *room) {
  size_t taken = room->n_members + room->seats.n;
  return room_is_locked(room) || taken >= room->max_members ? 0 : room->max_members - (uint32_t)taken;
}
