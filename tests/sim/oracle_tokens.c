/* Each command has a token: it is applied once, in one life of one room, at one place; acknowledged with that place,
 * or refused and nowhere. */
#include "tests/sim/oracle.h"

#include <inttypes.h>

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
  if (life->room->lossy) {
    oracle_lossy_acked(sim, life, number, place);
  } else if (!token->life && life->ended) {
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

void oracle_put_token(struct sim *sim, struct oracle_life *life, uint64_t number) {
  struct oracle_token *token = token_of(sim, number);
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
  oracle_put_token(sim, life, number);
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

void oracle_ledger_committed(struct sim *sim, struct oracle_life *life, const Heya__Image__Room *image) {
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
