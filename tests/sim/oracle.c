/* Ownership, checkpoints, tokens, and what the images of a commit may say; see tests/sim/oracle.h. */
#include "tests/sim/oracle.h"

#include "proto/bus.pb-c.h"
#include "worker/record.h"
#include <inttypes.h>
#include <stdio.h>

void oracle_create(struct sim *sim) {
  sim->oracle = sim_alloc(sim, sizeof *sim->oracle);
  sim->oracle->sim = sim;
}

/* ---- who may speak for a partition ---- */

void oracle_claimed(struct sim *sim, uint32_t p, const char *worker, const struct store_claimed *claimed) {
  struct oracle *oracle = sim->oracle;
  uint64_t epoch = claimed->epoch;
  if (epoch <= oracle->partitions[p].epoch) sim_fail(sim, "epoch", "partition %u goes back to %" PRIu64, p, epoch);
  oracle_told(sim, p, worker, claimed);
  oracle->partitions[p].epoch = epoch;
  sim->seen[SEEN_CLAIMS]++;
  snprintf(oracle->partitions[p].worker, sizeof oracle->partitions[p].worker, "%s", worker);
  SIM_TRACE(sim, "redis", "partition %u is %s's, epoch %" PRIu64, p, worker, epoch);
}

void oracle_released(struct sim *sim, uint32_t p) {
  sim->oracle->partitions[p].worker[0] = '\0';
}

static void check_speaker(struct sim *sim, const char *worker, const struct commit_segment *segment) {
  struct oracle *oracle = sim->oracle;
  uint32_t p = segment->partition;
  const char *owner = oracle->partitions[p].worker;
  if (strcmp(owner, worker) != 0 || oracle->partitions[p].epoch != segment->epoch) {
    sim_fail(sim, "one-owner", "%s commits partition %u in epoch %" PRIu64 ", which is %s's, epoch %" PRIu64, worker,
             p, segment->epoch, *owner ? owner : "nobody", oracle->partitions[p].epoch);
  }
  if (stream_id_compare(segment->done, oracle->partitions[p].done) < 0) {
    sim_fail(sim, "checkpoint", "partition %u goes back to %" PRIu64 "-%" PRIu64, p, segment->done.ms,
             segment->done.seq);
  }
  if (stream_id_compare(segment->done, sim->model->partitions[p].commands.last) > 0) {
    sim_fail(sim, "checkpoint", "partition %u has done what nobody sent", p);
  }
  oracle->partitions[p].done = segment->done;
}

/* ---- tokens ---- */

uint64_t oracle_new_token(struct sim *sim) {
  struct oracle *oracle = sim->oracle;
  if (oracle->n_tokens == oracle->cap_tokens) {
    size_t cap = oracle->cap_tokens ? 2 * oracle->cap_tokens : 256;
    struct oracle_token *tokens = sim_alloc(sim, cap * sizeof *tokens);
    if (oracle->n_tokens) memcpy(tokens, oracle->tokens, oracle->n_tokens * sizeof *tokens);
    oracle->tokens = tokens;
    oracle->cap_tokens = cap;
  }
  sim->seen[SEEN_COMMANDS]++;
  return oracle->n_tokens++;
}

static struct oracle_token *token_of(struct sim *sim, uint64_t token) {
  if (token < sim->oracle->n_tokens) return &sim->oracle->tokens[token];
  sim_fail(sim, "ledger", "a token that nobody made");
  return NULL;
}

/* What was applied in the very commit that ended the room is in no image, and true nevertheless. */
void oracle_acked(struct sim *sim, const char *who, struct oracle_life *life, uint64_t number, uint32_t place) {
  struct oracle_token *token = token_of(sim, number);
  if (!token) return;
  token->acked = true;
  if (!token->life && life->ended) {
    token->life = life;
    token->place = place;
  } else if (!token->life) {
    sim_fail(sim, "acknowledged", "%s: token %" PRIu64 " is acknowledged and in no ledger", who, number);
  } else if (place != token->place) {
    sim_fail(sim, "original-answer", "%s: token %" PRIu64 " is number %u in the ledger, not %u", who, number,
             token->place, place);
  }
}

void oracle_refused(struct sim *sim, const char *who, uint64_t number) {
  struct oracle_token *token = token_of(sim, number);
  if (!token) return;
  token->refused = true;
  if (token->life) sim_fail(sim, "refused", "%s: token %" PRIu64 " is refused, and in a ledger", who, number);
}

void oracle_given_up(struct sim *sim, uint64_t number) {
  struct oracle_token *token = token_of(sim, number);
  if (token) token->given_up = true;
}

static void take_token(struct sim *sim, struct oracle_life *life, uint64_t number) {
  struct oracle_token *token = token_of(sim, number);
  if (!token) return;
  if (token->life) {
    sim_fail(sim, "exactly-once", "token %" PRIu64 " is applied in %s and again in %s", number, token->life->room->id,
             life->room->id);
  } else if (token->refused) {
    sim_fail(sim, "refused", "token %" PRIu64 " was refused and is applied in %s", number, life->room->id);
  } else if (token->given_up) {
    sim_fail(sim, "refused", "token %" PRIu64 " is applied in %s after its room failed", number, life->room->id);
  }
  if (life->n_tokens == life->cap_tokens) {
    size_t cap = life->cap_tokens ? 2 * life->cap_tokens : 64;
    uint64_t *tokens = sim_alloc(sim, cap * sizeof *tokens);
    if (life->n_tokens) memcpy(tokens, life->tokens, life->n_tokens * sizeof *tokens);
    life->tokens = tokens;
    life->cap_tokens = cap;
  }
  life->tokens[life->n_tokens++] = number;
  token->life = life;
  token->place = (uint32_t)life->n_tokens;
}

static bool same_tokens(const uint64_t *a, const uint64_t *b, size_t n) {
  return bytes_equal(bytes_of(a, n * sizeof *a), bytes_of(b, n * sizeof *b));
}

void oracle_ledger_shown(struct sim *sim, const char *who, const struct oracle_life *life,
                         const struct ledger *shown) {
  size_t n = shown->n < life->n_tokens ? shown->n : life->n_tokens; /* of its last moments no image knows */
  if ((shown->n > n && !life->ended) || !same_tokens(shown->tokens, life->tokens, n)) {
    sim_fail(sim, "snapshot", "%s is shown a ledger that %s never had", who, life->room->id);
  }
}

static void check_ledger(struct sim *sim, struct oracle_life *life, const Heya__Image__Room *image) {
  struct ledger ledger;
  if (!ledger_read(bytes_of(image->state.data, image->state.len), &ledger)) {
    sim_fail(sim, "image", "the state of %s cannot be read", life->room->id);
    return;
  }
  if (ledger.n < life->n_tokens || !same_tokens(ledger.tokens, life->tokens, life->n_tokens)) {
    sim_fail(sim, "history", "%s forgets or rewrites what was applied", life->room->id);
    return;
  }
  for (size_t i = life->n_tokens; i < ledger.n; i++) take_token(sim, life, ledger.tokens[i]);
  uint32_t waiting = 0;
  for (size_t i = 0; i < LEDGER_TIMERS; i++) waiting += ledger.due_ms[i] != 0;
  if (ledger.fired + waiting != ledger.set || image->n_timers != waiting) {
    sim_fail(sim, "timers", "%s has set %u timers, %u fired, %u wait, %zu in the image", life->room->id, ledger.set,
             ledger.fired, waiting, image->n_timers);
  }
  if (ledger.fired < life->timers_fired || ledger.set < life->timers_set) {
    sim_fail(sim, "timers", "%s forgets a timer", life->room->id);
  }
  life->timers_fired = ledger.fired;
  life->timers_set = ledger.set;
}

/* ---- lives of rooms ---- */

struct oracle_room *oracle_room_of(struct sim *sim, const char *id) {
  struct oracle *oracle = sim->oracle;
  for (size_t i = 0; i < oracle->n_rooms; i++) {
    if (strcmp(oracle->rooms[i]->id, id) == 0) return oracle->rooms[i];
  }
  struct oracle_room *room = sim_alloc(sim, sizeof *room);
  snprintf(room->id, sizeof room->id, "%s", id);
  room->live = strncmp(id, "live/", 5) == 0;
  return oracle->rooms[oracle->n_rooms++] = room;
}

static struct oracle_life *find_life(struct oracle_room *room, const char *incarnation) {
  struct oracle_life *life = room->lives;
  while (life && strcmp(life->incarnation, incarnation) != 0) life = life->next;
  return life;
}

struct oracle_life *oracle_life_of(struct sim *sim, const char *id, const char *incarnation) {
  struct oracle_life *life = find_life(oracle_room_of(sim, id), incarnation);
  if (!life) sim_fail(sim, "phantom", "somebody is in %s of %s, which Redis never had", id, incarnation);
  return life;
}

static struct oracle_life *add_life(struct sim *sim, struct oracle_room *room, const char *incarnation) {
  struct oracle_life *life = sim_alloc(sim, sizeof *life);
  life->room = room;
  life->next = room->lives;
  snprintf(life->incarnation, sizeof life->incarnation, "%s", incarnation);
  return room->lives = life;
}

/* Another incarnation may only follow one that is over: ended, or empty and past its time. */
static struct oracle_life *begin_life(struct sim *sim, struct oracle_room *room, const Heya__Image__Room *image) {
  struct oracle_life *before = room->life;
  if (before && !before->ended && before->image->n_members) {
    sim_fail(sim, "ghost-room", "%s begins anew with %zu members in it", room->id, before->image->n_members);
  } else if (before && !before->ended && before->expire_at_ms > model_now_ms(sim->model)) {
    sim_fail(sim, "ghost-room", "%s begins anew before it expires", room->id);
  }
  struct oracle_life *life = find_life(room, image->incarnation);
  if (life && !life->rumour) sim_fail(sim, "ghost-room", "%s comes back to an old life", room->id);
  if (!life) life = add_life(sim, room, image->incarnation);
  life->rumour = false;
  sim->seen[SEEN_LIVES]++;
  return room->life = life;
}

static void hear_of_life(struct sim *sim, struct oracle_room *room, struct bytes message) {
  const Heya__V1__ServerMessage *decoded =
      heya__v1__server_message__unpack(&sim->memory.allocator, message.len, message.data);
  if (!decoded || decoded->body_case != HEYA__V1__SERVER_MESSAGE__BODY_JOINED) return;
  if (find_life(room, decoded->joined->incarnation)) return;
  struct oracle_life *life = add_life(sim, room, decoded->joined->incarnation);
  life->rumour = life->ended = true;
}

static void hear_of_lives(struct sim *sim, struct oracle_room *room, const struct commit_segment *segment) {
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    struct bytes bytes = segment->deliveries[i].deliveries;
    const Heya__Bus__Deliveries *all = heya__bus__deliveries__unpack(&sim->memory.allocator, bytes.len, bytes.data);
    for (size_t d = 0; all && d < all->n_deliveries; d++) {
      const Heya__Bus__Delivery *delivery = all->deliveries[d];
      if (strcmp(delivery->room, room->id) != 0) continue;
      hear_of_life(sim, room, bytes_of(delivery->message.data, delivery->message.len));
    }
  }
}

static const Heya__Image__Room *decode_image(struct sim *sim, const struct commit_room *from) {
  for (size_t i = 0; i < from->n_fields; i++) {
    if (!bytes_equal_str(from->fields[i].name, "image")) continue;
    struct bytes value = from->fields[i].value;
    return heya__image__room__unpack(&sim->memory.allocator, value.len, value.data);
  }
  return NULL;
}

/* Whatever is due has happened: nothing in an image lies before the partition's time. */
static void check_times(struct sim *sim, const Heya__Image__Room *image, uint64_t done_ms) {
  uint64_t earliest = image->expire_at_ms ? image->expire_at_ms : UINT64_MAX;
  for (size_t i = 0; i < image->n_timers; i++) {
    if (image->timers[i]->at_ms < earliest) earliest = image->timers[i]->at_ms;
  }
  for (size_t i = 0; i < image->n_members; i++) {
    uint64_t until_ms = image->members[i]->away_until_ms;
    if (until_ms && until_ms < earliest) earliest = until_ms;
  }
  if (earliest <= done_ms) {
    sim_fail(sim, "time", "%s: what was due at %" PRIu64 " has not happened at %" PRIu64, image->id, earliest,
             done_ms);
  }
}

/* A session's numbers only grow. */
static void check_sessions(struct sim *sim, const Heya__Image__Room *before, const Heya__Image__Room *now) {
  for (size_t i = 0; before && i < before->n_members; i++) {
    const Heya__Image__Member *old = before->members[i];
    for (size_t j = 0; j < now->n_members; j++) {
      const Heya__Image__Member *member = now->members[j];
      if (strcmp(old->player, member->player) != 0 || strcmp(old->session, member->session) != 0) continue;
      if (member->last_number >= old->last_number) continue;
      sim_fail(sim, "session", "%s in %s goes back from command %u to %u", member->player, now->id, old->last_number,
               member->last_number);
    }
  }
}

static void take_room(struct sim *sim, const struct commit_segment *segment, const struct commit_room *from) {
  struct oracle_room *room = oracle_room_of(sim, from->id);
  if (from->gone) {
    if (room->life && !room->life->ended) oracle_last_words(sim, room->life, segment);
    hear_of_lives(sim, room, segment);
    if (room->life) room->life->ended = true;
    return;
  }
  const Heya__Image__Room *image = decode_image(sim, from);
  if (!image) {
    sim_fail(sim, "image", "%s is written without one", from->id);
    return;
  }
  struct oracle_life *life = room->life;
  if (!life || strcmp(life->incarnation, image->incarnation) != 0) life = begin_life(sim, room, image);
  if (life->ended && life->image) sim_fail(sim, "ghost-room", "%s is written after its end", room->id);
  life->ended = false;
  sim->seen[SEEN_REVIVED] += life->image && life->image->n_members == 0 && image->n_members;
  check_times(sim, image, segment->done.ms);
  check_sessions(sim, life->image, image);
  oracle_events_committed(sim, life, segment->epoch, from);
  if (image->seq != life->seq || image->seq < life->n_events) {
    sim_fail(sim, "events", "%s is at event %" PRIu64 ", its log at %" PRIu64, room->id, image->seq, life->seq);
  }
  if (!room->live) check_ledger(sim, life, image);
  life->image = image;
  life->expire_at_ms = image->expire_at_ms;
}

void oracle_committed(struct sim *sim, const char *worker, const struct commit_segment *segment) {
  check_speaker(sim, worker, segment);
  for (size_t i = 0; i < segment->n_rooms && !sim->failed; i++) take_room(sim, segment, &segment->rooms[i]);
  oracle_failed_committed(sim, segment);
}

/* ---- what people see agrees with the image ---- */

static void check_keys(struct sim *sim, const struct model_room *room, const Heya__Image__Room *image) {
  if (room->members.n != image->n_members || room->results.n != image->n_results) {
    sim_fail(sim, "readable", "%s shows %zu members and %zu results, and has %zu and %zu", room->id, room->members.n,
             room->results.n, image->n_members, image->n_results);
  }
  uint64_t until_ms = image->expire_at_ms ? image->expire_at_ms + RECORD_EXPIRE_MARGIN_MS : 0;
  for (enum model_room_key key = ROOM_MAIN; key <= ROOM_LOG; key++) {
    if (!room->exists[key] || room->expire_ms[key] == until_ms) continue;
    sim_fail(sim, "expiry", "key %d of %s expires at %" PRIu64 ", not %" PRIu64, key, room->id, room->expire_ms[key],
             until_ms);
  }
  bool shown = model_room_has(sim->model, room, ROOM_DEADLINE);
  if (shown != (image->deadline_ms > model_now_ms(sim->model)) ||
      (shown && room->expire_ms[ROOM_DEADLINE] != image->deadline_ms)) {
    sim_fail(sim, "readable", "%s: its deadline key is not what the image says", room->id);
  }
}

void oracle_written(struct sim *sim, const struct commit_segment *segment) {
  const struct model_partition *partition = &sim->model->partitions[segment->partition];
  int64_t bytes = 0;
  for (size_t i = partition->commands.head; i < partition->commands.n; i++) {
    bytes += (int64_t)partition->commands.entries[i].payload.len;
  }
  if (bytes != partition->bytes) {
    sim_fail(sim, "bytes", "partition %u counts %" PRId64 " bytes and has %" PRId64, segment->partition,
             partition->bytes, bytes);
  }
  for (size_t i = 0; i < segment->n_rooms && !sim->failed; i++) {
    const struct oracle_room *room = oracle_room_of(sim, segment->rooms[i].id);
    const struct model_room *keys = model_room_find(sim->model, room->id);
    if (room->life && !room->life->ended) check_keys(sim, keys, room->life->image);
  }
}

/* ---- what is sent in ---- */

void oracle_appended(struct sim *sim, uint32_t p, struct stream_id id, struct bytes batch) {
  (void)p;
  const Heya__Bus__Batch *decoded = heya__bus__batch__unpack(&sim->memory.allocator, batch.len, batch.data);
  for (size_t i = 0; decoded && i < decoded->n_entries; i++) {
    const Heya__Bus__Entry *entry = decoded->entries[i];
    if (entry->body_case != HEYA__BUS__ENTRY__BODY_COMMAND || strncmp(entry->room, "live/", 5) != 0) continue;
    oracle_live_appended(sim, entry->room, entry->player, id,
                         bytes_of(entry->command->payload.data, entry->command->payload.len));
  }
}
