/* Rooms that tick, as their images say it: the frame only grows, no faster than time, and every frame is accounted
 * for; commands leave the queue by the front, to be applied, and none of them vanishes; and a frame in which nothing
 * has changed is not written. What the kind itself sees of frames is checked in ledger_frames.c. */
#include "tests/sim/oracle.h"

#include <inttypes.h>

#define FRAMES_SLACK_MS 100 /* by so much a schedule may be ahead of the clock that it follows, and a bit */

/* ---- frames ---- */

static void check_frame(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                        const struct ledger_frames *frames) {
  if (life->image && (image->frame < life->image->frame || image->tick_hz != life->image->tick_hz)) {
    sim_fail(sim, "frames", "%s goes back from frame %" PRIu64 " to %" PRIu64, image->id, life->image->frame,
             image->frame);
  } else if (frames->ran + frames->skipped + frames->idle != frames->last || frames->last > image->frame ||
             (!frames->empty && frames->last != image->frame)) {
    sim_fail(sim, "frames", "%s is in frame %" PRIu64 ": %" PRIu64 " ran, %" PRIu64 " skipped, %" PRIu64 " idle",
             image->id, image->frame, frames->ran, frames->skipped, frames->idle);
  }
  uint64_t latest_ms = model_now_ms(model_of(sim, image->id)) + (uint64_t)sim->plan.clock_error_ms + FRAMES_SLACK_MS;
  if (image->created_ms + image->frame * 1000 / image->tick_hz > latest_ms) {
    sim_fail(sim, "frames", "%s is in frame %" PRIu64 " of the future", image->id, image->frame);
  }
}

/* ---- the queue ---- */

static const Heya__Image__Queued *find_queued(const Heya__Image__Room *image, const Heya__Image__Queued *item) {
  for (size_t i = 0; i < image->n_queue; i++) {
    const Heya__Image__Queued *other = image->queue[i];
    if (other->number != item->number || strcmp(other->player, item->player) != 0) continue;
    if (bytes_equal(oracle_bytes(other->payload), oracle_bytes(item->payload))) return other;
  }
  return NULL;
}

static const Heya__Image__Member *find_member(const Heya__Image__Room *image, const char *player) {
  for (size_t i = 0; i < image->n_members; i++) {
    if (strcmp(image->members[i]->player, player) == 0) return image->members[i];
  }
  return NULL;
}

/* He is in the same session as before: his commands are still wanted. */
static bool goes_on(const Heya__Image__Room *before, const Heya__Image__Room *now, const char *player) {
  const Heya__Image__Member *then = find_member(before, player), *member = find_member(now, player);
  return then && member && strcmp(then->session, member->session) == 0;
}

/* Its place in the ledger; 0: none. */
static uint32_t place_of(const struct oracle_life *life, uint64_t token) {
  for (size_t i = 0; i < life->n_tokens; i++) {
    if (life->tokens[i] == token) return (uint32_t)i + 1;
  }
  return 0;
}

static void check_queue(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *now) {
  const Heya__Image__Room *before = life->image;
  bool one_waits = false;
  uint32_t last_place = 0;
  for (size_t i = 0; before && i < before->n_queue; i++) {
    const Heya__Image__Queued *item = before->queue[i];
    struct ledger_command command;
    if (!ledger_decode(oracle_bytes(item->payload), &command)) continue;
    uint32_t place = place_of(life, command.token);
    bool waits = find_queued(now, item) != NULL, wanted = goes_on(before, now, item->player);
    if (waits && place) {
      sim_fail(sim, "queue", "token %" PRIu64 " is applied in %s and waits still", command.token, now->id);
    } else if (!waits && wanted && one_waits) {
      sim_fail(sim, "queue", "token %" PRIu64 " has left the queue of %s before its turn", command.token, now->id);
    } else if (!waits && wanted && !place && command.op != LEDGER_REFUSE && life->n_tokens < LEDGER_MAX) {
      sim_fail(sim, "queue", "token %" PRIu64 " waited in %s and is lost", command.token, now->id);
    } else if (place && place < last_place) {
      sim_fail(sim, "queue", "token %" PRIu64 " in %s is applied before one that came earlier", command.token,
               now->id);
    }
    one_waits |= waits;
    if (place) last_place = place;
  }
  sim->seen[SEEN_QUEUED] += now->n_queue;
}

/* ---- nothing has changed ---- */

/* The image but for what every frame counts. */
static struct bytes essence(struct sim *sim, const Heya__Image__Room *image) {
  Heya__Image__Room copy = *image;
  struct ledger ledger;
  copy.frame = 0;
  struct bytes state = sim_copy(sim, oracle_bytes(image->state));
  if (ledger_read(state, &ledger)) {
    ledger.frames = (struct ledger_frames){.left = ledger.frames.left, .empty = ledger.frames.empty};
    copy.state.data = sim_alloc(sim, state.len);
    memcpy(copy.state.data, &ledger, state.len);
  }
  size_t len = heya__image__room__get_packed_size(&copy);
  uint8_t *packed = sim_alloc(sim, len);
  heya__image__room__pack(&copy, packed);
  return bytes_of(packed, len);
}

static void check_changed(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                          const struct commit_room *from) {
  bool first_frame = life->image && life->image->frame == 0;
  if (!life->image || from->whole || from->n_log || life->room->lossy || first_frame) return;
  if (!bytes_equal(essence(sim, life->image), essence(sim, image))) return;
  sim_fail(sim, "idle", "%s is written, and nothing in it has changed", image->id);
}

void oracle_frames_committed(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                             const struct commit_room *from, bool quiet) {
  struct ledger ledger;
  if (!ledger_read(oracle_bytes(image->state), &ledger)) return;
  check_frame(sim, life, image, &ledger.frames);
  check_queue(sim, life, image);
  if (quiet) check_changed(sim, life, image, from); /* what came may have undone itself: one joined and was gone */
}

void oracle_frame_told(struct sim *sim, struct oracle_life *life, struct bytes message) {
  const Heya__V1__ServerMessage *outer =
      heya__v1__server_message__unpack(&sim->memory.allocator, message.len, message.data);
  if (!outer || outer->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return;
  if (outer->event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) return;
  uint64_t frame = ledger_frame_of(oracle_bytes(outer->event->payload));
  if (frame == 0) return;
  if (frame <= life->frame_told) {
    sim_fail(sim, "frames", "%s tells of frame %" PRIu64 " after %" PRIu64, life->room->id, frame, life->frame_told);
  }
  life->frame_told = frame;
}
