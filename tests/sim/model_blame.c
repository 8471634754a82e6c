/* Who is to blame for an owner's death: the function blame of proto/heya.lua, and what its claim does about deaths. A
 * partition keeps one list: facts, which dying owners left, and at most one note, of the owner who lives. */
#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

#define DEATH_SOON_MS 60000
#define DEATHS_MAX    999

/* Its entry is still to be applied; or it was there when the partition was loaded, with nothing applied since. */
static bool is_open(const struct store_blame *blame, struct stream_id done) {
  int order = stream_id_compare(blame->entry, done);
  return order > 0 || (order == 0 && blame->index == STORE_BLAME_ALL);
}

bool model_has_open_note(const struct model_partition *partition) {
  for (size_t i = 0; i < partition->n_blames; i++) {
    if (!partition->blames[i].sure && is_open(&partition->blames[i], partition->done)) return true;
  }
  return false;
}

/* The oldest go first. */
static void add(struct model_partition *partition, const struct store_blame *blame) {
  if (partition->n_blames == STORE_BLAMES_MAX) {
    memmove(partition->blames, partition->blames + 1, --partition->n_blames * sizeof *blame);
  }
  partition->blames[partition->n_blames++] = *blame;
}

/* ---- claim ---- */

static void count_deaths(const struct model *model, struct model_partition *partition, bool died) {
  uint64_t lived_ms = model_now_ms(model) - partition->claimed_ms;
  bool moved = stream_id_compare(partition->death_done, partition->done) != 0;
  if (model->sim->plant == PLANT_DEATHS_FOR_EVER) moved = false;
  if (!*partition->owner || moved) partition->deaths = 0;
  if (died) partition->deaths = lived_ms < DEATH_SOON_MS ? partition->deaths + 1 : 1;
  if (partition->deaths > DEATHS_MAX) partition->deaths = DEATHS_MAX;
  partition->death_done = partition->done;
  partition->claimed_ms = model_now_ms(model);
}

/* Of what the list has, what is open and sure stays; a note is sure when its writer is dead. */
static void convict(struct model_partition *partition, bool died) {
  size_t kept = 0;
  for (size_t i = 0; i < partition->n_blames; i++) {
    struct store_blame blame = partition->blames[i];
    if (!(blame.sure || died) || !is_open(&blame, partition->done)) continue;
    blame.sure = true;
    partition->blames[kept++] = blame;
  }
  partition->n_blames = kept;
}

void model_blames_claimed(const struct model *model, struct model_partition *partition, const char *claimant,
                          struct store_claimed *claimed) {
  bool died = *partition->owner && strcmp(partition->owner, claimant) != 0;
  count_deaths(model, partition, died);
  convict(partition, died || model->sim->plant == PLANT_NOTES_CONVICT);
  claimed->deaths = partition->deaths;
  claimed->n_blames = partition->n_blames;
  memcpy(claimed->blames, partition->blames, sizeof claimed->blames);
}

/* ---- blame ---- */

enum store_result model_blame(struct model *model, uint32_t p, const char *id, uint64_t epoch,
                              const struct store_blame *blame) {
  struct model_partition *partition = &model->partitions[p];
  bool mine = strcmp(partition->owner, id) == 0 && partition->epoch == epoch;
  bool late = blame->sure && partition->epoch == epoch + 1;
  if (!mine && !late) return STORE_DENIED;
  size_t kept = 0;
  for (size_t i = 0; i < partition->n_blames; i++) {
    struct store_blame *old = &partition->blames[i];
    bool replaced = blame->sure && strcmp(old->room, blame->room) == 0;
    if ((old->sure || late) && !replaced) partition->blames[kept++] = *old;
  }
  partition->n_blames = model->sim->plant == PLANT_ONE_BLAME ? 0 : kept;
  if (*blame->room) add(partition, blame);
  oracle_blamed(model->sim, p, epoch, blame);
  return STORE_OK;
}
