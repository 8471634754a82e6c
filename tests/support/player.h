/* A player: a WebSocket connection that speaks heya.v1.proto, remembers all it heard and waits with deadlines.
 *
 *   struct player *ann = player_connect(cluster_gateway(cluster, 0), "ann");
 *   player_join(ann, "chat/lobby");
 *   player_say(ann, "hello");
 *   player_await_line(bob, "hello");
 *
 * Every message from the gateway is appended to `log` in the order it came. Answers are found by their request number
 * anywhere in it. Events are awaited from a cursor: player_await returns the first match at or after it and moves it
 * behind that, so waiting twice for the same thing means two of them. What is expected and does not come fails the
 * test and prints what did come.
 */
#ifndef HEYA_TESTS_SUPPORT_PLAYER_H
#define HEYA_TESTS_SUPPORT_PLAYER_H

#include "proto/client.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/kinds/live.pb-c.h"
#include "tests/support/wsclient.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYER_MS 10000 /* for how long an answer or event is awaited when the call does not say */

/* One message, and the kind's event in it when it is an Event with a payload. */
struct player_message {
  Heya__V1__ServerMessage *message;
  Heya__Kinds__Chat__Event *chat; /* NULL unless the room is a chat */
  Heya__Kinds__Live__Event *live; /* NULL unless the room is a live */
};

struct player {
  const char *name;
  struct wsclient *socket; /* NULL after player_drop */
  uint32_t request;        /* the last request number used */
  uint32_t number;         /* the last command number used in the room joined last */
  char room[96];           /* the room joined last */
  char gateway[64];        /* as Welcome named it */
  struct player_message *log;
  size_t log_count, log_capacity;
  size_t cursor; /* where player_await goes on */
};

/* ---- connecting ---- */

/* Connects to "HOST:PORT" and says hello; `name`, a literal, is also the player id. Fails the test when not welcomed.
 */
struct player *player_connect(const char *address, const char *name);
/* The same without hello, and with options. Fails the test when the upgrade is refused. */
struct player *player_open(const char *address, const char *name, const struct wsclient_options *options);
/* Closes the socket without a word and keeps the log. */
void player_drop(struct player *player);
/* player_drop, and frees everything. NULL is harmless. */
void player_destroy(struct player *player);

/* ---- asking ---- */

/* Sends a message under a new request number, which is returned. `message->request` is set by the call. */
uint32_t player_send(struct player *player, Heya__V1__ClientMessage *message);

uint32_t player_send_hello(struct player *player, const char *id, const char *token, const char *display_name);
uint32_t player_send_join(struct player *player, const char *room, bool create, struct bytes options,
                          struct bytes profile);
uint32_t player_send_create(struct player *player, const char *kind, const char *key, struct bytes options);
uint32_t player_send_leave(struct player *player, const char *room);
uint32_t player_send_command(struct player *player, const char *room, uint32_t number, struct bytes payload);

/* The answer to that request; NULL when none came within PLAYER_MS or the connection ended without it. Valid until
 * player_destroy, as all that is in the log. */
const Heya__V1__ServerMessage *player_answer(struct player *player, uint32_t request);
/* Fails the test unless the answer is this error, which is returned. */
const Heya__V1__Error *player_refused(struct player *player, uint32_t request, Heya__V1__Error__Code code);
/* Fails the test unless it is an Ack. */
const Heya__V1__Ack *player_acked(struct player *player, uint32_t request);
const Heya__V1__Joined *player_joined(struct player *player, uint32_t request);

/* ---- doing ---- each waits for the answer and fails the test unless it is the good one */

/* Joins, making the room when needed. */
const Heya__V1__Joined *player_join(struct player *player, const char *room);
void player_leave(struct player *player);
/* A chat line in the room joined last, as a numbered command. */
void player_say(struct player *player, const char *text);
/* Joins a live room, making it when needed with this song and deadline (0: the kind's default). */
const Heya__V1__Joined *player_join_live(struct player *player, const char *room, uint32_t live_id,
                                         uint32_t deadline_ms);
/* A command in the room joined last, under the next number; not waited for. Do not mix with number 0 in one session:
 * the room counts those too. */
uint32_t player_try(struct player *player, struct bytes payload);
/* player_try, acked. */
void player_do(struct player *player, struct bytes payload);
/* player_do of a Start; returns the round's number, as told to the host. */
uint32_t player_start_round(struct player *player);
void player_submit(struct player *player, uint32_t round, uint32_t score);
const Heya__V1__Rooms *player_list(struct player *player, const char *kind, const char *property, const char *value,
                                   bool joinable);
/* One page, with a filter and a sort; "" for none. */
uint32_t player_send_search(struct player *player, const char *kind, const char *filter, const char *sort,
                            const char *after, uint32_t limit);
const Heya__V1__Rooms *player_search(struct player *player, const char *kind, const char *filter, const char *sort,
                                     const char *after, uint32_t limit);
void player_ping(struct player *player);

/* ---- hearing ---- */

/* Takes what has arrived, without waiting. False when the connection is over. */
bool player_pump(struct player *player);

typedef bool player_match(const struct player_message *message, const void *arg);
/* See the head. NULL when nothing matched in time or the connection ended. */
const struct player_message *player_await(struct player *player, uint64_t ms, player_match *match, const void *arg);

/* Those below fail the test when it does not come within PLAYER_MS. */
const Heya__V1__Event *player_await_event(struct player *player, Heya__V1__Event__BodyCase body);
const Heya__Kinds__Chat__Line *player_await_line(struct player *player, const char *text);
const Heya__Kinds__Live__Event *player_await_live(struct player *player, Heya__Kinds__Live__Event__BodyCase body);
const Heya__V1__Detached *player_await_detached(struct player *player, Heya__V1__Error__Code reason);

/* True when something in the whole log matches; does not wait. */
bool player_heard(const struct player *player, player_match *match, const void *arg);

/* Empties the log, for clients that hear very much. What was returned from it is gone. */
void player_forget(struct player *player);

/* Prints the log to stderr, one line per message. */
void player_print(const struct player *player);

/* ---- payloads ---- packed into a buffer of the player's call; each returns bytes valid until the next of them */

struct player_payload {
  uint8_t data[4096];
};
struct bytes player_say_payload(struct player_payload *out, const char *text);
struct bytes player_live_options(struct player_payload *out, uint32_t live_id, uint32_t deadline_ms);
struct bytes player_live_profile(struct player_payload *out, uint32_t leader_card_id, bool hard);
struct bytes player_start_payload(struct player_payload *out);
struct bytes player_submit_payload(struct player_payload *out, uint32_t round, uint32_t score);
struct bytes player_choose_payload(struct player_payload *out, uint32_t live_id);
struct bytes player_dissolve_payload(struct player_payload *out);

#endif
