/* Deliveries are encoded at once into one buffer per gateway; the encodings of a repeated field concatenate. */
#include "worker/effects.h"
#include "common/mem.h"
#include "proto/pb.h"

#define SCRATCH_FIRST_BYTES 16384
#define SCRATCH_LIMIT_BYTES (64u << 20)

/* What waits costs Redis and gateways more than its bytes: so much is added for each delivery and each changed room.
 */
#define DELIVERY_COST 64
#define ROOM_COST     1024

#define GROW(array, n, cap)                                                                                          \
  do {                                                                                                               \
    if ((n) == (cap)) {                                                                                              \
      (cap) = (cap) ? 2 * (cap) : 8;                                                                                 \
      (array) = xrealloc((array), (cap) * sizeof *(array));                                                          \
    }                                                                                                                \
  } while (0)

void effects_init(struct effects *effects, uint32_t partition, uint64_t epoch) {
  *effects = (struct effects){.partition = partition, .epoch = epoch};
  arena_init(&effects->scratch, SCRATCH_FIRST_BYTES, SCRATCH_LIMIT_BYTES);
}

static void outgoing_clear(struct effects *effects) {
  while (effects->n_outgoing) buf_close(&effects->outgoing[--effects->n_outgoing].batch);
}

static void outlet_destroy(struct outlet *outlet) {
  free(outlet->conns);
  buf_close(&outlet->deliveries);
  free(outlet);
}

void effects_close(struct effects *effects) {
  for (size_t i = 0; i < effects->n_outlets; i++) outlet_destroy(effects->outlets[i]);
  free(effects->outlets);
  free(effects->changed);
  free(effects->ended);
  outgoing_clear(effects);
  free(effects->outgoing);
  parcels_close(&effects->parcels);
  arena_close(&effects->scratch);
  buf_close(&effects->saved);
  *effects = (struct effects){0};
}

void effects_clear(struct effects *effects) {
  for (size_t i = 0; i < effects->n_outlets; i++) buf_clear(&effects->outlets[i]->deliveries);
  effects->n_changed = 0;
  effects->n_ended = 0;
  effects->consumed_bytes = 0;
  effects->moved = false;
  effects->waiting_bytes = 0;
  outgoing_clear(effects);
  effects_drop_idle_outlets(effects);
}

bool effects_any(const struct effects *effects) {
  if (effects->moved || effects->n_changed || effects->n_ended || effects->n_outgoing) return true;
  for (size_t i = 0; i < effects->n_outlets; i++) {
    if (effects->outlets[i]->deliveries.len) return true;
  }
  return false;
}

struct outlet *effects_outlet(struct effects *effects, const char *gateway) {
  for (size_t i = 0; i < effects->n_outlets; i++) {
    if (strcmp(effects->outlets[i]->gateway, gateway) == 0) return effects->outlets[i];
  }
  GROW(effects->outlets, effects->n_outlets, effects->cap_outlets);
  struct outlet *outlet = xcalloc(1, sizeof *outlet);
  snprintf(outlet->gateway, sizeof outlet->gateway, "%s", gateway);
  return effects->outlets[effects->n_outlets++] = outlet;
}

void effects_drop_idle_outlets(struct effects *effects) {
  size_t kept = 0;
  for (size_t i = 0; i < effects->n_outlets; i++) {
    struct outlet *outlet = effects->outlets[i];
    if (outlet->bound || outlet->deliveries.len) {
      effects->outlets[kept++] = outlet;
    } else {
      outlet_destroy(outlet);
    }
  }
  effects->n_outlets = kept;
}

static void deliver(struct effects *effects, struct outlet *outlet, Heya__Bus__Delivery *delivery) {
  Heya__Bus__Deliveries deliveries = HEYA__BUS__DELIVERIES__INIT;
  deliveries.n_deliveries = 1;
  deliveries.deliveries = &delivery;
  size_t size = heya__bus__deliveries__get_packed_size(&deliveries);
  heya__bus__deliveries__pack(&deliveries, buf_reserve(&outlet->deliveries, size));
  outlet->deliveries.len += size;
  effects->waiting_bytes += size + DELIVERY_COST;
  effects->sent += delivery->n_conns;
}

void effects_answer(struct effects *effects, struct binding to, const char *room, Heya__V1__ServerMessage *message,
                    Heya__Bus__Attachment attachment) {
  if (!to.outlet) return;
  size_t size = heya__v1__server_message__get_packed_size(message);
  uint8_t *bytes = arena_take(&effects->scratch, size);
  heya__v1__server_message__pack(message, bytes);
  Heya__Bus__Delivery delivery = HEYA__BUS__DELIVERY__INIT;
  delivery.n_conns = 1;
  delivery.conns = &to.conn;
  delivery.message = (ProtobufCBinaryData){.len = size, .data = bytes};
  delivery.room = pb_text(room);
  delivery.attachment = attachment;
  delivery.attempt = to.attempt;
  deliver(effects, to.outlet, &delivery);
}

void outlet_collect(struct outlet *outlet, uint64_t conn) {
  GROW(outlet->conns, outlet->n_conns, outlet->cap_conns);
  outlet->conns[outlet->n_conns++] = conn;
}

void effects_broadcast(struct effects *effects, const char *room, struct bytes message) {
  Heya__Bus__Delivery delivery = HEYA__BUS__DELIVERY__INIT;
  delivery.message = pb_bytes(message);
  delivery.room = pb_text(room);
  for (size_t i = 0; i < effects->n_outlets; i++) {
    struct outlet *outlet = effects->outlets[i];
    if (outlet->n_conns == 0) continue;
    delivery.n_conns = outlet->n_conns;
    delivery.conns = outlet->conns;
    deliver(effects, outlet, &delivery);
    outlet->n_conns = 0;
  }
}

/* The batch for this partition that goes on; the last one begun for it, since order matters. */
static struct outgoing *outgoing_to(struct effects *effects, uint32_t partition) {
  for (size_t i = effects->n_outgoing; i-- > 0;) {
    struct outgoing *last = &effects->outgoing[i];
    if (last->partition != partition) continue;
    if (last->n_entries >= OUTGOING_MAX_ENTRIES || last->batch.len >= OUTGOING_MAX_BYTES) break;
    return last;
  }
  GROW(effects->outgoing, effects->n_outgoing, effects->cap_outgoing);
  struct outgoing *outgoing = &effects->outgoing[effects->n_outgoing++];
  *outgoing = (struct outgoing){.partition = partition};
  return outgoing;
}

void effects_append(struct effects *effects, uint32_t partition, Heya__Bus__Entry *entry) {
  Heya__Bus__Batch batch = HEYA__BUS__BATCH__INIT;
  struct outgoing *outgoing = outgoing_to(effects, partition);
  batch.n_entries = 1;
  batch.entries = &entry;
  size_t size = heya__bus__batch__get_packed_size(&batch);
  heya__bus__batch__pack(&batch, buf_reserve(&outgoing->batch, size));
  outgoing->batch.len += size;
  outgoing->n_entries++;
  effects->waiting_bytes += size + DELIVERY_COST;
}

bool effects_is_clogged(const struct effects *effects, uint32_t partition) {
  const struct parcels *parcels = &effects->parcels;
  return parcels->shards > 1 && parcels_is_clogged(parcels, partition % parcels->shards);
}

uint32_t effects_partition_of(const struct effects *effects, const char *room) {
  return effects->partitions ? room_partition(room, strlen(room), effects->partitions) : effects->partition;
}

void effects_changed(struct effects *effects, struct room *room) {
  GROW(effects->changed, effects->n_changed, effects->cap_changed);
  effects->changed[effects->n_changed++] = room;
  effects->waiting_bytes += ROOM_COST;
}

void effects_ended(struct effects *effects, const char *id, const char *kind, uint64_t tomb_until_ms) {
  GROW(effects->ended, effects->n_ended, effects->cap_ended);
  struct ended_room *ended = &effects->ended[effects->n_ended++];
  *ended = (struct ended_room){.tomb_until_ms = tomb_until_ms};
  snprintf(ended->id, sizeof ended->id, "%s", id);
  snprintf(ended->kind, sizeof ended->kind, "%s", kind);
}
