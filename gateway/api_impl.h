/* What the files of the internal API share; nobody else includes it. */
#ifndef HEYA_GATEWAY_API_IMPL_H
#define HEYA_GATEWAY_API_IMPL_H

#include "gateway/api.h"
#include "proto/bus.pb-c.h"

#include <jansson.h>

/* A request that waits: for a room, or for the store. */
struct api_pending {
  UT_hash_handle hh;
  uint64_t number;
  uint64_t until_us;
  struct admin_deferred *deferred;
  char **members; /* of a room being made: who gets a token; owned */
  size_t n_members;
};

struct api {
  struct sessions *sessions;
  const struct jwt_key *key; /* NULL: none */
  struct log *log;
  struct log_limit refused_limit;
  unsigned char token_digest[32];
  uint64_t last_number;
  struct api_pending *pending; /* by number */
  struct api_ask *asks;        /* that the store has not answered */
  struct arena arena;          /* of one request or answer */
};

struct api_call {
  struct api *api;
  const struct admin_request *request;
  struct admin_response *response;
  const char *rest; /* of the path, what the route's * stands for */
};

/* ---- api.c ---- */

/* Answers at once; takes the JSON over. */
void api_reply(struct api_call *, unsigned status, json_t *);
/* {"error": {"code", "message"}} */
void api_refuse(struct api_call *, unsigned status, const char *code, const char *message);

/* Defers the answer; NULL after answering 503 if there are too many. Ended by api_end. */
struct api_pending *api_wait(struct api_call *);
struct api_pending *api_find(struct api *, uint64_t number);
/* Gives the answer and forgets it; takes the JSON over. */
void api_end(struct api *, struct api_pending *, unsigned status, json_t *);
void api_end_refused(struct api *, struct api_pending *, unsigned status, const char *code, const char *message);

/* For the store's callbacks, which may come when the request has been given up. Freed by api_answer_to. */
struct api_ask {
  struct api *api;
  uint64_t number;
  struct api_ask *prev, *next;
};
struct api_ask *api_ask(struct api *, const struct api_pending *);
/* The request behind it, or NULL; *api is set in any case. */
struct api_pending *api_answer_to(struct api_ask *, struct api **);

/* ---- api_rooms.c ---- */

void api_room_look(struct api_call *);
void api_room_act(struct api_call *);
/* The request's body, an object of JSON and the caller's; NULL after answering 400 if it is none, or has other fields
 * than the known ones, whose list ends with NULL. */
json_t *api_rooms_body(struct api_call *, const char *const *known);
/* The entry is for a room whose id was checked; the answer comes to api_rooms_heard. */
void api_rooms_send(struct api_call *, const char *room, Heya__Bus__Entry *, struct api_pending *);
/* A room's answer. */
void api_rooms_heard(struct api *, struct api_pending *, struct bytes message);

/* ---- api_rooms_make.c, api_rooms_list.c ---- */

void api_rooms_create(struct api_call *);
void api_rooms_list(struct api_call *);

/* ---- api_deployment.c ---- */

void api_workers(struct api_call *);
void api_partitions(struct api_call *);
void api_gateways(struct api_call *);
void api_worker_act(struct api_call *);

#endif
