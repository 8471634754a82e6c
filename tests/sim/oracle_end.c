/* The full account: after the faults have stopped everything settles, and when all have gone nothing is left. */
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"
#include "tests/sim/process.h"

#include <inttypes.h>

/* ---- settled: everybody has his answers ---- */

static bool streams_are_empty(const struct sim *sim) {
  for (uint32_t p = 0; p < sim->plan.partitions; p++) {
    if (model_stream_len(&model_at(sim, p)->partitions[p].commands) || oracle_unforwarded(sim, p)) return false;
  }
  return true;
}

/* Redis has executed what was sent to it, and nobody sleeps. */
static const struct oracle_event *missing_event(const struct sim_client *client, const struct place *place) {
  if (client->gone || place->state != PLACE_IN || place->life->ended) return NULL;
  return oracle_unheard(place->life, place_audience(place), place_position(place));
}

static bool is_satisfied(const struct sim_client *client) {
  for (size_t i = 0; i < CLIENT_PLACES; i++) {
    const struct place *place = &client->places[i];
    if (missing_event(client, place)) return false;
    if (!client->gone && place->state == PLACE_IN && place->life->ended) return false; /* it is still to be told */
  }
  return client_is_content(client);
}

static bool watches(const struct sim *sim, const char *room, const char *session) {
  for (size_t i = 0; i < sim->n_clients; i++) {
    for (size_t p = 0; p < CLIENT_PLACES; p++) {
      const struct place *place = &sim->clients[i]->places[p];
      if (place->state != PLACE_IN || !place->watching || strcmp(place->room, room) != 0) continue;
      if (strcmp(place->session, session) == 0) return true;
    }
  }
  return false;
}

/* Somebody is believed to watch it, and does not: there is no being away. NULL: nobody. */
static const char *ghost_watcher(const struct sim *sim, const struct oracle_life *life) {
  for (size_t i = 0; i < life->image->n_spectators; i++) {
    const Heya__Image__Member *spectator = life->image->spectators[i];
    if (!watches(sim, life->room->id, spectator->session)) return spectator->player;
  }
  return NULL;
}

static bool is_awake(const struct sim *sim) {
  for (size_t i = 0; i < sim->n_processes; i++) {
    const struct sim_process *process = sim->processes[i];
    if (!process->alive) continue;
    if (process_is_stalled(process)) return false;
    if (process->gateway && !process->stopping && gateway_shards(process->gateway) < sim->plan.shards) return false;
  }
  for (uint32_t i = 0; i < sim->plan.shards; i++) {
    if (sim->now_us < sim->models[i]->stalled_until_us) return false;
  }
  return sim->now_us >= sim->disturbed_until_us;
}

bool oracle_has_settled(struct sim *sim) {
  if (!is_awake(sim) || !streams_are_empty(sim) || oracle_unpunished(sim)) return false;
  for (size_t i = 0; i < sim->n_clients; i++) {
    if (!is_satisfied(sim->clients[i])) return false;
  }
  for (size_t i = 0; i < sim->oracle->n_rooms; i++) {
    const struct oracle_life *life = sim->oracle->rooms[i]->life;
    if (!life || life->ended) continue;
    if (life->timers_fired < life->timers_set) return false;
    if (ghost_watcher(sim, life)) return false;
    if (life->room->lobby && oracle_lobby_unsettled(sim, life)) return false;
    if (life->n_acks && life->image->n_members) return false;                 /* soon they are saved */
    if (life->running && life->rounds[life->running].submitted) return false; /* the deadline is to come */
  }
  return true;
}

static const Heya__Image__Member *find_person(Heya__Image__Member **people, size_t n, const char *player) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(people[i]->player, player) == 0) return people[i];
  }
  return NULL;
}

/* The client's seat, or its place among those who watch. */
static const Heya__Image__Member *person_of(const struct place *place, const Heya__Image__Room *image) {
  const char *player = place->client->player;
  if (!image) return NULL;
  return place->watching ? find_person(image->spectators, image->n_spectators, player)
                         : find_person(image->members, image->n_members, player);
}

static void check_place(struct sim *sim, const struct sim_client *client, const struct place *place) {
  if (place->state != PLACE_IN) return;
  const struct oracle_life *life = place->life;
  if (life->ended || life != life->room->life) {
    sim_fail(sim, "ghost-room", "%s sits in a life of %s that is over", client->name, place->room);
    return;
  }
  const Heya__Image__Member *member = person_of(place, life->image);
  if (!member || strcmp(member->session, place->session) != 0) {
    sim_fail(sim, "membership", "%s believes to be in %s, which knows %s", client->name, place->room,
             member ? "another session" : "nothing of him");
    return;
  }
  if (!member->gateway[0])
    sim_fail(sim, "membership", "%s is here and counts as away in %s", client->name, place->room);
  const struct oracle_event *missing = missing_event(client, place);
  if (missing) {
    sim_fail(sim, "events", "%s in %s never hears event %" PRIu64 "-%" PRIu64, client->name, place->room,
             missing->epoch, missing->seq);
  }
}

static void name_waiting(struct sim *sim) {
  for (size_t i = 0; i < sim->n_clients; i++) {
    char why[200];
    if (client_is_content(sim->clients[i])) continue;
    client_explain(sim->clients[i], why, sizeof why);
    sim_fail(sim, "answered", "%s", why);
  }
  for (uint32_t p = 0; p < sim->plan.partitions; p++) {
    size_t n = model_stream_len(&model_at(sim, p)->partitions[p].commands);
    if (oracle_unforwarded(sim, p)) sim_fail(sim, "outbox", "partition %u has parcels that never arrive", p);
    if (n)
      sim_fail(sim, "queues", "partition %u of %s still has %zu entries", p, sim->oracle->partitions[p].worker, n);
  }
  for (size_t i = 0; i < sim->oracle->n_rooms; i++) {
    const struct oracle_life *life = sim->oracle->rooms[i]->life;
    if (!life || life->ended) continue;
    if (life->timers_fired < life->timers_set) sim_fail(sim, "timers", "a timer of %s never fires", life->room->id);
    const char *why = life->room->lobby ? oracle_lobby_unsettled(sim, life) : NULL;
    if (why) sim_fail(sim, "lobby", "%s %s", life->room->id, why);
    const char *ghost = ghost_watcher(sim, life);
    if (ghost) sim_fail(sim, "watching", "%s is believed to watch %s", ghost, life->room->id);
    if (life->n_acks && life->image->n_members) sim_fail(sim, "taken-back", "%s is never saved", life->room->id);
    if (life->running && life->rounds[life->running].submitted) {
      sim_fail(sim, "results", "round %u of %s does not end", life->running, life->room->id);
    }
  }
  const char *room = oracle_unpunished(sim);
  if (room) sim_fail(sim, "poison", "%s killed its worker, and is never condemned", room);
  sim_fail(sim, "spin", "somebody never wakes");
}

void oracle_check_settled(struct sim *sim) {
  bool settled = oracle_has_settled(sim);
  for (size_t i = 0; i < sim->n_clients && !sim->failed; i++) {
    const struct sim_client *client = sim->clients[i];
    if (client->gone) continue;
    for (size_t p = 0; p < CLIENT_PLACES; p++) check_place(sim, client, &client->places[p]);
  }
  if (!settled && !sim->failed) name_waiting(sim);
  for (size_t i = 0; i < sim->n_processes && !sim->failed; i++) {
    const struct worker_metrics *metrics = &sim->processes[i]->worker_metrics;
    if (metrics->rooms_unreadable || metrics->bad_entries || metrics->commits_failed) {
      sim_fail(sim, "damage", "%s met %" PRIu64 " bad images, %" PRIu64 " bad entries, %" PRIu64 " refused commits",
               sim->processes[i]->name, metrics->rooms_unreadable, metrics->bad_entries, metrics->commits_failed);
    }
  }
}

/* ---- vanished: nothing is left of any room ---- */

bool oracle_all_empty(struct sim *sim) {
  for (size_t i = 0; i < sim->oracle->n_rooms; i++) {
    const struct oracle_life *life = sim->oracle->rooms[i]->life;
    if (life && !life->ended && life->image->n_members + life->image->n_spectators) return false;
  }
  return streams_are_empty(sim);
}

static const struct model_room *first_left(struct sim *sim) {
  for (uint32_t shard = 0; shard < sim->plan.shards; shard++) {
    const struct model *model = sim->models[shard];
    for (size_t i = 0; i < model->n_rooms; i++) {
      for (enum model_room_key key = 0; key < ROOM_KEYS; key++) {
        if (model_room_has(model, model->rooms[i], key)) return model->rooms[i];
      }
    }
  }
  return NULL;
}

static bool gateways_are_idle(const struct sim *sim) {
  for (size_t i = 0; i < sim->n_processes; i++) {
    const struct sim_process *process = sim->processes[i];
    if (process->alive && process->gateway && sessions_count(gateway_sessions(process->gateway))) return false;
  }
  return true;
}

static bool outboxes_are_empty(const struct sim *sim) {
  for (uint32_t p = 0; p < sim->plan.partitions; p++) {
    for (uint32_t shard = 0; shard < sim->plan.shards; shard++) {
      if (model_stream_len(&model_at(sim, p)->partitions[p].out[shard])) return false;
    }
  }
  return true;
}

bool oracle_has_vanished(struct sim *sim) {
  if (first_left(sim) || !gateways_are_idle(sim)) return false;
  return process_count(sim, true, true) == 0 || (streams_are_empty(sim) && outboxes_are_empty(sim));
}

static const char *const key_names[ROOM_KEYS] = {"", ":members", ":results", ":log", ":deadline"};

static void check_sets(struct sim *sim, const struct model *model) {
  for (size_t i = 0; i < model->n_rooms && process_count(sim, true, true); i++) {
    const struct model_room *room = model->rooms[i];
    if (room->in_set && room->tomb_until_ms <= model_now_ms(model)) {
      sim_fail(sim, "vanish", "%s is still in the set of its partition", room->id);
    }
  }
}

static void check_outboxes(struct sim *sim, const struct model_partition *partition, uint32_t p) {
  for (uint32_t shard = 0; shard < sim->plan.shards; shard++) {
    size_t n = model_stream_len(&partition->out[shard]);
    if (n) sim_fail(sim, "outbox", "partition %u keeps %zu parcels that have arrived", p, n);
  }
}

void oracle_check_vanished(struct sim *sim) {
  const struct model_room *room = first_left(sim);
  for (enum model_room_key key = 0; room && key < ROOM_KEYS; key++) {
    if (model_room_has(model_of(sim, room->id), room, key)) {
      sim_fail(sim, "vanish", "heya:room:%s%s is still there", room->id, key_names[key]);
    }
  }
  for (uint32_t shard = 0; shard < sim->plan.shards; shard++) check_sets(sim, sim->models[shard]);
  if (!gateways_are_idle(sim)) sim_fail(sim, "queues", "a gateway still has sessions");
  for (uint32_t p = 0; p < sim->plan.partitions && process_count(sim, true, true); p++) {
    const struct model_partition *partition = &model_at(sim, p)->partitions[p];
    check_outboxes(sim, partition, p);
    if (model_stream_len(&partition->commands) || partition->bytes) {
      sim_fail(sim, "queues", "partition %u keeps %zu entries, %" PRId64 " bytes", p,
               model_stream_len(&partition->commands), partition->bytes);
    }
  }
}
