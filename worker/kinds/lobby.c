/* Kind `lobby`: members wait for a game and are told which room to join. proto/kinds/lobby.proto says what is said,
 * lobby.h how it works. */
#include "worker/kinds/lobby.h"

#include "proto/utf8.h"
#include "worker/kinds/kinds.h"
#include <stdio.h>
#include <string.h>

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE
#define NO_SUCH_MEMBER   HEYA__V1__ERROR__CODE__NO_SUCH_MEMBER

/* ---- options ---- */

static const Heya__Kinds__Lobby__Options *options_of(struct room *room, struct bytes bytes,
                                                     struct kind_reply *reply) {
  return (const Heya__Kinds__Lobby__Options *)lobby_unpack(room, &heya__kinds__lobby__options__descriptor, bytes,
                                                           reply);
}

static kind_code lobby_open(struct room *room, struct bytes bytes, struct kind_reply *reply) {
  const Heya__Kinds__Lobby__Options *options = options_of(room, bytes, reply);
  for (size_t i = 0; options && i < options->n_kinds; i++) {
    if (kind_is_valid(options->kinds[i], strlen(options->kinds[i]))) continue;
    kind_refuse(reply, "not the name of a kind");
    return INVALID_ARGUMENT;
  }
  return options ? OK : INVALID_ARGUMENT;
}

static bool may_be_asked_for(struct room *room, const char *kind) {
  struct kind_reply nobody = {.message = ""};
  const Heya__Kinds__Lobby__Options *options = options_of(room, room_options(room), &nobody);
  for (size_t i = 0; options && i < options->n_kinds; i++)
    if (strcmp(options->kinds[i], kind) == 0) return true;
  return options && options->n_kinds == 0;
}

static kind_code lobby_join(struct room *room, struct member *member, struct kind_reply *reply) {
  bool valid = lobby_unpack(room, &heya__kinds__lobby__profile__descriptor, member_profile(member), reply);
  return valid ? OK : INVALID_ARGUMENT;
}

/* ---- what is asked for ---- */

struct wish {
  const char *kind, *mode;
  uint32_t size, size_max;
  ProtobufCBinaryData options;
};

static kind_code wish_check(struct room *room, const struct wish *wish, struct kind_reply *reply) {
  size_t mode_len = strlen(wish->mode);
  if (!kind_is_valid(wish->kind, strlen(wish->kind)) || !may_be_asked_for(room, wish->kind)) {
    kind_refuse(reply, "rooms of this kind cannot be asked for here");
  } else if (wish->size == 0 || wish->size > wish->size_max) {
    kind_refuse(reply, "1 to %u players", wish->size_max);
  } else if (mode_len > LOBBY_MODE_MAX || !utf8_is_text(wish->mode, mode_len, UTF8_ONE_LINE)) {
    kind_refuse(reply, "a mode is one line of up to %d bytes", LOBBY_MODE_MAX);
  } else if (wish->options.len > LOBBY_OPTIONS_MAX) {
    kind_refuse(reply, "options are up to %d bytes here", LOBBY_OPTIONS_MAX);
  } else {
    return OK;
  }
  return INVALID_ARGUMENT;
}

static struct lobby_ticket ticket_of(const struct room *room, const struct wish *wish, const char *player) {
  struct lobby_ticket ticket = {.size = wish->size, .since_ms = room_time_ms(room)};
  snprintf(ticket.kind, sizeof ticket.kind, "%s", wish->kind);
  snprintf(ticket.mode, sizeof ticket.mode, "%s", wish->mode);
  buf_append(&ticket.options, wish->options.data, wish->options.len);
  lobby_ticket_add_player(&ticket, player);
  return ticket;
}

/* He waits, or is held to a match: nothing new for him. He is told again what he was told. */
static bool is_served(struct room *room, struct lobby *lobby, struct member *member) {
  const struct lobby_match *match = lobby_find_match(lobby, member_player(member), room_time_ms(room));
  if (match && match->until_ms) lobby_send_matched_to(room, match, member);
  return match || lobby_find_ticket(lobby, member_player(member)) < lobby->n_tickets;
}

/* What he was held to before is over. */
static struct lobby_ticket *add(struct room *room, struct lobby *lobby, struct lobby_ticket ticket) {
  lobby_drop_old_matches(lobby, room_time_ms(room));
  return lobby_add_ticket(lobby, ticket);
}

static kind_code quick(struct room *room, struct member *member, const Heya__Kinds__Lobby__Command *command,
                       struct kind_reply *reply) {
  struct lobby *lobby = room_state(room);
  const Heya__Kinds__Lobby__Quick *asked = command->quick;
  struct wish wish = {asked->kind, asked->mode, asked->max_members, LOBBY_MEMBERS_MAX, asked->options};
  kind_code code = wish_check(room, &wish, reply);
  if (code != OK || is_served(room, lobby, member)) return code;
  struct lobby_ticket ticket = ticket_of(room, &wish, member_player(member));
  ticket.quick = true;
  add(room, lobby, ticket);
  lobby_place(room, lobby);
  return OK;
}

/* ---- matchmaking ---- */

static bool is_busy(const struct room *room, const struct lobby *lobby, const char *player) {
  return lobby_find_match(lobby, player, room_time_ms(room)) || lobby_find_ticket(lobby, player) < lobby->n_tickets;
}

static kind_code party_check(struct room *room, const struct lobby *lobby, const Heya__Kinds__Lobby__Enqueue *asked,
                             struct kind_reply *reply) {
  for (size_t i = 0; i < asked->n_party; i++) {
    if (!room_member(room, asked->party[i])) {
      kind_refuse(reply, "all of a party must be in the lobby");
      return NO_SUCH_MEMBER;
    }
    if (is_busy(room, lobby, asked->party[i])) {
      kind_refuse(reply, "one of the party waits already, or was matched");
      return WRONG_STATE;
    }
  }
  return OK;
}

static kind_code enqueue(struct room *room, struct member *member, const Heya__Kinds__Lobby__Command *command,
                         struct kind_reply *reply) {
  struct lobby *lobby = room_state(room);
  const Heya__Kinds__Lobby__Enqueue *asked = command->enqueue;
  struct wish wish = {asked->kind, asked->mode, asked->size, LOBBY_SIZE_MAX, asked->options};
  kind_code code = wish_check(room, &wish, reply);
  if (code != OK || is_served(room, lobby, member)) return code;
  code = party_check(room, lobby, asked, reply);
  if (code != OK) return code;
  struct lobby_ticket ticket = ticket_of(room, &wish, member_player(member));
  for (size_t i = 0; i < asked->n_party && ticket.n_players <= wish.size; i++)
    if (!lobby_ticket_has(&ticket, asked->party[i])) lobby_ticket_add_player(&ticket, asked->party[i]);
  if (ticket.n_players > wish.size) {
    kind_refuse(reply, "the party is larger than the group");
    lobby_ticket_close(&ticket);
    return INVALID_ARGUMENT;
  }
  ticket.skill = asked->skill;
  ticket.range = asked->range;
  ticket.widen_per_s = asked->widen_per_s;
  lobby_send_queued(room, add(room, lobby, ticket));
  lobby_gather_soon(room, lobby);
  return OK;
}

/* ---- giving up ---- */

/* His ticket is no more, for all who are in it. */
static void give_up(struct room *room, struct lobby *lobby, const char *player, bool left) {
  size_t nth = lobby_find_ticket(lobby, player);
  if (nth == lobby->n_tickets) return;
  struct lobby_ticket ticket = lobby_take_ticket(lobby, nth);
  lobby_send_cancelled(room, &ticket, player, left);
  lobby_ticket_close(&ticket);
}

/* He is not held to his match any more; the others are. */
static void let_go(struct lobby_match *match, const char *player) {
  struct lobby_ticket *ticket = &match->ticket;
  for (size_t i = 0; i < ticket->n_players; i++) {
    if (strcmp(ticket->players[i], player) != 0) continue;
    memmove(ticket->players[i], ticket->players[i + 1], (--ticket->n_players - i) * sizeof *ticket->players);
    return;
  }
}

static kind_code cancel(struct room *room, struct member *member, const Heya__Kinds__Lobby__Command *command,
                        struct kind_reply *reply) {
  (void)command;
  struct lobby *lobby = room_state(room);
  struct lobby_match *match = lobby_find_match(lobby, member_player(member), room_time_ms(room));
  if (match && match->until_ms == 0) {
    if (room_time_ms(room) < match->ticket.since_ms + LOBBY_PATIENCE_MS) {
      kind_refuse(reply, "a room is being made ready");
      return WRONG_STATE;
    }
    lobby_drop_room(lobby, match->room); /* nobody else is sent there; if it answers after all, seats become free */
  }
  if (match) let_go(match, member_player(member));
  if (match && match->ticket.n_players == 0) lobby_drop_match(lobby, match);
  give_up(room, lobby, member_player(member), false);
  return OK;
}

static void lobby_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  if (reason != HEYA__V1__LEAVE_REASON__ENDED) give_up(room, room_state(room), member_player(member), true);
}

/* ---- what other rooms say, and time ---- */

static void lobby_opened(struct room *room, uint64_t token, const char *id, kind_code code) {
  struct lobby *lobby = room_state(room);
  size_t nth = lobby_find_token(lobby, token);
  /* Of another room: its question had this token before Redis forgot it. */
  if (nth == lobby->n_matches || strcmp(lobby->matches[nth].room, id) != 0) return;
  struct lobby_match match = lobby_take_match(lobby, nth);
  if (match.ticket.quick) {
    lobby_placed(room, lobby, match, code);
  } else if (code == OK) {
    match.until_ms = room_time_ms(room) + LOBBY_KEEP_MS;
    lobby_send_matched(room, lobby_add_match(lobby, match));
  } else {
    lobby_send_failed(room, &match.ticket, code);
    lobby_ticket_close(&match.ticket);
  }
}

static void lobby_vacancy(struct room *room, const char *id, uint32_t free, bool ended) {
  struct lobby *lobby = room_state(room);
  struct lobby_room *there = lobby_find_room(lobby, id);
  if (there) there->told = free;
  if (ended) {
    lobby_drop_room(lobby, id);
    lobby_drop_matches_of(lobby, id);
  }
  lobby_place(room, lobby);
}

static void lobby_timer(struct room *room, uint32_t id) {
  struct lobby *lobby = room_state(room);
  lobby_drop_old_matches(lobby, room_time_ms(room));
  if (id == LOBBY_TIMER_MATCH) lobby_gather(room, lobby);
}

/* ---- the table ---- */

typedef kind_code handler(struct room *, struct member *, const Heya__Kinds__Lobby__Command *, struct kind_reply *);

static handler *const handlers[] = {
    [HEYA__KINDS__LOBBY__COMMAND__BODY_QUICK] = quick,
    [HEYA__KINDS__LOBBY__COMMAND__BODY_ENQUEUE] = enqueue,
    [HEYA__KINDS__LOBBY__COMMAND__BODY_CANCEL] = cancel,
};

static kind_code lobby_command(struct room *room, struct member *member, struct bytes payload,
                               struct kind_reply *reply) {
  ProtobufCMessage *message = lobby_unpack(room, &heya__kinds__lobby__command__descriptor, payload, reply);
  if (!message) return INVALID_ARGUMENT;
  const Heya__Kinds__Lobby__Command *command = (const Heya__Kinds__Lobby__Command *)message;
  size_t body = (size_t)command->body_case;
  if (body >= sizeof handlers / sizeof *handlers || !handlers[body]) {
    kind_refuse(reply, "not a command of this kind");
    return INVALID_ARGUMENT;
  }
  return handlers[body](room, member, command, reply);
}

static void lobby_describe(const struct room *room, struct describe *describe) {
  const struct lobby *lobby = room_state(room);
  size_t waiting = 0;
  for (size_t i = 0; i < lobby->n_tickets; i++) waiting += lobby->tickets[i].n_players;
  describe_property(describe, "waiting", "%zu", waiting);
  describe_property(describe, "rooms", "%zu", lobby->n_rooms);
}

static void lobby_close(struct room *room) {
  lobby_close_lists(room_state(room));
}

const struct kind kind_lobby = {
    .abi = KIND_ABI,
    .name = "lobby",
    .max_members = 1000,
    .max_members_limit = 2000,
    .empty_ms = 10 * 60 * 1000, /* it knows the rooms that it has opened, for those who come later */
    .away_ms = 30 * 1000,
    .state_size = sizeof(struct lobby),
    .open = lobby_open,
    .join = lobby_join,
    .leave = lobby_leave,
    .command = lobby_command,
    .opened = lobby_opened,
    .vacancy = lobby_vacancy,
    .timer = lobby_timer,
    .save = lobby_save,
    .load = lobby_load,
    .snapshot = lobby_snapshot,
    .describe = lobby_describe,
    .close = lobby_close,
};
