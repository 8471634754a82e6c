/* What a connection does while it speaks HTTP: it answers requests for files, refuses, or becomes a WebSocket.
 *
 * Called by conn.c with what was read in state CONN_HTTP. The decision itself is handshake.c's, the text http.c's.
 */
#include "common/clock.h"
#include "common/mem.h"
#include "gateway/conn_impl.h"
#include "gateway/files.h"
#include "gateway/http.h"

/* Closes `text`. */
static void enqueue_text(struct conn *conn, struct buf *text) {
  struct frame *frame = frame_create_raw(buf_bytes(text));
  conn_enqueue(conn, frame);
  frame_unref(frame);
  buf_close(text);
}

static void answer_error(struct conn *conn, unsigned status, enum gateway_refusal refusal, const char *reason,
                         bool head, const char *address) {
  struct conn_env *env = conn->env;
  struct buf out = {0};
  env->metrics->refused[refusal]++;
  log_limited(env->log, &env->refusals_logged, LOG_LEVEL_INFO, "request_refused", F_U("connection", conn->number),
              F_U("status", status), F_S("reason", reason), F_S("address", address));
  http_error(&out, status, reason, head, clock_wall_ms());
  enqueue_text(conn, &out);
  conn_move(conn, CONN_CLOSING, gateway_refusal_names[refusal]);
  conn_env_wait(conn, WAIT_LINGER);
}

void conn_refuse_late(struct conn *conn) {
  char address[ADDRESS_BYTES];
  address_print(&conn->peer, address);
  answer_error(conn, 408, REFUSED_TIMEOUT, "the request took too long", false, address);
}

/* `more`: bytes follow the request in the same read. They are not kept: the answer says that the connection closes,
 * and a client that pipelines asks again. */
static void answer_file(struct conn *conn, const struct handshake_decision *decision, bool more) {
  const struct file *file = files_find(conn->env->config.www, decision->path);
  if (!file) {
    answer_error(conn, 404, REFUSED_NOT_FOUND, "no such page", decision->head, decision->address);
    return;
  }
  bool keep_alive = decision->keep_alive && !more && !conn->env->draining;
  bool not_modified = decision->if_none_match.data && http_etag_matches(decision->if_none_match, file->etag);
  struct buf out = {0};
  http_file(&out, file, not_modified, keep_alive, clock_wall_ms());
  enqueue_text(conn, &out);
  if (!not_modified && !decision->head) conn_enqueue(conn, file->body);
  if (keep_alive) {
    handshake_reset(conn->http);
    conn_env_wait(conn, WAIT_NEXT_REQUEST);
    conn_watch(conn);
  } else {
    conn_move(conn, CONN_CLOSING, "answered");
    conn_env_wait(conn, WAIT_LINGER);
  }
}

static bool may_open(struct conn *conn, const struct handshake_decision *decision) {
  struct conn_env *env = conn->env;
  if (env->draining) {
    answer_error(conn, 503, REFUSED_FULL, "this gateway is shutting down; connect again", false, decision->address);
    return false;
  }
  uint32_t max = env->config.max_connections_per_address;
  if (max == 0) return true;
  address_parse(&conn->peer, decision->address, strlen(decision->address));
  conn->counted = addresses_add(&env->addresses, &conn->peer, max);
  if (!conn->counted)
    answer_error(conn, 429, REFUSED_ADDRESS, "too many connections from this address", false, decision->address);
  return conn->counted;
}

static void open_websocket(struct conn *conn, const struct handshake_decision *decision) {
  struct conn_env *env = conn->env;
  if (!may_open(conn, decision)) return;
  struct buf out = {0};
  http_switching(&out, decision->accept, decision->format);
  enqueue_text(conn, &out);
  handshake_close(conn->http);
  free(conn->http);
  conn->http = NULL;
  conn->format = decision->format;
  conn->address = xstrdup(decision->address);
  conn->opened = true;
  env->metrics->upgrades++;
  env->metrics->websockets++;
  conn_move(conn, CONN_OPEN, "upgraded");
  conn_env_wait(conn, WAIT_HELLO);
  struct conn_open open = {
      .format = conn->format, .room = decision->room[0] ? decision->room : NULL, .address = conn->address};
  env->handler.open(env->handler.arg, conn, &open);
}

void conn_take_request(struct conn *conn, struct bytes in) {
  struct conn_env *env = conn->env;
  size_t used;
  if (!handshake_feed(conn->http, &env->rules, in, &used)) return;
  struct bytes rest = bytes_of((const unsigned char *)in.data + used, in.len - used);
  struct handshake_decision decision;
  handshake_decide(conn->http, &env->rules, &conn->peer, &decision);
  env->metrics->http_requests++;
  if (conn->refused)
    answer_error(conn, 503, REFUSED_FULL, "all connections are taken; try again", decision.head, decision.address);
  else if (decision.action == HANDSHAKE_REFUSE)
    answer_error(conn, decision.status, decision.refusal, decision.reason, decision.head, decision.address);
  else if (decision.action == HANDSHAKE_FILE)
    answer_file(conn, &decision, rest.len > 0);
  else
    open_websocket(conn, &decision);
  if (conn->address && rest.len) conn_take_frames(conn, rest);
}
