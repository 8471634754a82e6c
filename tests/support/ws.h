/* A WebSocket client in an event loop (RFC 6455): thousands of them in one process, none of which ever waits. Frames
 * are as small as the protocol allows: whole messages, masked with zero. Pings are answered. */
#ifndef HEYA_TESTS_SUPPORT_WS_H
#define HEYA_TESTS_SUPPORT_WS_H

#include "common/buf.h"
#include "common/bytes.h"

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct ws_events {
  void (*open)(void *arg);                          /* upgraded */
  void (*message)(void *arg, struct bytes message); /* binary or text */
  /* To ws_post, and to an upgrade that is refused. NULL: any such answer ends the connection. */
  void (*answer)(void *arg, unsigned status, struct bytes body);
  void (*closed)(void *arg, unsigned code); /* 1006 without a Close frame; the connection is freed before */
};

struct ws;

/* Connects to a gateway on loopback and upgrades. Every callback comes from the loop, `closed` exactly once unless
 * ws_drop came first. */
struct ws *ws_connect(struct ev_loop *loop, uint16_t port, const struct ws_events *events, void *arg);

/* Connects and says nothing yet: what to ask for is the caller's, at once or when he has had an answer. */
struct ws *ws_dial(struct ev_loop *loop, const struct sockaddr_in *address, const struct ws_events *events,
                   void *arg);
/* HTTP before the upgrade, on the same connection; the next request waits for the answer. */
void ws_post(struct ws *ws, const char *path, struct bytes json);
/* `protocol` may be NULL. */
void ws_upgrade(struct ws *ws, const char *path, const char *protocol);

void ws_send(struct ws *ws, struct bytes message); /* binary */
void ws_send_text(struct ws *ws, struct bytes message);
/* One that is a whole frame already, masked. Not copied, unless the socket does not take it at once. */
void ws_send_frame(struct ws *ws, struct bytes whole);

/* Closes the socket without a word and frees. NULL is harmless. Not followed by `closed`. */
void ws_drop(struct ws *ws);

#endif
