/* What an owner says who was told of rooms that killed: their members are out, in his first commit, and all that was
 * sent to them up to the entry that killed is answered in the commit that consumes it. */
#include "tests/sim/oracle.h"

#include "proto/bus.pb-c.h"
#include <inttypes.h>

#define ROOM_FAILED HEYA__V1__ERROR__CODE__ROOM_FAILED

/* Who must hear what. */
struct expected {
  const char *room, *gateway;
  uint64_t conn;
  bool detached;    /* out of the room; else an error */
  uint32_t request; /* of the error */
};

static bool is_it(struct sim *sim, const struct expected *expected, const Heya__Bus__Delivery *delivery) {
  if (strcmp(delivery->room, expected->room) != 0 || delivery->n_conns != 1) return false;
  if (delivery->conns[0] != expected->conn) return false;
  const Heya__V1__ServerMessage *message =
      heya__v1__server_message__unpack(&sim->memory.allocator, delivery->message.len, delivery->message.data);
  if (!message) return false;
  if (expected->detached) {
    return message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_DETACHED && message->detached->reason == ROOM_FAILED;
  }
  return message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ERROR && message->request == expected->request &&
         message->error->code == ROOM_FAILED;
}

static bool is_said(struct sim *sim, const struct commit_segment *segment, const struct expected *expected) {
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    if (strcmp(segment->deliveries[i].gateway, expected->gateway) != 0) continue;
    struct bytes bytes = segment->deliveries[i].deliveries;
    const Heya__Bus__Deliveries *all = heya__bus__deliveries__unpack(&sim->memory.allocator, bytes.len, bytes.data);
    for (size_t d = 0; all && d < all->n_deliveries; d++) {
      if (is_it(sim, expected, all->deliveries[d])) return true;
    }
  }
  return false;
}

/* ---- members ---- */

static void check_told(struct sim *sim, const struct commit_segment *segment, const char *room,
                       Heya__Image__Member **people, size_t n) {
  for (size_t i = 0; i < n; i++) {
    struct expected out = {.room = room, .gateway = people[i]->gateway, .conn = people[i]->conn, .detached = true};
    if (!*people[i]->gateway || is_said(sim, segment, &out)) continue;
    sim_fail(sim, "poison", "%s is not told that %s has failed", people[i]->player, room);
  }
}

static void check_closed(struct sim *sim, const struct commit_segment *segment, const struct oracle_life *life) {
  const Heya__Image__Room *image = life->image;
  if (!life->ended) sim_fail(sim, "poison", "%s killed an owner, and is not closed", life->room->id);
  check_told(sim, segment, life->room->id, image->members, image->n_members);
  check_told(sim, segment, life->room->id, image->spectators, image->n_spectators);
}

/* ---- what was sent ---- */

static bool asks(const Heya__Bus__Entry *entry) {
  return entry->body_case == HEYA__BUS__ENTRY__BODY_JOIN || entry->body_case == HEYA__BUS__ENTRY__BODY_LEAVE ||
         entry->body_case == HEYA__BUS__ENTRY__BODY_COMMAND;
}

static void check_entry(struct sim *sim, const struct commit_segment *segment, const struct model_entry *entry,
                        const struct store_blame *blame) {
  int order = stream_id_compare(entry->id, blame->entry);
  if (order > 0) return;
  const Heya__Bus__Batch *batch =
      heya__bus__batch__unpack(&sim->memory.allocator, entry->payload.len, entry->payload.data);
  for (size_t i = 0; batch && i < batch->n_entries && (order < 0 || i <= blame->index); i++) {
    const Heya__Bus__Entry *one = batch->entries[i];
    if (!asks(one) || strcmp(one->room, blame->room) != 0) continue;
    struct expected error = {
        .room = blame->room, .gateway = entry->sender, .conn = one->conn, .request = one->request};
    if (is_said(sim, segment, &error)) continue;
    sim_fail(sim, "answered", "request %u to %s, which has failed, is passed over", one->request, blame->room);
  }
}

/* Before the model of Redis trims what is consumed. */
void oracle_failed_committed(struct sim *sim, const struct commit_segment *segment) {
  struct oracle_partition *partition = &sim->oracle->partitions[segment->partition];
  const struct model_stream *commands = &model_at(sim, segment->partition)->partitions[segment->partition].commands;
  for (size_t i = 0; i < partition->told.n && !sim->failed; i++) {
    if (partition->doomed[i]) check_closed(sim, segment, partition->doomed[i]);
    partition->doomed[i] = NULL;
    for (size_t e = commands->head; e < commands->n; e++) {
      if (stream_id_compare(commands->entries[e].id, segment->done) > 0) break;
      check_entry(sim, segment, &commands->entries[e], &partition->told.items[i]);
    }
  }
}
