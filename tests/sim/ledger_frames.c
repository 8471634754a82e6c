/* What a ledger does in a frame, and what is true of frames as a kind sees them: each one is later than those before
 * it, none is doubled, and all that did not run while anybody was in the room were counted as skipped. */
#include "tests/sim/ledger.h"

#include "worker/room.h"
#include <inttypes.h>

bool ledger_ticks(const char *room) {
  return strncmp(room, LEDGER_TICK_KIND "/", sizeof LEDGER_TICK_KIND) == 0 || ledger_is_lossy(room);
}

bool ledger_is_lossy(const char *room) {
  return strncmp(room, LEDGER_LOSSY_KIND "/", sizeof LEDGER_LOSSY_KIND) == 0;
}

static void check_number(struct sim *sim, const struct room *room, struct ledger_frames *frames,
                         const struct kind_tick *tick) {
  uint64_t known = frames->last + tick->skipped + 1;
  if (tick->frame < known) {
    sim_fail(sim, "frames", "%s runs frame %" PRIu64 ", %" PRIu64 " skipped, after %" PRIu64, room_id(room),
             tick->frame, tick->skipped, frames->last);
  } else if (tick->frame > known && !frames->empty) {
    sim_fail(sim, "frames", "%s: %" PRIu64 " frames before %" PRIu64 " neither ran nor were skipped", room_id(room),
             tick->frame - known, tick->frame);
  }
  frames->idle += tick->frame - known;
}

static void check_time(struct sim *sim, struct room *room, struct ledger_frames *frames,
                       const struct kind_tick *tick) {
  uint64_t begin_ms = room->created_ms + tick->frame * 1000 / room_tick_hz(room);
  if (room_time_ms(room) < begin_ms || room_time_ms(room) < frames->clock_ms) {
    sim_fail(sim, "frames",
             "%s: its clock says %" PRIu64 " in frame %" PRIu64 ", which begins at %" PRIu64 ", and said %" PRIu64,
             room_id(room), room_time_ms(room), tick->frame, begin_ms, frames->clock_ms);
  }
  if (tick->frame != room_frame(room)) sim_fail(sim, "frames", "%s is not in the frame that runs", room_id(room));
  frames->clock_ms = room_time_ms(room);
}

bool ledger_tick(struct sim *sim, struct room *room, struct ledger *ledger, const struct kind_tick *tick) {
  struct ledger_frames *frames = &ledger->frames;
  check_number(sim, room, frames, tick);
  check_time(sim, room, frames, tick);
  frames->last = tick->frame;
  frames->ran++;
  frames->skipped += tick->skipped;
  frames->empty = 0;
  sim->seen[SEEN_FRAMES]++;
  sim->seen[SEEN_SKIPPED] += tick->skipped;
  if (frames->left == 0) return false;
  uint8_t event[LEDGER_FRAME_BYTES] = {LEDGER_FRAME_EVENT};
  memcpy(event + 1, &tick->frame, sizeof tick->frame);
  frames->left--;
  room_send_all(room, bytes_of(event, sizeof event));
  return true;
}

uint64_t ledger_frame_of(struct bytes event) {
  uint64_t frame = 0;
  const uint8_t *bytes = event.data;
  if (event.len == LEDGER_FRAME_BYTES && bytes[0] == LEDGER_FRAME_EVENT) memcpy(&frame, bytes + 1, sizeof frame);
  return frame;
}
