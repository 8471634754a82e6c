/* What partitions say to those of another Redis: the parcels of a commit, and the function forward of proto/heya.lua.
 */
#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

void model_post(struct model *model, const struct commit_segment *segment, struct store_posted *posted, size_t *n) {
  struct model_partition *partition = &model->partitions[segment->partition];
  for (size_t i = 0; i < segment->n_settled; i++) {
    model_stream_trim(&partition->out[segment->settled[i].shard], segment->settled[i].number);
  }
  for (size_t i = 0; i < segment->n_parcels; i++) {
    const struct commit_parcel *parcel = &segment->parcels[i];
    struct model_stream *out = &partition->out[parcel->shard];
    posted[*n].partition = segment->partition;
    posted[(*n)++].number = model_stream_add(model, out, "", parcel->batch);
    out->entries[out->n - 1].to = parcel->partition;
    oracle_posted(model->sim, segment->partition, parcel->partition, parcel->batch);
  }
}

enum store_result model_forward(struct model *model, const char *worker, const struct store_forward *items, size_t n,
                                enum store_append_verdict *verdicts) {
  for (size_t i = 0; i < n; i++) {
    struct model_partition *partition = &model->partitions[items[i].to];
    struct stream_id *last = &partition->from[items[i].from];
    bool had = stream_id_compare(items[i].number, *last) <= 0;
    verdicts[i] = STORE_APPENDED;
    model->sim->seen[SEEN_AGAIN] += had;
    if (had && model->sim->plant != PLANT_FORWARD_UNCHECKED) continue;
    *last = items[i].number;
    struct stream_id entry = model_stream_add(model, &partition->commands, worker, items[i].batch);
    partition->bytes += (int64_t)items[i].batch.len;
    oracle_appended(model->sim, items[i].to, entry, items[i].batch);
    oracle_forwarded(model->sim, items[i].from, items[i].to, items[i].batch);
  }
  return STORE_OK;
}
