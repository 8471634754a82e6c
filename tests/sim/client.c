/* Connecting, hearing, and what the player does next; see tests/sim/client.h. */
#include "tests/sim/client.h"

#include "proto/pb.h"
#include "tests/sim/process.h"
#include <stdio.h>

#define WELCOME_US   1500000 /* a gateway that is silent for longer is given up */
#define RECONNECT_US 20000

static void connect_client(void *arg);

/* ---- connection ---- */

static void reconnect_later(struct sim_client *client) {
  if (client->gone) return;
  sim_at(client->sim, client->sim->now_us + sim_interval(client->sim, RECONNECT_US), connect_client, client);
}

static void lose_connection(struct sim_client *client) {
  client->wire = NULL;
  client->welcomed = false;
  client->wire_number++;
  for (size_t i = 0; i < CLIENT_PLACES; i++) place_disconnected(&client->places[i]);
  reconnect_later(client);
}

static void on_closed(void *arg) {
  struct sim_client *client = arg;
  SIM_TRACE(client->sim, client->name, "its connection has ended");
  lose_connection(client);
}

uint32_t client_say(struct sim_client *client, Heya__V1__ClientMessage *message) {
  uint8_t bytes[1024];
  message->request = ++client->requests;
  size_t len = heya__v1__client_message__get_packed_size(message);
  if (len > sizeof bytes) return 0;
  heya__v1__client_message__pack(message, bytes);
  if (client->wire) wire_send(client->wire, bytes_of(bytes, len));
  return message->request;
}

/* Through the balancer, which knows who is ready, mostly. */
static struct sim_process *choose_gateway(struct sim *sim) {
  struct sim_process *gateway = NULL;
  for (unsigned tries = 0; tries < 5; tries++) {
    gateway = process_any(sim, false);
    if (gateway && !gateway->stopping && *gateway_id(gateway->gateway)) break;
  }
  return gateway;
}

struct patience {
  struct sim_client *client;
  uint64_t wire_number;
};

static void on_silence(void *arg) {
  struct patience *patience = arg;
  struct sim_client *client = patience->client;
  if (client->wire_number != patience->wire_number || client->welcomed || !client->wire) return;
  SIM_TRACE(client->sim, client->name, "hears no welcome");
  wire_cut(client->wire, 0);
  lose_connection(client);
}

static void on_message(void *arg, struct bytes bytes);

static void connect_client(void *arg) {
  struct sim_client *client = arg;
  struct sim *sim = client->sim;
  if (client->gone || client->wire) return;
  struct sim_process *gateway = choose_gateway(sim);
  if (!gateway) {
    reconnect_later(client);
    return;
  }
  SIM_TRACE(sim, client->name, "connects to %s", gateway->name);
  struct wire_handler handler = {.message = on_message, .closed = on_closed, .arg = client};
  client->wire = wire_open(sim, gateway, &handler);
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  hello.player = client->player;
  hello.instance = client->name;
  hello.connection = (uint32_t)client->wire_number + 1;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  client_say(client, &message);
  struct patience *patience = sim_alloc(sim, sizeof *patience);
  *patience = (struct patience){.client = client, .wire_number = client->wire_number};
  sim_at(sim, sim->now_us + WELCOME_US, on_silence, patience);
}

void client_cut(struct sim_client *client) {
  struct sim *sim = client->sim;
  if (!client->wire || client->gone) return;
  SIM_TRACE(sim, client->name, "its network breaks");
  wire_cut(client->wire, sim_chance(sim, 500) ? 0 : sim_interval(sim, 200000));
  lose_connection(client);
  sim_disturbed(sim, sim->now_us);
}

void client_give_up(struct sim_client *client) {
  struct sim *sim = client->sim;
  if (client->gone) return;
  SIM_TRACE(sim, client->name, "gives up");
  if (client->wire && sim_chance(sim, 500)) wire_close(client->wire);
  if (client->wire) wire_cut(client->wire, sim_interval(sim, 200000));
  client->gone = true;
  client->wire = NULL;
  for (size_t i = 0; i < CLIENT_PLACES; i++) place_disconnected(&client->places[i]);
}

/* ---- hearing ---- */

static void on_message(void *arg, struct bytes bytes) {
  struct sim_client *client = arg;
  struct sim *sim = client->sim;
  const Heya__V1__ServerMessage *message =
      heya__v1__server_message__unpack(&sim->memory.allocator, bytes.len, bytes.data);
  if (!message) {
    sim_fail(sim, "protocol", "%s cannot read what it hears", client->name);
    return;
  }
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_WELCOME) {
    client->welcomed = true;
    for (size_t i = 0; i < CLIENT_PLACES; i++) place_go_on(&client->places[i]);
    return;
  }
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE) return; /* the end follows */
  for (size_t i = 0; i < CLIENT_PLACES; i++) {
    if (!place_is_meant(&client->places[i], message)) continue;
    place_hears(&client->places[i], message, bytes);
    return;
  }
}

/* ---- the player ---- */

static bool is_elsewhere(const struct sim_client *client, const char *room) {
  for (size_t i = 0; i < CLIENT_PLACES; i++) {
    if (client->places[i].state != PLACE_OUT && strcmp(client->places[i].room, room) == 0) return true;
  }
  return false;
}

static void enter_somewhere(struct sim_client *client, struct place *place) {
  static const char *const kinds[] = {LEDGER_KIND, LEDGER_TICK_KIND, "live", LEDGER_KIND, LEDGER_LOSSY_KIND, "lobby"};
  struct sim *sim = client->sim;
  char room[ROOM_ID_MAX + 1];
  uint64_t number = sim_below(sim, sim->plan.rooms);
  if (*client->wanted) {
    bool is_new = !is_elsewhere(client, client->wanted);
    if (is_new) place_enter(place, client->wanted, false, false);
    place->has_seat = is_new && strcmp(client->sent_to, client->wanted) != 0; /* else the seat may be used up */
    memcpy(client->sent_to, client->wanted, sizeof client->sent_to);
    client->wanted[0] = '\0';
    return;
  }
  if (sim_chance(sim, 60)) {
    place_create(place);
    return;
  }
  const char *kind = kinds[(number + sim->plan.kinds_from) % (sizeof kinds / sizeof *kinds)];
  snprintf(room, sizeof room, "%s/r%u", kind, (unsigned)number);
  if (!is_elsewhere(client, room)) place_enter(place, room, !sim_chance(sim, 100), sim_chance(sim, 150));
}

static void act_in(struct sim_client *client, struct place *place) {
  struct sim *sim = client->sim;
  switch (place->state) {
  case PLACE_OUT:
    if (*client->wanted || sim_chance(sim, 300)) enter_somewhere(client, place);
    break;
  case PLACE_IN:
    if (sim_chance(sim, *client->wanted && !place_is_lobby(place) ? 400 : client->commands ? 50 : 150)) {
      place_leave(place);
    } else if (client->commands && place->n_unanswered < CLIENT_UNSENT) {
      client->commands--;
      place_command(place);
    }
    break;
  default: break;
  }
}

static void on_act(void *arg) {
  struct sim_client *client = arg;
  struct sim *sim = client->sim;
  if (client->gone || sim->phase != SIM_ACTIVE) return;
  if (client->welcomed) act_in(client, &client->places[sim_below(sim, CLIENT_PLACES)]);
  sim_at(sim, sim->now_us + sim_interval(sim, sim->plan.think_us), on_act, client);
}

void clients_begin(struct sim *sim) {
  for (uint32_t i = 0; i < sim->plan.clients; i++) {
    struct sim_client *client = sim_alloc(sim, sizeof *client);
    client->sim = sim;
    client->commands = CLIENT_COMMANDS;
    snprintf(client->name, sizeof client->name, "c%u", i);
    snprintf(client->player, sizeof client->player, "p%u", i);
    if (i && sim_chance(sim, sim->plan.twin_permille)) {
      memcpy(client->player, sim->clients[sim_below(sim, i)]->player, sizeof client->player);
    }
    for (size_t p = 0; p < CLIENT_PLACES; p++) client->places[p].client = client;
    sim->clients[sim->n_clients++] = client;
    sim_at(sim, sim_below(sim, 300000), connect_client, client);
    sim_at(sim, sim_below(sim, 300000), on_act, client);
  }
}

/* ---- the end of the evening ---- */

static void hang_up_when_out(void *arg) {
  struct sim_client *client = arg;
  if (client->gone) return;
  bool out = true;
  for (size_t i = 0; i < CLIENT_PLACES; i++) out &= client->places[i].state == PLACE_OUT;
  if (out) {
    client_give_up(client);
  } else {
    sim_at(client->sim, client->sim->now_us + 10000, hang_up_when_out, client);
  }
}

void client_go(struct sim_client *client) {
  if (client->gone) return;
  if (sim_chance(client->sim, 500)) {
    client_give_up(client);
    return;
  }
  client->leaving = true;
  for (size_t i = 0; i < CLIENT_PLACES; i++) place_leave(&client->places[i]);
  hang_up_when_out(client);
}

bool client_has_twin(const struct sim_client *client) {
  for (size_t i = 0; i < client->sim->n_clients; i++) {
    const struct sim_client *other = client->sim->clients[i];
    if (other != client && strcmp(other->player, client->player) == 0) return true;
  }
  return false;
}

bool client_is_content(const struct sim_client *client) {
  if (client->gone) return true;
  if (!client->welcomed) return false;
  for (size_t i = 0; i < CLIENT_PLACES; i++) {
    const struct place *place = &client->places[i];
    if (place->state != PLACE_OUT && place->state != PLACE_IN) return false;
    if (place->n_unanswered) return false;
  }
  return true;
}

void client_explain(const struct sim_client *client, char *out, size_t size) {
  static const char *const states[] = {"out", "joining", "in", "leaving"};
  int at = snprintf(out, size, "%s is %s", client->name, client->welcomed ? "connected" : "not connected");
  for (size_t i = 0; i < CLIENT_PLACES && at > 0 && (size_t)at < size; i++) {
    const struct place *place = &client->places[i];
    at += snprintf(out + at, size - (size_t)at, ", %s %s with %zu unanswered from %u", states[place->state],
                   place->room, place->n_unanswered, place->answered + 1);
  }
}
