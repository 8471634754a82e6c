/* Connections between clients and gateways; see tests/sim/wire.h. */
#include "tests/sim/wire.h"

#include "common/mem.h"
#include "tests/sim/process.h"

/* ---- frames: product code makes and drops them, so they are not the arena's ---- */

struct frame {
  unsigned refs;
  size_t len;
  unsigned char data[];
};

static struct frame *frame_make(enum conn_format format, struct bytes payload) {
  (void)format;
  struct frame *frame = xmalloc(sizeof *frame + payload.len);
  *frame = (struct frame){.refs = 1, .len = payload.len};
  if (payload.len) memcpy(frame->data, payload.data, payload.len);
  return frame;
}

static void frame_drop(struct frame *frame) {
  if (--frame->refs == 0) free(frame);
}

/* ---- down ---- */

struct wired {
  struct wire *wire;
  struct bytes bytes;
};

static struct wired *parcel_make(struct wire *wire, struct bytes bytes) {
  struct wired *parcel = sim_alloc(wire->sim, sizeof *parcel);
  *parcel = (struct wired){.wire = wire, .bytes = sim_copy(wire->sim, bytes)};
  return parcel;
}

static struct wire *wire_of(struct conn *conn) {
  return (struct wire *)(void *)conn;
}

static uint64_t down_time(struct wire *wire) {
  uint64_t at_us = wire->sim->now_us + sim_latency(wire->sim);
  if (wire->down_us < at_us) wire->down_us = at_us;
  return wire->down_us;
}

static void reach_client(void *arg) {
  struct wired *parcel = arg;
  struct wire *wire = parcel->wire;
  if (!wire->hung_up) wire->handler.message(wire->handler.arg, parcel->bytes);
}

static void client_hears_end(void *arg) {
  struct wire *wire = arg;
  if (wire->hung_up) return;
  wire->hung_up = true;
  wire->handler.closed(wire->handler.arg);
}

static void send_frame(struct conn *conn, struct frame *frame) {
  struct wire *wire = wire_of(conn);
  if (wire->closing) {
    sim_fail(wire->sim, "contract", "%s sends after close", wire->gateway->name);
    return;
  }
  if (!wire->hung_up) {
    sim_at(wire->sim, down_time(wire), reach_client, parcel_make(wire, bytes_of(frame->data, frame->len)));
  }
}

static void tell_session(void *arg) {
  struct wire *wire = arg;
  if (wire->was_closed) return;
  wire->was_closed = true;
  if (wire->session) session_closed(wire->session);
  wire->session = NULL;
}

static void close_conn(struct conn *conn, uint16_t code, const char *reason) {
  struct wire *wire = wire_of(conn);
  (void)code, (void)reason;
  if (wire->closing) return;
  wire->closing = true;
  sim_at(wire->sim, down_time(wire), client_hears_end, wire);
  process_post_at(wire->gateway, wire->sim->now_us + sim_interval(wire->sim, 3000), tell_session, wire);
}

static void set_ready(struct conn *conn) {
  (void)conn;
}

const struct session_output wire_output = {.frame_create = frame_make,
                                           .frame_unref = frame_drop,
                                           .send = send_frame,
                                           .close = close_conn,
                                           .set_ready = set_ready};

/* ---- up ---- */

static uint64_t up_time(struct wire *wire) {
  uint64_t at_us = wire->sim->now_us + sim_latency(wire->sim);
  if (wire->up_us < at_us) wire->up_us = at_us;
  return wire->up_us;
}

static void on_message(void *arg) {
  struct wired *parcel = arg;
  struct wire *wire = parcel->wire;
  if (wire->session && !wire->closing) session_message(wire->session, parcel->bytes);
}

static void reach_gateway(void *arg) {
  struct wired *parcel = arg;
  struct wire *wire = parcel->wire;
  if (wire->lost_after_us && wire->sim->now_us > wire->lost_after_us) return;
  process_post(wire->gateway, on_message, parcel);
}

static void on_open(void *arg) {
  struct wire *wire = arg;
  struct sim_process *gateway = wire->gateway;
  struct conn *conn = (struct conn *)(void *)wire;
  wire->number = ++gateway->next_conn;
  wire->session = sessions_opened(gateway_sessions(gateway->gateway), conn, wire->number,
                                  &(struct conn_open){.format = CONN_PROTO, .address = "client"});
}

static void reach_door(void *arg) {
  struct wire *wire = arg;
  if (!wire->gateway->alive) {
    client_hears_end(wire);
  } else {
    process_post(wire->gateway, on_open, wire);
  }
}

static void reach_end(void *arg) {
  struct wire *wire = arg;
  process_post(wire->gateway, tell_session, wire);
}

struct wire *wire_open(struct sim *sim, struct sim_process *gateway, const struct wire_handler *handler) {
  struct wire *wire = sim_alloc(sim, sizeof *wire);
  *wire = (struct wire){.sim = sim, .gateway = gateway, .handler = *handler};
  if (gateway->n_wires == gateway->cap_wires) {
    size_t cap = gateway->cap_wires ? 2 * gateway->cap_wires : 16;
    struct wire **wires = sim_alloc(sim, cap * sizeof(struct wire *));
    if (gateway->n_wires) memcpy(wires, gateway->wires, gateway->n_wires * sizeof(struct wire *));
    gateway->wires = wires;
    gateway->cap_wires = cap;
  }
  gateway->wires[gateway->n_wires++] = wire;
  sim_at(sim, up_time(wire), reach_door, wire);
  return wire;
}

void wire_send(struct wire *wire, struct bytes bytes) {
  if (wire->hung_up) return;
  sim_at(wire->sim, up_time(wire), reach_gateway, parcel_make(wire, bytes));
}

void wire_close(struct wire *wire) {
  if (wire->hung_up) return;
  wire->hung_up = true;
  sim_at(wire->sim, up_time(wire), reach_end, wire);
}

void wire_cut(struct wire *wire, uint64_t notice_us) {
  struct sim *sim = wire->sim;
  if (wire->hung_up) return;
  wire->hung_up = true;
  wire->lost_after_us = sim_between(sim, sim->now_us, wire->up_us > sim->now_us ? wire->up_us : sim->now_us);
  uint64_t at_us = up_time(wire) + notice_us;
  sim_at(sim, at_us, reach_end, wire);
}

void wire_gateway_died(struct wire *wire) {
  struct sim *sim = wire->sim;
  if (wire->hung_up) return;
  uint64_t at_us = sim_chance(sim, 800) ? down_time(wire) : sim->now_us + sim_interval(sim, 300000);
  sim_at(sim, at_us, client_hears_end, wire);
}
