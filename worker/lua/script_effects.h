/* What a script has asked its room to do in the call that runs: kept until the call has succeeded, then done in this
 * order. Of a call that fails or refuses nothing is done. */
#ifndef HEYA_WORKER_LUA_SCRIPT_EFFECTS_H
#define HEYA_WORKER_LUA_SCRIPT_EFFECTS_H

#include "common/buf.h"
#include "proto/names.h"
#include "worker/kind.h"

#define SCRIPT_EFFECTS_MAX       1024       /* of one call */
#define SCRIPT_EFFECTS_BYTES_MAX (4u << 20) /* of all their payloads and texts */

enum script_effect_what {
  EFFECT_SEND_ALL,
  EFFECT_SEND_EXCEPT,
  EFFECT_SEND_ONLY,
  EFFECT_TIMER_SET,
  EFFECT_TIMER_CANCEL,
  EFFECT_LOCK,
  EFFECT_COMPLETE,
  EFFECT_SET_OPTIONS,
  EFFECT_SET_TICK_HZ,
  EFFECT_DEADLINE_SHOW,
  EFFECT_DEADLINE_HIDE,
  EFFECT_RESULT_SHOW,
  EFFECT_RESULTS_HIDE,
  EFFECT_OPEN_ELSEWHERE,
  EFFECT_RESERVE_ELSEWHERE
};

/* What is asked of another room. The effect carries its options, and then the players' ids, each with its NUL. */
struct script_ask {
  char room[ROOM_ID_MAX + 1];
  uint64_t token;
  size_t options_len, n_players;
  uint32_t max_members;
};

struct script_effect {
  enum script_effect_what what;
  uint32_t number;  /* timer id, round, rate, reason, or whether to lock */
  uint64_t at_ms;   /* of a question: for how long seats are kept */
  size_t from, len; /* its payload or text, in `bytes` */
  size_t member;    /* the first of its members, in `members`: those who get it, or the one who does not */
  size_t n_members;
  union {
    char player[PLAYER_MAX + 1]; /* of a result line */
    struct script_ask ask;       /* of what concerns another room */
  };
};

/* Zero-initialised it is empty. */
struct script_effects {
  struct script_effect *items;
  size_t n, cap;
  struct buf bytes;
  struct member **members;
  size_t n_members, cap_members;
  size_t n_asks; /* how many of the items are questions */
};

/* A new one, zero but for `what`, valid until the next; NULL if there are too many. */
struct script_effect *script_effects_add(struct script_effects *effects, enum script_effect_what what);
/* Takes the last one added away again. */
void script_effects_drop(struct script_effects *effects, const struct script_effect *effect);
/* What `effect`, the last one added, is to carry or concern. False if it is too much in all. */
bool script_effects_carry(struct script_effects *effects, struct script_effect *effect, struct bytes bytes);
void script_effects_concern(struct script_effects *effects, struct script_effect *effect, struct member *member);

void script_effects_apply(const struct script_effects *effects, struct room *room);
void script_effects_close(struct script_effects *effects);

#endif
