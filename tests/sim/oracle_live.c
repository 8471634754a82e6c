/* Rounds of live rooms: a result whose entry lies before the deadline counts, all hear the same, once, and in time.
 *
 * A result may stand in the stream several times, because its sender sent it again; which of them the room takes is
 * its own business (numbers, bindings). So "too late" is judged where there is only one, and "counts" where even the
 * first one is too late. */
#include "tests/sim/oracle.h"

#include "proto/kinds/live.pb-c.h"
#include <inttypes.h>
#include <stdio.h>

#define BOUND_MS 2500 /* besides two leases and the error of clocks: messages may take 200 ms here */

static struct oracle_submit *submit_of(struct sim *sim, uint32_t score) {
  struct oracle *oracle = sim->oracle;
  for (size_t i = oracle->n_submits; i-- > 0;) {
    if (oracle->submits[i].score == score) return &oracle->submits[i];
  }
  if (oracle->n_submits == oracle->cap_submits) {
    size_t cap = oracle->cap_submits ? 2 * oracle->cap_submits : 32;
    struct oracle_submit *submits = sim_alloc(sim, cap * sizeof *submits);
    if (oracle->n_submits) memcpy(submits, oracle->submits, oracle->n_submits * sizeof *submits);
    oracle->submits = submits;
    oracle->cap_submits = cap;
  }
  struct oracle_submit *submit = &oracle->submits[oracle->n_submits++];
  *submit = (struct oracle_submit){.score = score};
  return submit;
}

void oracle_live_appended(struct sim *sim, const char *room, const char *player, struct stream_id id,
                          struct bytes payload) {
  const Heya__Kinds__Live__Command *command =
      heya__kinds__live__command__unpack(&sim->memory.allocator, payload.len, payload.data);
  if (!command || command->body_case != HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT) return;
  struct oracle_submit *submit = submit_of(sim, command->submit->score);
  submit->round = command->submit->round;
  snprintf(submit->room, sizeof submit->room, "%s", room);
  snprintf(submit->player, sizeof submit->player, "%s", player);
  if (submit->instances++ == 0) submit->first_ms = id.ms;
}

static struct oracle_round *round_of(struct oracle_life *life, uint32_t number) {
  return &life->rounds[number % ORACLE_ROUNDS_MAX];
}

/* ---- what the room says ---- */

static void on_submitted(struct sim *sim, struct oracle_life *life, const Heya__Kinds__Live__Submitted *said) {
  struct oracle_round *round = round_of(life, said->round);
  if (round->results.data) sim_fail(sim, "deadline", "a result in round %u after its results", said->round);
  if (round->submitted && round->deadline_ms != said->deadline_ms) {
    sim_fail(sim, "deadline", "the deadline of round %u moves", said->round);
  }
  if (!round->submitted) {
    bool explained = false;
    for (size_t i = 0; i < sim->oracle->n_submits; i++) {
      const struct oracle_submit *submit = &sim->oracle->submits[i];
      if (strcmp(submit->player, said->player) != 0 || submit->round != said->round) continue;
      if (strcmp(submit->room, life->room->id) != 0) continue;
      explained |= submit->instances > 1 || submit->first_ms + sim->plan.live_ms == said->deadline_ms;
    }
    if (!explained) sim_fail(sim, "deadline", "round %u: not %u ms from a result", said->round, sim->plan.live_ms);
  }
  round->submitted = true;
  round->deadline_ms = said->deadline_ms;
  SIM_TRACE(sim, "live", "%s has submitted to round %u of %s, deadline %" PRIu64, said->player, said->round,
            life->room->id, said->deadline_ms);
}

static const Heya__Kinds__Live__Score *score_of(const Heya__Kinds__Live__Results *results, const char *player) {
  for (size_t i = 0; i < results->n_scores; i++) {
    if (strcmp(results->scores[i]->player, player) == 0) return results->scores[i];
  }
  return NULL;
}

/* Acknowledged is counted. */
static void check_counted(struct sim *sim, const struct oracle_submit *submit) {
  struct oracle_round *round = round_of(submit->acked_in, submit->round);
  if (!round->results.data) return;
  const Heya__Kinds__Live__Results *results =
      heya__kinds__live__results__unpack(&sim->memory.allocator, round->results.len, round->results.data);
  const Heya__Kinds__Live__Score *score = score_of(results, submit->player);
  if (!score || score->forfeited || score->score != submit->score) {
    sim_fail(sim, "results", "%s's result %u in round %u of %s was acknowledged and does not count", submit->player,
             submit->score, submit->round, submit->room);
  }
}

static void on_results(struct sim *sim, struct oracle_life *life, const Heya__Kinds__Live__Results *results) {
  struct oracle_round *round = round_of(life, results->round);
  life->running = 0;
  sim->seen[SEEN_ROUNDS]++;
  SIM_TRACE(sim, "live", "round %u of %s ends", results->round, life->room->id);
  if (round->results.data) sim_fail(sim, "results", "round %u of %s ends twice", results->round, life->room->id);
  size_t len = heya__kinds__live__results__get_packed_size(results);
  uint8_t *packed = sim_alloc(sim, len + 1);
  heya__kinds__live__results__pack(results, packed);
  round->results = bytes_of(packed, len);
  for (size_t i = 0; i < sim->oracle->n_submits; i++) {
    const struct oracle_submit *submit = &sim->oracle->submits[i];
    if (submit->acked_in == life && submit->round == results->round) check_counted(sim, submit);
  }
  if (!round->deadline_ms) return;
  const struct model *model = model_of(sim, life->room->id);
  uint64_t disturbed_ms = SIM_EPOCH_MS + model->ahead_ms + sim->disturbed_until_us / 1000;
  uint64_t from_ms = round->deadline_ms > disturbed_ms ? round->deadline_ms : disturbed_ms;
  uint64_t bound_ms = 2 * sim->plan.lease_ms + 2 * (uint64_t)sim->plan.clock_error_ms + BOUND_MS;
  if (model_now_ms(model) > from_ms + bound_ms) {
    sim_fail(sim, "deadline", "the results of round %u of %s come %" PRIu64 " ms late", results->round,
             life->room->id, model_now_ms(model) - from_ms);
  }
}

static void on_started(struct sim *sim, struct oracle_life *life, const Heya__Kinds__Live__Started *started) {
  if (life->running) sim_fail(sim, "results", "%s starts a round in a round", life->room->id);
  if (started->round >= ORACLE_ROUNDS_MAX) sim_fail(sim, "spin", "too many rounds");
  life->running = started->round;
  SIM_TRACE(sim, "live", "round %u of %s begins with %zu players", started->round, life->room->id,
            started->n_players);
}

void oracle_live_event(struct sim *sim, struct oracle_life *life, struct bytes message) {
  const Heya__V1__ServerMessage *outer =
      heya__v1__server_message__unpack(&sim->memory.allocator, message.len, message.data);
  if (!outer || outer->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return;
  if (outer->event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) return;
  const Heya__Kinds__Live__Event *event =
      heya__kinds__live__event__unpack(&sim->memory.allocator, outer->event->payload.len, outer->event->payload.data);
  if (!event) return;
  if (event->body_case == HEYA__KINDS__LIVE__EVENT__BODY_STARTED) on_started(sim, life, event->started);
  if (event->body_case == HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED) on_submitted(sim, life, event->submitted);
  if (event->body_case == HEYA__KINDS__LIVE__EVENT__BODY_RESULTS) on_results(sim, life, event->results);
}

/* ---- what players are answered ---- */

void oracle_submit_answered(struct sim *sim, const char *who, struct oracle_life *life, uint32_t score,
                            Heya__V1__Error__Code code, uint32_t played) {
  struct oracle_submit *submit = submit_of(sim, score);
  const struct oracle_round *round = round_of(life, submit->round);
  if (code == HEYA__V1__ERROR__CODE__OK) {
    submit->acked_in = life;
    if (!round->submitted || submit->first_ms > round->deadline_ms) {
      sim_fail(sim, "deadline", "%s: result %u came after the deadline of round %u, and counts", who, score,
               submit->round);
    }
    check_counted(sim, submit);
  } else if (code == HEYA__V1__ERROR__CODE__TOO_LATE) {
    sim->seen[SEEN_TOO_LATE]++;
    bool in_time = submit->instances == 1 && round->submitted && submit->first_ms <= round->deadline_ms;
    if (in_time && submit->round == played) {
      sim_fail(sim, "deadline", "%s: result %u came %" PRIu64 " ms before the deadline of round %u, and is too late",
               who, score, round->deadline_ms - submit->first_ms, submit->round);
    }
  }
}
