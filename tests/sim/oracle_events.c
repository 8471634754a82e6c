/* Every event of a room as the commits log it, and who must hear which; see tests/sim/oracle.h. */
#include "tests/sim/oracle.h"

#include "proto/bus.pb-c.h"
#include <inttypes.h>

/* ---- from commits ---- */

void oracle_put_event(struct sim *sim, struct oracle_life *life, const struct oracle_event *event) {
  if (life->n_events == life->cap_events) {
    size_t cap = life->cap_events ? 2 * life->cap_events : 64;
    struct oracle_event *events = sim_alloc(sim, cap * sizeof *events);
    if (life->n_events) memcpy(events, life->events, life->n_events * sizeof *events);
    life->events = events;
    life->cap_events = cap;
  }
  size_t at = life->n_events++;
  for (; at > 0 && life->events[at - 1].seq > event->seq; at--) life->events[at] = life->events[at - 1];
  life->events[at] = *event;
}

/* Numbers go on without holes, over all epochs, and epochs never go back. Only the log of a lossy room has holes. */
void oracle_events_committed(struct sim *sim, struct oracle_life *life, uint64_t epoch,
                             const struct commit_room *room) {
  if (room->n_log && epoch < life->event_epoch) sim_fail(sim, "events", "%s goes back to an older epoch", room->id);
  for (size_t i = 0; i < room->n_log; i++) {
    const struct commit_log_entry *entry = &room->log[i];
    if (life->room->lossy ? entry->seq <= life->seq : entry->seq != life->seq + 1) {
      sim_fail(sim, "events", "%s logs event %" PRIu64 " after %" PRIu64, room->id, room->log[i].seq, life->seq);
    }
    life->seq = room->log[i].seq;
    life->event_epoch = epoch;
    oracle_put_event(
        sim, life,
        &(struct oracle_event){.epoch = epoch, .seq = entry->seq, .to = entry->to, .message = entry->message});
    if (life->room->ticks) oracle_frame_told(sim, life, entry->message);
    if (life->room->live) oracle_live_event(sim, life, room->log[i].message);
  }
}

/* A room that ends leaves no log: what it said at last is known from the deliveries, and not for whom. */
static void take_last_word(struct sim *sim, struct oracle_life *life, size_t logged, struct bytes message) {
  const Heya__V1__ServerMessage *decoded =
      heya__v1__server_message__unpack(&sim->memory.allocator, message.len, message.data);
  if (!decoded || decoded->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return;
  uint64_t seq = decoded->event->seq;
  if (seq <= logged) return;
  size_t at = logged;
  while (at < life->n_events && life->events[at].seq < seq) at++;
  if (at < life->n_events && life->events[at].seq == seq) return; /* from another gateway's deliveries */
  oracle_put_event(sim, life,
                   &(struct oracle_event){
                       .epoch = decoded->event->epoch, .seq = seq, .to = bytes_of_str("?"), .message = message});
  if (life->seq < seq) life->seq = seq;
}

void oracle_last_words(struct sim *sim, struct oracle_life *life, const struct commit_segment *segment) {
  size_t logged = life->n_events;
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    struct bytes bytes = segment->deliveries[i].deliveries;
    const Heya__Bus__Deliveries *all = heya__bus__deliveries__unpack(&sim->memory.allocator, bytes.len, bytes.data);
    for (size_t d = 0; all && d < all->n_deliveries; d++) {
      if (strcmp(all->deliveries[d]->room, life->room->id) != 0) continue;
      take_last_word(sim, life, logged, bytes_of(all->deliveries[d]->message.data, all->deliveries[d]->message.len));
    }
  }
  for (size_t i = logged; life->room->live && i < life->n_events; i++) {
    oracle_live_event(sim, life, life->events[i].message);
  }
}

/* ---- from clients ---- */

static bool is_named(struct bytes to, const char *player) {
  size_t len = strlen(player);
  const char *at = to.data, *end = at + to.len;
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
    at++;
    if ((size_t)(end - at) >= len && memcmp(at, player, len) == 0 && (at + len == end || at[len] == '\n'))
      return true;
  }
  return false;
}

/* Who watches (NULL) hears what is not only for some. */
bool oracle_event_is_for(const struct oracle_event *event, const char *player) {
  switch (*(const char *)event->to.data) {
  case '*': return true;
  case '?': return false;
  case '!': return !player || !is_named(event->to, player);
  default: return player && is_named(event->to, player);
  }
}

size_t oracle_position(const struct oracle_life *life, uint64_t seq) {
  size_t at = seq < life->n_events ? (size_t)seq : life->n_events; /* the first one has number 1 */
  while (at > 0 && life->events[at - 1].seq > seq) at--;           /* its last words may have holes */
  return at;
}

const struct oracle_event *oracle_unheard(const struct oracle_life *life, const char *player, size_t position) {
  for (size_t i = position; i < life->n_events; i++) {
    if (oracle_event_is_for(&life->events[i], player)) return &life->events[i];
  }
  return NULL;
}

void oracle_heard(struct sim *sim, const char *who, const struct oracle_life *life, const char *player,
                  size_t *position, const Heya__V1__Event *heard, struct bytes message) {
  if (life->rumour || life->ends_unheard) return;
  const struct oracle_event *event = oracle_unheard(life, player, *position);
  for (size_t i = *position; !event && i < life->n_events; i++) { /* last words may be for anybody */
    if (life->events[i].seq == heard->seq) event = &life->events[i];
  }
  if (!event) {
    const struct oracle_event *of = heard->seq && heard->seq <= life->n_events ? &life->events[heard->seq - 1] : NULL;
    struct bytes to = of ? of->to : bytes_of_str("nobody");
    sim_fail(sim, "events", "%s (%s) hears event %" PRIu64 "-%" PRIu64 " of %s, for %.*s, having heard %zu", who,
             player ? player : "watching", heard->epoch, heard->seq, heard->room, (int)to.len, (const char *)to.data,
             *position);
  } else if (event->epoch != heard->epoch || event->seq != heard->seq) {
    sim_fail(sim, "events", "%s hears event %" PRIu64 "-%" PRIu64 " of %s instead of %" PRIu64 "-%" PRIu64, who,
             heard->epoch, heard->seq, heard->room, event->epoch, event->seq);
  } else if (!bytes_equal(event->message, message) && *(const char *)event->to.data != '?') {
    sim_fail(sim, "events", "%s hears event %" PRIu64 " of %s with another content", who, heard->seq, heard->room);
  } else {
    *position = (size_t)(event - life->events) + 1;
  }
}
