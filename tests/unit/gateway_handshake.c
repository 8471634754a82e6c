/* HTTP requests: whole, split at every byte, one byte at a time; every reason to refuse one; who the client is. */
#include "gateway/handshake.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION  "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: heya.v1.proto\r\n"
#define UPGRADE  "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define HOST     "Host: example.org\r\n"
#define GET_V1   "GET /v1 HTTP/1.1\r\n"
#define ALL      HOST UPGRADE KEY VERSION PROTOCOL

static const struct handshake_rules open_rules = {.max_header_bytes = 8192};

static struct address peer_address(const char *text) {
  struct address address;
  cr_assert(address_parse(&address, text, strlen(text)));
  return address;
}

/* Feeds pieces; the decision's views are good until handshake_close. Returns how many bytes were left over. */
static size_t feed(struct handshake *handshake, const struct handshake_rules *rules, const char *text, size_t first,
                   size_t step, const char *peer, struct handshake_decision *decision) {
  struct bytes in = bytes_of_str(text);
  size_t at = 0;
  bool complete = false;
  while (at < in.len && !complete) {
    size_t n = at == 0 && first ? first : step, used;
    if (n > in.len - at) n = in.len - at;
    void *copy = memcpy(malloc(n), text + at, n);
    complete = handshake_feed(handshake, rules, bytes_of(copy, n), &used);
    cr_assert(used == n || complete);
    free(copy);
    at += used;
  }
  cr_assert(complete, "never complete: %s", text);
  struct address address = peer_address(peer);
  handshake_decide(handshake, rules, &address, decision);
  return in.len - at;
}

static void expect_same(const struct handshake_decision *a, const struct handshake_decision *b, size_t split) {
  cr_assert_eq(a->action, b->action, "split at %zu", split);
  cr_assert_eq(a->status, b->status, "split at %zu", split);
  cr_assert_eq(a->format, b->format, "split at %zu", split);
  cr_assert_str_eq(a->room, b->room);
  cr_assert_str_eq(a->accept, b->accept);
  cr_assert_str_eq(a->address, b->address);
}

/* The same decision however it is cut; the views in it are gone. */
static struct handshake_decision decide_with(const struct handshake_rules *rules, const char *text,
                                             const char *peer) {
  struct handshake handshake = {0};
  struct handshake_decision decision, again;
  size_t len = strlen(text), left = feed(&handshake, rules, text, 0, len, peer, &decision);
  handshake_close(&handshake);
  for (size_t split = 1; split < len && len < 2000; split++) {
    cr_assert_eq(feed(&handshake, rules, text, split, len, peer, &again), left);
    expect_same(&decision, &again, split);
    handshake_close(&handshake);
  }
  cr_assert_eq(feed(&handshake, rules, text, 0, 1, peer, &again), left);
  expect_same(&decision, &again, 0);
  handshake_close(&handshake);
  decision.path = decision.if_none_match = bytes_of(NULL, 0);
  return decision;
}

static struct handshake_decision decide(const char *text) {
  return decide_with(&open_rules, text, "127.0.0.1");
}

Test(handshake, upgrade_is_accepted_with_the_key_of_the_rfc) {
  struct handshake_decision decision = decide(GET_V1 ALL "\r\n");
  cr_assert_eq(decision.action, HANDSHAKE_UPGRADE);
  cr_assert_str_eq(decision.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  cr_assert_eq(decision.format, CONN_PROTO);
  cr_assert_str_eq(decision.room, "");
  cr_assert_str_eq(decision.address, "127.0.0.1");
}

Test(handshake, bytes_after_the_head_are_left_alone) {
  struct handshake handshake = {0};
  struct handshake_decision decision;
  cr_assert_eq(feed(&handshake, &open_rules, GET_V1 ALL "\r\n\x82\x85mask", 0, 1000, "::1", &decision), 6);
  cr_assert_eq(decision.action, HANDSHAKE_UPGRADE);
  handshake_close(&handshake);
}

Test(handshake, header_names_and_tokens_have_no_case) {
  struct handshake_decision decision =
      decide("GET /v1?x=1 HTTP/1.1\r\nhost:a\r\nCONNECTION: keep-alive , UPGRADE\r\n"
             "upgrade: h2c, WebSocket\r\nsec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==\t\r\n"
             "SEC-WEBSOCKET-VERSION:  13 \r\nsec-websocket-protocol: heya.v1.json\r\n\r\n");
  cr_assert_eq(decision.action, HANDSHAKE_UPGRADE);
  cr_assert_eq(decision.format, CONN_JSON);
}

Test(handshake, the_first_known_subprotocol_of_the_client_is_taken) {
  static const struct {
    const char *header;
    enum conn_format format;
  } cases[] = {{"Sec-WebSocket-Protocol: heya.v9.proto, heya.v1.json, heya.v1.proto\r\n", CONN_JSON},
               {"Sec-WebSocket-Protocol: heya.v1.proto,heya.v1.json\r\n", CONN_PROTO},
               {"Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: heya.v1.json\r\n", CONN_JSON}};
  for (size_t i = 0; i < 3; i++) {
    char text[1000];
    snprintf(text, sizeof text, GET_V1 HOST UPGRADE KEY VERSION "%s\r\n", cases[i].header);
    struct handshake_decision decision = decide(text);
    cr_assert_eq(decision.action, HANDSHAKE_UPGRADE);
    cr_assert_eq(decision.format, cases[i].format);
  }
}

Test(handshake, a_room_in_the_path_is_checked) {
  struct handshake_decision decision = decide("GET /v1/chat/tea.time HTTP/1.1\r\n" ALL "\r\n");
  cr_assert_eq(decision.action, HANDSHAKE_UPGRADE);
  cr_assert_str_eq(decision.room, "chat/tea.time");
  static const char *const bad[] = {"/v1/",         "/v1/chat",   "/v1/chat/",   "/v1/chat/a:members",
                                    "/v1/chat/a/b", "/v1/CHAT/a", "/v1/chat/%61"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char text[1000];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" ALL "\r\n", bad[i]);
    cr_assert_eq(decide(text).status, 400, "%s", bad[i]);
  }
}

Test(handshake, every_error_has_its_status) {
  static const struct {
    unsigned status;
    const char *what, *text;
  } cases[] = {
      {400, "not HTTP", "hello\r\n\r\n"},
      {400, "TLS", "\x16\x03\x01\x02"},
      {400, "lone line feeds", "GET / HTTP/1.1\nHost: a\n\n"},
      {400, "carriage return inside", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"},
      {400, "folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"},
      {400, "leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {400, "no host", "GET / HTTP/1.1\r\n\r\n"},
      {400, "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {400, "asterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "absolute", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {400, "two lengths", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"},
      {400, "length and chunks",
       "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {413, "body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"},
      {413, "chunked body", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {413, "body on an upgrade", GET_V1 ALL "Content-Length: 5\r\n\r\n"},
      {405, "post", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"},
      {405, "connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {405, "options", "OPTIONS /v1 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {505, "version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {505, "version 0.9", "GET /\r\n\r\n"},
      {426, "no upgrade at all", GET_V1 HOST "\r\n"},
      {426, "version 12", GET_V1 HOST UPGRADE KEY PROTOCOL "Sec-WebSocket-Version: 12\r\n\r\n"},
      {426, "no version", GET_V1 HOST UPGRADE KEY PROTOCOL "\r\n"},
      {400, "two versions", GET_V1 ALL VERSION "\r\n"},
      {400, "two keys", GET_V1 ALL KEY "\r\n"},
      {400, "no key", GET_V1 HOST UPGRADE VERSION PROTOCOL "\r\n"},
      {400, "short key", GET_V1 HOST UPGRADE VERSION PROTOCOL "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n"},
      {400, "bad key", GET_V1 HOST UPGRADE VERSION PROTOCOL "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==\r\n\r\n"},
      {400, "no connection header", GET_V1 HOST "Upgrade: websocket\r\n" KEY VERSION PROTOCOL "\r\n"},
      {400, "HTTP/1.0 upgrade", "GET /v1 HTTP/1.0\r\n" ALL "\r\n"},
      {400, "head upgrade", "HEAD /v1 HTTP/1.1\r\n" ALL "\r\n"},
      {400, "no subprotocol", GET_V1 HOST UPGRADE KEY VERSION "\r\n"},
      {400, "unknown subprotocol", GET_V1 HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: heya.v1\r\n\r\n"},
      {404, "upgrade elsewhere", "GET /v2 HTTP/1.1\r\n" ALL "\r\n"},
      {404, "upgrade at /v1x", "GET /v1x HTTP/1.1\r\n" ALL "\r\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct handshake_decision decision = decide(cases[i].text);
    cr_assert_eq(decision.action, HANDSHAKE_REFUSE, "%s", cases[i].what);
    cr_assert_eq(decision.status, cases[i].status, "%s: %u, not %u", cases[i].what, decision.status, cases[i].status);
    cr_assert(strlen(decision.reason) > 10, "%s", cases[i].what);
  }
  cr_assert_neq(strstr(decide(GET_V1 HOST UPGRADE KEY VERSION "\r\n").reason, "heya.v1.json"), NULL);
}

Test(handshake, a_nul_or_control_character_is_refused_at_once) {
  struct handshake handshake = {0};
  size_t used;
  cr_assert(handshake_feed(&handshake, &open_rules, bytes_of("GET /\0", 6), &used));
  cr_assert_eq(handshake.bad_status, 400);
  handshake_close(&handshake);
}

Test(handshake, size_and_number_of_headers_are_bounded) {
  struct buf text = {0};
  const struct handshake_rules rules = {.max_header_bytes = 200};
  buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
  while (text.len < 196) buf_append_char(&text, 'x');
  buf_append_str(&text, "\r\n\r\n");
  cr_assert_eq(decide_with(&rules, buf_str(&text), "::1").action, HANDSHAKE_FILE, "exactly as much as allowed");
  buf_clear(&text);
  buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
  while (text.len < 197) buf_append_char(&text, 'x');
  buf_append_str(&text, "\r\n\r\n");
  cr_assert_eq(decide_with(&rules, buf_str(&text), "::1").status, 431);
  buf_clear(&text);
  buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
  for (int i = 1; i < HANDSHAKE_HEADERS_MAX; i++) buf_printf(&text, "A%d: b\r\n", i);
  struct buf more = {0};
  buf_append_bytes(&more, buf_bytes(&text));
  buf_append_str(&text, "\r\n");
  buf_append_str(&more, "B: c\r\n\r\n");
  cr_assert_eq(decide(buf_str(&text)).action, HANDSHAKE_FILE);
  cr_assert_eq(decide(buf_str(&more)).status, 431);
  buf_close(&text);
  buf_close(&more);
}

Test(handshake, origins_are_allowed_by_the_list) {
  char first[] = "https://example.org", second[] = "null", *origins[] = {first, second};
  const struct handshake_rules rules = {.max_header_bytes = 8192, .origins = origins, .origin_count = 2};
  cr_assert_eq(decide_with(&rules, GET_V1 ALL "\r\n", "::1").action, HANDSHAKE_UPGRADE, "not a browser");
  cr_assert_eq(decide_with(&rules, GET_V1 ALL "Origin: https://Example.org\r\n\r\n", "::1").action,
               HANDSHAKE_UPGRADE);
  cr_assert_eq(decide_with(&rules, GET_V1 ALL "Origin: https://example.org.evil\r\n\r\n", "::1").status, 403);
  cr_assert_eq(decide_with(&rules, GET_V1 ALL "Origin: http://example.org\r\n\r\n", "::1").status, 403);
  cr_assert_eq(decide_with(&rules, GET_V1 ALL "Origin: null\r\nOrigin: x\r\n\r\n", "::1").status, 400);
  cr_assert_eq(decide(GET_V1 ALL "Origin: https://anywhere\r\n\r\n").action, HANDSHAKE_UPGRADE, "no list, no limit");
}

Test(handshake, forwarded_addresses_are_believed_only_from_trusted_proxies) {
  struct cidr trusted[2];
  cr_assert(cidr_parse(&trusted[0], "10.0.0.0/8") && cidr_parse(&trusted[1], "::1"));
  const struct handshake_rules rules = {.max_header_bytes = 8192, .trusted = trusted, .trusted_count = 2};
  static const struct {
    const char *peer, *headers, *client;
  } cases[] = {{"192.0.2.1", "X-Forwarded-For: 1.1.1.1\r\n", "192.0.2.1"},
               {"10.0.0.1", "", "10.0.0.1"},
               {"10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
               {"10.0.0.1", "X-Forwarded-For: 9.9.9.9, 1.1.1.1 , 10.2.2.2\r\n", "1.1.1.1"},
               {"10.0.0.1", "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
               {"10.0.0.1", "X-Forwarded-For: 9.9.9.9\r\nx-forwarded-for: 10.3.3.3\r\n", "9.9.9.9"},
               {"10.0.0.1", "X-Forwarded-For: 10.5.5.5, 10.6.6.6\r\n", "10.5.5.5"},
               {"10.0.0.1", "X-Forwarded-For: 1.1.1.1, nonsense\r\n", "10.0.0.1"},
               {"10.0.0.1", "X-Forwarded-For: 1.1.1.1, , 10.1.1.1\r\n", "10.1.1.1"},
               {"::1", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
               {"::ffff:10.0.0.1", "X-Forwarded-For: ::ffff:1.1.1.1\r\n", "1.1.1.1"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[1000];
    snprintf(text, sizeof text, GET_V1 ALL "%s\r\n", cases[i].headers);
    cr_assert_str_eq(decide_with(&rules, text, cases[i].peer).address, cases[i].client, "case %zu", i);
  }
}

Test(handshake, files_are_asked_for_by_path) {
  struct handshake handshake = {0};
  struct handshake_decision decision;
  feed(&handshake, &open_rules, "\r\n\r\nGET /a.js?v=1 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"e\"\r\n\r\nGET", 0,
       1000, "::1", &decision);
  cr_assert_eq(decision.action, HANDSHAKE_FILE);
  cr_assert(bytes_equal_str(decision.path, "/a.js"));
  cr_assert(bytes_equal_str(decision.if_none_match, "\"e\""));
  cr_assert(decision.keep_alive && !decision.head);
  handshake_reset(&handshake);
  feed(&handshake, &open_rules, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0, 7, "::1", &decision);
  cr_assert(decision.head && !decision.keep_alive);
  cr_assert_null(decision.if_none_match.data);
  handshake_reset(&handshake);
  feed(&handshake, &open_rules, "GET / HTTP/1.0\r\n\r\n", 0, 7, "::1", &decision);
  cr_assert_eq(decision.action, HANDSHAKE_FILE, "HTTP/1.0 needs no Host");
  cr_assert_not(decision.keep_alive);
  handshake_close(&handshake);
}
