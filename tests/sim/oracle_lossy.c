/* Rooms of a lossy kind. Their state is saved now and then; what must be true nevertheless:
 *
 * - Who comes or goes is in the commit that says so.
 * - They go back exactly when their owner died, or was replaced without having handed over. Then all sessions are
 * new, and everybody who is connected is told, in the first commit of the next owner.
 * - They go back to what was saved last. Nothing that was acknowledged is missing in what is saved later, unless they
 *   have gone back in between.
 *
 * A room that goes back begins another life here, of the same incarnation, with what was saved of the one before.
 * Their log has holes: events of which nothing is saved are known from the deliveries.
 */
#include "tests/sim/oracle.h"

#include "proto/bus.pb-c.h"
#include "tests/sim/process.h"
#include <inttypes.h>

#define ROLLED_BACK HEYA__V1__ERROR__CODE__ROLLED_BACK

/* ---- which of them somebody is in ---- */

static bool has_session(const struct oracle_life *life, const char *session) {
  for (const struct oracle_session *known = life->sessions; known; known = known->next) {
    if (strcmp(known->id, session) == 0) return true;
  }
  return false;
}

static void add_session(struct sim *sim, struct oracle_life *life, const char *session) {
  if (has_session(life, session)) return;
  struct oracle_session *known = sim_alloc(sim, sizeof *known);
  known->id = session; /* of the run's memory */
  known->next = life->sessions;
  life->sessions = known;
}

struct oracle_life *oracle_life_with(struct oracle_life *newest, const char *session) {
  struct oracle_life *found = newest;
  for (struct oracle_life *life = newest; life; life = life->next) {
    if (strcmp(life->incarnation, newest->incarnation) == 0 && has_session(life, session)) found = life;
  }
  return found;
}

struct oracle_life *oracle_life_after(struct oracle_life *life, const char *session) {
  struct oracle_life *later = life->later;
  while (later && !has_session(later, session)) later = later->later;
  return later;
}

/* ---- going back ---- */

static struct oracle_life *go_back(struct sim *sim, struct oracle_life *from) {
  struct oracle_life *life = sim_alloc(sim, sizeof *life);
  *life = *from;
  life->next = from->room->lives;
  life->later = NULL;
  life->sessions = NULL;
  life->n_acks = life->cap_acks = 0;
  life->tokens = NULL;
  life->n_tokens = life->cap_tokens = 0;
  life->events = NULL;
  life->n_events = life->cap_events = 0;
  life->frame_told = 0;
  life->seq = from->image->seq;
  for (size_t i = 0; i < from->n_tokens; i++) oracle_put_token(sim, life, from->tokens[i]);
  for (size_t i = 0; i < from->n_events && from->events[i].seq <= life->seq; i++) {
    oracle_put_event(sim, life, &from->events[i]);
  }
  for (size_t i = 0; i < from->n_acks; i++) sim->seen[SEEN_TAKEN_BACK]++;
  sim->seen[SEEN_ROLLED_BACK]++;
  from->later = life;
  from->ended = true;
  from->room->life = from->room->lives = life;
  return life;
}

static bool is_told(struct sim *sim, const struct commit_segment *segment, const char *room,
                    const Heya__Image__Member *person) {
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    if (strcmp(segment->deliveries[i].gateway, person->gateway) != 0) continue;
    struct bytes bytes = segment->deliveries[i].deliveries;
    const Heya__Bus__Deliveries *all = heya__bus__deliveries__unpack(&sim->memory.allocator, bytes.len, bytes.data);
    for (size_t d = 0; all && d < all->n_deliveries; d++) {
      const Heya__Bus__Delivery *delivery = all->deliveries[d];
      if (strcmp(delivery->room, room) != 0 || delivery->n_conns != 1 || delivery->conns[0] != person->conn) continue;
      const Heya__V1__ServerMessage *message =
          heya__v1__server_message__unpack(&sim->memory.allocator, delivery->message.len, delivery->message.data);
      if (!message || message->body_case != HEYA__V1__SERVER_MESSAGE__BODY_JOINED) continue;
      if (message->joined->reason == ROLLED_BACK && message->joined->snapshot) return true;
    }
  }
  return false;
}

static void check_told(struct sim *sim, const struct commit_segment *segment, const char *room,
                       Heya__Image__Member **people, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!*people[i]->gateway || is_told(sim, segment, room, people[i])) continue;
    sim_fail(sim, "rolled-back", "%s is not told that %s has gone back", people[i]->player, room);
  }
}

/* A session from before would go on with numbers that the room has forgotten. */
static void check_sessions_new(struct sim *sim, const Heya__Image__Room *before, const Heya__Image__Room *now) {
  for (size_t i = 0; i < before->n_members; i++) {
    for (size_t j = 0; j < now->n_members; j++) {
      if (strcmp(before->members[i]->session, now->members[j]->session) != 0) continue;
      sim_fail(sim, "rolled-back", "%s goes back, and %s keeps his session", now->id, now->members[j]->player);
    }
  }
}

struct oracle_life *oracle_lossy_goes_on(struct sim *sim, struct oracle_life *life,
                                         const struct commit_segment *segment, const Heya__Image__Room *now) {
  const Heya__Image__Room *before = life->image;
  if (!before || life->image_epoch == segment->epoch || !before->approximate) return life;
  if (now) check_told(sim, segment, before->id, before->members, before->n_members);
  if (now) check_told(sim, segment, before->id, before->spectators, before->n_spectators);
  if (now) check_sessions_new(sim, before, now);
  SIM_TRACE(sim, "redis", "%s has gone back to event %" PRIu64, before->id, before->seq);
  life->ends_unheard = now == NULL; /* it may have failed before anybody was told */
  life = go_back(sim, life);
  life->back_epoch = segment->epoch;
  return life;
}

/* Its next owner will have it go back. */
static bool will_go_back(struct sim *sim, const struct oracle_room *room, uint32_t p) {
  const struct oracle_life *life = room->life;
  if (!room->lossy || !life || life->ended || !life->image->approximate) return false;
  if (room_partition(room->id, strlen(room->id), sim->plan.partitions) != p) return false;
  struct model *model = model_at(sim, p);
  const struct model_room *keys = model_room_find(model, room->id);
  return keys && model_room_has(model, keys, ROOM_MAIN);
}

/* Each owner begins with it. */
static void check_all_went_back(struct sim *sim, const struct commit_segment *segment) {
  struct oracle_partition *partition = &sim->oracle->partitions[segment->partition];
  if (partition->spoken_epoch == segment->epoch) return;
  partition->spoken_epoch = segment->epoch;
  for (size_t i = 0; i < sim->oracle->n_rooms; i++) {
    const struct oracle_room *room = sim->oracle->rooms[i];
    if (!will_go_back(sim, room, segment->partition) || room->life->image_epoch == segment->epoch) continue;
    sim_fail(sim, "rolled-back", "%s has another owner, who does not say that it has gone back", room->id);
  }
}

/* How often its owner has connected to its Redis: after a break in between it knows nothing of what it did before. */
uint64_t oracle_connections(const struct sim *sim, const char *worker, uint32_t p) {
  for (size_t i = 0; i < sim->n_processes; i++) {
    const struct sim_store *store = sim->processes[i]->stores[p % sim->plan.shards];
    if (strcmp(sim->processes[i]->name, worker) != 0) continue;
    return store->links[LINK_COMMANDS].connection + store->links[LINK_READS].connection;
  }
  return 0;
}

void oracle_lossy_released(struct sim *sim, uint32_t p) {
  const struct oracle_partition *partition = &sim->oracle->partitions[p];
  if (partition->spoken_epoch != partition->epoch) return;
  if (partition->connections != oracle_connections(sim, partition->worker, p)) return;
  for (size_t i = 0; i < sim->oracle->n_rooms; i++) {
    const struct oracle_room *room = sim->oracle->rooms[i];
    if (will_go_back(sim, room, p)) sim_fail(sim, "rolled-back", "%s is handed over, and not saved", room->id);
  }
}

/* ---- what is said of it ---- */

struct word {
  struct oracle_life *life; /* the newest */
  bool written, ended;      /* in this commit */
  const Heya__V1__ServerMessage *message;
  struct bytes bytes;
};

static void hear_event(struct sim *sim, const struct word *word) {
  const Heya__V1__Event *event = word->message->event;
  struct oracle_life *life = word->life;
  size_t at = oracle_position(life, event->seq);
  if (at && life->events[at - 1].seq == event->seq) return;
  if (!word->written && !word->ended && event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) {
    sim_fail(sim, "membership", "%s tells event %" PRIu64 ", about its members, and saves nothing", life->room->id,
             event->seq);
  }
  struct oracle_event heard = {.epoch = event->epoch,
                               .seq = event->seq,
                               .to = bytes_of_str(word->ended ? "?" : "*"),
                               .message = sim_copy(sim, word->bytes)};
  oracle_put_event(sim, life, &heard);
  if (at == life->n_events - 1) oracle_frame_told(sim, life, word->bytes);
  if (life->seq < event->seq) life->seq = event->seq;
}

static void hear_joined(struct sim *sim, const struct word *word, uint64_t epoch) {
  const Heya__V1__Joined *joined = word->message->joined;
  struct oracle_life *life = word->life;
  if (!word->written && !word->ended) {
    sim_fail(sim, "membership", "%s lets somebody in and does not save it", life->room->id);
  } else if (joined->reason == ROLLED_BACK && !word->ended && life->back_epoch != epoch) {
    sim_fail(sim, "rolled-back", "somebody hears that %s has gone back, and it has not", life->room->id);
  }
  add_session(sim, life, joined->session);
}

static void hear(struct sim *sim, const struct commit_segment *segment, const Heya__Bus__Delivery *delivery) {
  struct oracle_room *room = oracle_room_of(sim, delivery->room);
  unsigned times = 0;
  struct word word = {.life = room->life, .bytes = bytes_of(delivery->message.data, delivery->message.len)};
  for (size_t i = 0; i < segment->n_rooms; i++) {
    if (strcmp(segment->rooms[i].id, room->id) != 0) continue;
    times++;
    word.written |= !segment->rooms[i].gone;
    word.ended |= segment->rooms[i].gone;
  }
  word.message = heya__v1__server_message__unpack(&sim->memory.allocator, word.bytes.len, word.bytes.data);
  if (!word.message || !word.life) return;
  if (word.message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED) {
    struct oracle_life *life = oracle_newest_life(room, word.message->joined->incarnation);
    if (life) word.life = life;
    hear_joined(sim, &word, segment->epoch);
  } else if (word.message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT && times < 2) {
    hear_event(sim, &word);
  }
}

void oracle_lossy_ends(struct sim *sim, struct oracle_room *room, const struct commit_segment *segment) {
  oracle_lossy_goes_on(sim, room->life, segment, NULL);
  for (size_t i = 0; i < segment->n_rooms; i++) {
    room->life->ends_unheard |= !segment->rooms[i].gone && strcmp(segment->rooms[i].id, room->id) == 0;
  }
}

/* After its rooms. */
void oracle_lossy_committed(struct sim *sim, const struct commit_segment *segment) {
  check_all_went_back(sim, segment);
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    struct bytes bytes = segment->deliveries[i].deliveries;
    const Heya__Bus__Deliveries *all = heya__bus__deliveries__unpack(&sim->memory.allocator, bytes.len, bytes.data);
    for (size_t d = 0; all && d < all->n_deliveries && !sim->failed; d++) {
      if (ledger_is_lossy(all->deliveries[d]->room)) hear(sim, segment, all->deliveries[d]);
    }
  }
}

/* ---- what was acknowledged ---- */

static void check_ack(struct sim *sim, const struct oracle_life *life, const struct oracle_ack *ack) {
  if (ack->place && ack->place <= life->n_tokens && life->tokens[ack->place - 1] == ack->token) return;
  sim_fail(sim, "taken-back", "token %" PRIu64 " was acknowledged as number %u of %s, and is not", ack->token,
           ack->place, life->room->id);
}

void oracle_lossy_acked(struct sim *sim, struct oracle_life *life, uint64_t token, uint32_t place) {
  struct oracle_ack ack = {.token = token, .place = place};
  if (life->ended) return;
  if (place <= life->n_tokens) {
    check_ack(sim, life, &ack);
    return;
  }
  if (life->n_acks == life->cap_acks) {
    life->cap_acks = life->cap_acks ? 2 * life->cap_acks : 16;
    struct oracle_ack *acks = sim_alloc(sim, life->cap_acks * sizeof *acks);
    if (life->n_acks) memcpy(acks, life->acks, life->n_acks * sizeof *acks);
    life->acks = acks;
  }
  life->acks[life->n_acks++] = ack;
}

/* What was heard before a commit was done before it. */
void oracle_lossy_saved(struct sim *sim, struct oracle_life *life) {
  for (size_t i = 0; i < life->n_acks; i++) check_ack(sim, life, &life->acks[i]);
  life->n_acks = 0;
}
