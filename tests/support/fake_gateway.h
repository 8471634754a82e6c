/* A gateway on a fake store with fake clients: what tests of sessions, downlink and gateway begin with. */
#ifndef HEYA_TESTS_FAKE_GATEWAY_H
#define HEYA_TESTS_FAKE_GATEWAY_H

#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "tests/support/fake_clients.h"
#include "tests/support/fake_store.h"

#define FAKE_PARTITIONS 4

struct fake_gateway {
  struct fake_store *store;
  struct auth auth; /* mode dev */
  struct payload_registry registry;
  struct gateway_metrics metrics;
  struct gateway *gateway;
  struct sessions *sessions;
};

/* Limits small enough to reach: 3 rooms per connection, 10 messages at once, 8 waiting entries per partition. */
#define FAKE_GATEWAY_CONFIG                                                                                          \
  {                                                                                                                  \
    .id = "g1", .partitions = FAKE_PARTITIONS, .ttl_ms = 30000, .drain_timeout_ms = 5000, .partition_entries = 8,    \
    .partition_bytes = 65536, .sessions = {                                                                          \
      .max_message_bytes = 65536,                                                                                    \
      .max_rooms = 3,                                                                                                \
      .rate_per_s = 5,                                                                                               \
      .rate_burst = 10                                                                                               \
    }                                                                                                                \
  }

/* Not opened yet. `config` lacks auth, registry and output; NULL: FAKE_GATEWAY_CONFIG. */
void fake_gateway_create(struct fake_gateway *, const struct gateway_config *config);
/* Checked, opened with generation 1, reading. */
void fake_gateway_open(struct fake_gateway *);
/* Both. */
void fake_gateway_start(struct fake_gateway *);
/* Clients must be closed. Asserts that no frame is left over but those that clients hold. */
void fake_gateway_destroy(struct fake_gateway *);

/* A client that has said hello as `player` and heard Welcome. */
struct fake_client *fake_gateway_client(struct fake_gateway *, const char *player);
/* The same, joined to the room, its join answered by ATTACHED with an empty message. */
struct fake_client *fake_gateway_member(struct fake_gateway *, const char *player, const char *room);

/* One turn; then the i-th entry of the append's batch for the partition of this room, or NULL. */
const Heya__Bus__Entry *fake_gateway_sent(struct fake_gateway *, const char *room, size_t i);
/* Sends whatever waits and has it taken, until nothing waits. */
void fake_gateway_settle(struct fake_gateway *);
/* Delivers one message (NULL: none) to these connections. */
void fake_gateway_deliver(struct fake_gateway *, const char *room, const Heya__V1__ServerMessage *,
                          Heya__Bus__Attachment, uint32_t attempt, const uint64_t *conns, size_t n);

#endif
