/* What a `lobby` room says, saves and loads (lobby.h). */
#include "worker/kinds/lobby.h"

#include "common/mem.h"
#include "proto/codec.h"
#include "proto/pb.h"
#include "proto/utf8.h"
#include <stdio.h>
#include <string.h>

ProtobufCMessage *lobby_unpack(struct room *room, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                               struct kind_reply *reply) {
  ProtobufCMessage *message = NULL;
  enum codec_result result =
      codec_unpack(&codec_limits_client, descriptor, room_arena(room), bytes.data, bytes.len, &message);
  if (result != CODEC_OK) kind_refuse(reply, "%s", codec_result_text(result));
  return message;
}

static void pack(struct buf *out, const ProtobufCMessage *message) {
  out->len += protobuf_c_message_pack(message, buf_reserve(out, protobuf_c_message_get_packed_size(message)));
}

static void *scratch(struct room *room, size_t n, size_t size) {
  void *memory = arena_alloc(room_arena(room), (n ? n : 1) * size);
  if (!memory) mem_exhausted(n * size);
  return memory;
}

static char **players_of(struct room *room, const struct lobby_ticket *ticket) {
  char **players = scratch(room, ticket->n_players, sizeof *players);
  for (size_t i = 0; i < ticket->n_players; i++) players[i] = ticket->players[i];
  return players;
}

/* ---- events ---- */

static void send_to_players(struct room *room, const struct lobby_ticket *ticket,
                            const Heya__Kinds__Lobby__Event *event) {
  struct member **members = scratch(room, ticket->n_players, sizeof(struct member *));
  size_t n = 0;
  struct buf out = {0};
  for (size_t i = 0; i < ticket->n_players; i++) {
    struct member *member = room_member(room, ticket->players[i]);
    if (member) members[n++] = member;
  }
  pack(&out, &event->base);
  if (n) room_send_only(room, members, n, buf_bytes(&out));
  buf_close(&out);
}

static Heya__Kinds__Lobby__Queued queued_of(struct room *room, const struct lobby_ticket *ticket) {
  Heya__Kinds__Lobby__Queued queued = HEYA__KINDS__LOBBY__QUEUED__INIT;
  queued.players = players_of(room, ticket);
  queued.n_players = ticket->n_players;
  queued.mode = pb_text(ticket->mode);
  return queued;
}

static Heya__Kinds__Lobby__Matched matched_of(struct room *room, const struct lobby_match *match) {
  Heya__Kinds__Lobby__Matched matched = HEYA__KINDS__LOBBY__MATCHED__INIT;
  matched.room = pb_text(match->room);
  matched.players = players_of(room, &match->ticket);
  matched.n_players = match->ticket.n_players;
  matched.mode = pb_text(match->ticket.mode);
  matched.until_ms = match->until_ms;
  return matched;
}

void lobby_send_queued(struct room *room, const struct lobby_ticket *ticket) {
  Heya__Kinds__Lobby__Event event = HEYA__KINDS__LOBBY__EVENT__INIT;
  Heya__Kinds__Lobby__Queued queued = queued_of(room, ticket);
  event.body_case = HEYA__KINDS__LOBBY__EVENT__BODY_QUEUED;
  event.queued = &queued;
  send_to_players(room, ticket, &event);
}

void lobby_send_matched(struct room *room, const struct lobby_match *match) {
  Heya__Kinds__Lobby__Event event = HEYA__KINDS__LOBBY__EVENT__INIT;
  Heya__Kinds__Lobby__Matched matched = matched_of(room, match);
  event.body_case = HEYA__KINDS__LOBBY__EVENT__BODY_MATCHED;
  event.matched = &matched;
  send_to_players(room, &match->ticket, &event);
}

void lobby_send_matched_to(struct room *room, const struct lobby_match *match, struct member *member) {
  Heya__Kinds__Lobby__Event event = HEYA__KINDS__LOBBY__EVENT__INIT;
  Heya__Kinds__Lobby__Matched matched = matched_of(room, match);
  struct buf out = {0};
  event.body_case = HEYA__KINDS__LOBBY__EVENT__BODY_MATCHED;
  event.matched = &matched;
  pack(&out, &event.base);
  room_send_one(room, member, buf_bytes(&out));
  buf_close(&out);
}

void lobby_send_cancelled(struct room *room, const struct lobby_ticket *ticket, const char *player, bool left) {
  Heya__Kinds__Lobby__Event event = HEYA__KINDS__LOBBY__EVENT__INIT;
  Heya__Kinds__Lobby__Cancelled cancelled = HEYA__KINDS__LOBBY__CANCELLED__INIT;
  cancelled.player = pb_text(player);
  cancelled.left = left;
  event.body_case = HEYA__KINDS__LOBBY__EVENT__BODY_CANCELLED;
  event.cancelled = &cancelled;
  send_to_players(room, ticket, &event);
}

void lobby_send_failed(struct room *room, const struct lobby_ticket *ticket, kind_code code) {
  Heya__Kinds__Lobby__Event event = HEYA__KINDS__LOBBY__EVENT__INIT;
  Heya__Kinds__Lobby__Failed failed = HEYA__KINDS__LOBBY__FAILED__INIT;
  failed.code = code;
  failed.mode = pb_text(ticket->mode);
  event.body_case = HEYA__KINDS__LOBBY__EVENT__BODY_FAILED;
  event.failed = &failed;
  send_to_players(room, ticket, &event);
}

/* ---- for newcomers ---- */

void lobby_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  const struct lobby *lobby = room_state(room);
  Heya__Kinds__Lobby__State state = HEYA__KINDS__LOBBY__STATE__INIT;
  Heya__Kinds__Lobby__Queued queued;
  Heya__Kinds__Lobby__Matched matched;
  for (size_t i = 0; i < lobby->n_tickets; i++) state.waiting += (uint32_t)lobby->tickets[i].n_players;
  size_t nth = viewer ? lobby_find_ticket(lobby, member_player(viewer)) : lobby->n_tickets;
  if (nth < lobby->n_tickets) {
    queued = queued_of(room, &lobby->tickets[nth]);
    state.queued = &queued;
  }
  const struct lobby_match *match =
      viewer ? lobby_find_match(lobby, member_player(viewer), room_time_ms(room)) : NULL;
  if (match && match->until_ms) {
    matched = matched_of(room, match);
    state.matched = &matched;
  }
  pack(out, &state.base);
}

/* ---- for successors ---- */

static Heya__Kinds__Lobby__SavedTicket *save_ticket(struct room *room, const struct lobby_ticket *ticket) {
  Heya__Kinds__Lobby__SavedTicket *saved = scratch(room, 1, sizeof *saved);
  heya__kinds__lobby__saved_ticket__init(saved);
  saved->kind = pb_text(ticket->kind);
  saved->mode = pb_text(ticket->mode);
  saved->size = ticket->size;
  saved->options = pb_bytes(buf_bytes(&ticket->options));
  saved->players = players_of(room, ticket);
  saved->n_players = ticket->n_players;
  saved->quick = ticket->quick;
  saved->fresh = ticket->fresh;
  saved->skill = ticket->skill;
  saved->range = ticket->range;
  saved->widen_per_s = ticket->widen_per_s;
  saved->since_ms = ticket->since_ms;
  return saved;
}

static Heya__Kinds__Lobby__SavedMatch *save_match(struct room *room, const struct lobby_match *match) {
  Heya__Kinds__Lobby__SavedMatch *saved = scratch(room, 1, sizeof *saved);
  heya__kinds__lobby__saved_match__init(saved);
  saved->ticket = save_ticket(room, &match->ticket);
  saved->room = pb_text(match->room);
  saved->token = match->token;
  saved->until_ms = match->until_ms;
  saved->opens = match->opens;
  return saved;
}

static Heya__Kinds__Lobby__SavedRoom *save_room(struct room *room, const struct lobby_room *there) {
  Heya__Kinds__Lobby__SavedRoom *saved = scratch(room, 1, sizeof *saved);
  heya__kinds__lobby__saved_room__init(saved);
  saved->id = pb_text(there->id);
  saved->mode = pb_text(there->mode);
  saved->size = there->size;
  saved->told = there->told;
  return saved;
}

void lobby_save(struct room *room, struct buf *out) {
  const struct lobby *lobby = room_state(room);
  Heya__Kinds__Lobby__Saved saved = HEYA__KINDS__LOBBY__SAVED__INIT;
  saved.tokens = lobby->tokens;
  saved.match_at_ms = lobby->match_at_ms;
  saved.n_rooms = lobby->n_rooms;
  saved.rooms = scratch(room, lobby->n_rooms, sizeof *saved.rooms);
  for (size_t i = 0; i < lobby->n_rooms; i++) saved.rooms[i] = save_room(room, &lobby->rooms[i]);
  saved.n_tickets = lobby->n_tickets;
  saved.tickets = scratch(room, lobby->n_tickets, sizeof *saved.tickets);
  for (size_t i = 0; i < lobby->n_tickets; i++) saved.tickets[i] = save_ticket(room, &lobby->tickets[i]);
  saved.n_matches = lobby->n_matches;
  saved.matches = scratch(room, lobby->n_matches, sizeof *saved.matches);
  for (size_t i = 0; i < lobby->n_matches; i++) saved.matches[i] = save_match(room, &lobby->matches[i]);
  pack(out, &saved.base);
}

/* ---- loading ---- */

static bool mode_is_valid(const char *mode) {
  size_t len = strlen(mode);
  return len <= LOBBY_MODE_MAX && utf8_is_text(mode, len, UTF8_ONE_LINE);
}

static bool ticket_is_valid(const struct lobby *lobby, const Heya__Kinds__Lobby__SavedTicket *saved) {
  uint32_t size_max = saved->quick ? LOBBY_MEMBERS_MAX : LOBBY_SIZE_MAX;
  if (!kind_is_valid(saved->kind, strlen(saved->kind)) || !mode_is_valid(saved->mode)) return false;
  if (saved->size == 0 || saved->size > size_max || saved->n_players > saved->size) return false;
  if (saved->options.len > LOBBY_OPTIONS_MAX || (saved->quick && saved->n_players > 1)) return false;
  for (size_t i = 0; i < saved->n_players; i++) {
    const char *player = saved->players[i];
    if (!player_is_valid(player, strlen(player)) || lobby_find_match(lobby, player, 0)) return false;
    if (lobby_find_ticket(lobby, player) < lobby->n_tickets) return false;
  }
  return true;
}

static struct lobby_ticket load_ticket(const Heya__Kinds__Lobby__SavedTicket *saved) {
  struct lobby_ticket ticket = {.size = saved->size,
                                .quick = saved->quick,
                                .fresh = saved->fresh,
                                .skill = saved->skill,
                                .range = saved->range,
                                .widen_per_s = saved->widen_per_s,
                                .since_ms = saved->since_ms};
  snprintf(ticket.kind, sizeof ticket.kind, "%s", saved->kind);
  snprintf(ticket.mode, sizeof ticket.mode, "%s", saved->mode);
  buf_append(&ticket.options, saved->options.data, saved->options.len);
  for (size_t i = 0; i < saved->n_players; i++)
    if (!lobby_ticket_has(&ticket, saved->players[i])) lobby_ticket_add_player(&ticket, saved->players[i]);
  return ticket;
}

static bool room_is_valid(const struct lobby *lobby, const Heya__Kinds__Lobby__SavedRoom *saved) {
  struct room_id id;
  return room_id_parse(saved->id, strlen(saved->id), &id) && mode_is_valid(saved->mode) &&
         saved->size <= LOBBY_MEMBERS_MAX && saved->size && !lobby_find_room(lobby, saved->id);
}

static bool load_rooms(struct lobby *lobby, const Heya__Kinds__Lobby__Saved *saved) {
  if (saved->n_rooms > LOBBY_ROOMS_MAX) return false;
  for (size_t i = 0; i < saved->n_rooms; i++) {
    if (!room_is_valid(lobby, saved->rooms[i])) return false;
    struct lobby_room *there = lobby_add_room(lobby, saved->rooms[i]->id);
    snprintf(there->mode, sizeof there->mode, "%s", saved->rooms[i]->mode);
    there->size = saved->rooms[i]->size;
    there->told = saved->rooms[i]->told;
  }
  return true;
}

static bool load_match(struct lobby *lobby, const Heya__Kinds__Lobby__SavedMatch *saved) {
  struct lobby_match match = {.token = saved->token, .until_ms = saved->until_ms, .opens = saved->opens};
  struct room_id id;
  if (!saved->ticket || !ticket_is_valid(lobby, saved->ticket)) return false;
  if (!room_id_parse(saved->room, strlen(saved->room), &id) || saved->token > lobby->tokens) return false;
  if (saved->until_ms == 0 && lobby_find_token(lobby, saved->token) < lobby->n_matches) return false;
  if (saved->until_ms == 0 && saved->ticket->n_players == 0) return false;
  memcpy(match.room, id.id, sizeof match.room);
  match.ticket = load_ticket(saved->ticket);
  lobby_add_match(lobby, match);
  struct lobby_room *there = match.ticket.quick && match.until_ms == 0 ? lobby_find_room(lobby, match.room) : NULL;
  if (there) there->under_way++;
  return true;
}

bool lobby_load(struct room *room, struct bytes bytes) {
  struct lobby *lobby = room_state(room);
  ProtobufCMessage *message = NULL;
  if (codec_unpack(&codec_limits_internal, &heya__kinds__lobby__saved__descriptor, room_arena(room), bytes.data,
                   bytes.len, &message) != CODEC_OK)
    return false;
  const Heya__Kinds__Lobby__Saved *saved = (const Heya__Kinds__Lobby__Saved *)message;
  lobby->tokens = saved->tokens;
  lobby->match_at_ms = saved->match_at_ms;
  if (!load_rooms(lobby, saved)) return false;
  for (size_t i = 0; i < saved->n_tickets; i++) {
    if (saved->tickets[i]->n_players == 0 || !ticket_is_valid(lobby, saved->tickets[i])) return false;
    lobby_add_ticket(lobby, load_ticket(saved->tickets[i]));
  }
  for (size_t i = 0; i < saved->n_matches; i++)
    if (!load_match(lobby, saved->matches[i])) return false;
  return true;
}
