/* A WebSocket client in an event loop (RFC 6455): thousands of them in one process, none of which ever waits. Frames
 * are as small as the protocol allows: whole messages, binary, masked with zero. */
#ifndef HEYA_TESTS_SUPPORT_WS_H
#define HEYA_TESTS_SUPPORT_WS_H

#include "common/buf.h"
#include "common/bytes.h"

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct ws_events {
  void (*open)(void *arg); /* upgraded */
  void (*message)(void *arg, struct bytes message);
  void (*closed)(void *arg, unsigned code); /* 1006 without a Close frame; the connection is freed before */
};

struct ws;

/* Connects to loopback. Every callback comes from the loop, `closed` exactly once unless ws_drop came first. */
struct ws *ws_connect(struct ev_loop *loop, uint16_t port, const struct ws_events *events, void *arg);

struct ws *ws_connect_to(struct ev_loop *loop, const struct sockaddr_in *address, const struct ws_events *events,
                         void *arg);

void ws_send(struct ws *ws, struct bytes message);
/* One that is a whole frame already, masked. Not copied, unless the socket does not take it at once. */
void ws_send_frame(struct ws *ws, struct bytes whole);

/* Closes the socket without a word and frees. NULL is harmless. Not followed by `closed`. */
void ws_drop(struct ws *ws);

#endif
