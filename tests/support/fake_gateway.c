/* See tests/support/fake_gateway.h. */
#include "tests/support/fake_gateway.h"

#include "common/mem.h"
#include "proto/pb.h"

#include <criterion/criterion.h>
#include <string.h>

void fake_gateway_create(struct fake_gateway *self, const struct gateway_config *config) {
  static const struct gateway_config usual = FAKE_GATEWAY_CONFIG;
  char error[256];
  struct gateway_config mine = config ? *config : usual;
  *self = (struct fake_gateway){.store = fake_store_create()};
  cr_assert(auth_open(&self->auth, AUTH_DEV, JWT_HS256, NULL, 0, error, sizeof error), "%s", error);
  payload_registry_init(&self->registry);
  mine.auth = &self->auth;
  mine.registry = &self->registry;
  mine.output = &fake_output;
  self->gateway = gateway_create((struct store *[]){&self->store->store}, &mine, &self->metrics, NULL);
  self->sessions = gateway_sessions(self->gateway);
}

void fake_gateway_open(struct fake_gateway *self) {
  const uint64_t numbers[FAKE_PARTITIONS] = {0};
  gateway_turn(self->gateway);
  fake_store_init(self->store, STORE_OK, NULL, "c1");
  gateway_turn(self->gateway);
  fake_store_open(self->store, STORE_OK, 1, numbers, FAKE_PARTITIONS);
  gateway_turn(self->gateway);
}

void fake_gateway_start(struct fake_gateway *self) {
  fake_gateway_create(self, NULL);
  fake_gateway_open(self);
}

void fake_gateway_destroy(struct fake_gateway *self) {
  cr_assert_eq(sessions_count(self->sessions), 0);
  cr_assert_eq(self->metrics.attached, 0, "the gauge of attachments drifts: %lu",
               (unsigned long)self->metrics.attached);
  fake_store_destroy(self->store); /* calls back no more; the gateway lets go of it in destroy */
  gateway_destroy(self->gateway);
  auth_close(&self->auth);
}

struct fake_client *fake_gateway_client(struct fake_gateway *self, const char *player) {
  struct fake_client *client = fake_client_open(self->sessions, CONN_PROTO, NULL);
  fake_client_hello(client, 1, player);
  const Heya__V1__ServerMessage *answer = fake_client_hear(client);
  cr_assert(answer && answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_WELCOME, "%s is not welcome", player);
  return client;
}

struct fake_client *fake_gateway_member(struct fake_gateway *self, const char *player, const char *room) {
  struct fake_client *client = fake_gateway_client(self, player);
  fake_client_join(client, 2, room, true);
  fake_gateway_settle(self);
  fake_gateway_deliver(self, room, NULL, HEYA__BUS__ATTACHMENT__ATTACHED, 1, &client->number, 1);
  return client;
}

const Heya__Bus__Entry *fake_gateway_sent(struct fake_gateway *self, const char *room, size_t i) {
  gateway_turn(self->gateway);
  const struct fake_append *item =
      fake_store_append_for(self->store, room_partition(room, strlen(room), FAKE_PARTITIONS));
  if (!self->store->append.callback || !item || i >= item->batch->n_entries) return NULL;
  return item->batch->entries[i];
}

void fake_gateway_settle(struct fake_gateway *self) {
  for (gateway_turn(self->gateway); self->store->append.callback; gateway_turn(self->gateway)) {
    fake_store_append_ok(self->store);
  }
}

void fake_gateway_deliver(struct fake_gateway *self, const char *room, const Heya__V1__ServerMessage *message,
                          Heya__Bus__Attachment attachment, uint32_t attempt, const uint64_t *conns, size_t n) {
  Heya__Bus__Delivery delivery = HEYA__BUS__DELIVERY__INIT;
  Heya__Bus__Delivery *list[] = {&delivery};
  size_t len = message ? heya__v1__server_message__get_packed_size(message) : 0;
  uint8_t *data = xmalloc(len);
  if (message) heya__v1__server_message__pack(message, data);
  uint64_t *copy = xmemdup(conns, n * sizeof *conns);
  delivery.conns = copy;
  delivery.n_conns = n;
  delivery.message = pb_bytes(bytes_of(data, len));
  delivery.room = pb_text(room);
  delivery.attachment = attachment;
  delivery.attempt = attempt;
  fake_store_deliver(self->store, list, 1);
  gateway_turn(self->gateway);
  free(data);
  free(copy);
}
