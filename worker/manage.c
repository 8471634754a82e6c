/* One small function per action. The host's are checked here, then offered to the kind, then done. */
#include "worker/manage.h"
#include "worker/group.h"
#include "worker/request.h"
#include "worker/spectators.h"

typedef kind_code code;

/* An action, its actor, and where to say why not. */
struct action {
  struct room *room;
  struct member *actor;
  const Heya__V1__Manage *manage;
  struct kind_reply *reply;
};

static code invalid(struct kind_reply *reply, const char *why) {
  kind_refuse(reply, "%s", why);
  return CODE(INVALID_ARGUMENT);
}

static code ask_kind(const struct action *a) {
  const struct kind *kind = a->room->kind;
  return kind->manage ? kind->manage(a->room, a->actor, a->manage, a->reply) : CODE(OK);
}

/* ---- lock ---- */

static code lock(const struct action *a) {
  bool locked = a->manage->lock;
  code result = ask_kind(a);
  if (result != CODE(OK) || a->room->host_locked == locked) return result;
  a->room->host_locked = locked;
  room_touch_facts(a->room);
  room_tell_facts(a->room);
  return result;
}

/* ---- change ---- */

static void put_config(struct room *room, const struct config *config) {
  /* Fields of properties that are no more must go, and a whole write is what deletes them. */
  if (!config_has_names_of(config, &room->config)) room->changes.whole = true;
  room->config = *config;
}

static code change(const struct action *a) {
  struct room *room = a->room;
  const Heya__V1__Change *wanted = a->manage->change;
  struct config config = room->config;
  const char *fault = wanted->config ? config_take(&config, wanted->config, room->kind->max_spectators) : NULL;
  if (fault) return invalid(a->reply, fault);
  if (wanted->max_members > room->kind->max_members_limit)
    return invalid(a->reply, "max_members: more than this kind allows");
  if (wanted->max_members && wanted->max_members < room->n_members + room->seats.n) {
    return invalid(a->reply, "max_members: more are there");
  }
  code result = ask_kind(a);
  if (result != CODE(OK)) return result;
  put_config(room, &config);
  if (wanted->max_members) room->max_members = wanted->max_members;
  room_touch_facts(room);
  room_tell_facts(room);
  return result;
}

/* ---- people ---- */

code manage_kick(struct room *room, const char *player) {
  struct member *member = room_member(room, player);
  struct member *spectator = spectators_find(room, player);
  if (member) room_kick(room, member);
  if (spectator) spectators_dismiss(room, spectator, CODE(PLAYER_KICKED));
  return member || spectator ? CODE(OK) : CODE(NO_SUCH_MEMBER);
}

/* Why he cannot be banned; NULL: he can. */
static const char *ban_fault(const struct room *room, const char *player) {
  if (!player_is_valid(player, strlen(player))) return "not a player id";
  bool is_full = room->n_banned == ROOM_BANNED_MAX && !room_bans(room, player);
  return is_full ? "256 players are banned already" : NULL;
}

code manage_ban(struct room *room, const char *player, struct kind_reply *reply) {
  const char *fault = ban_fault(room, player);
  if (fault) return invalid(reply, fault);
  room_ban(room, player);
  room_touch_facts(room);
  manage_kick(room, player);
  return CODE(OK);
}

static bool is_oneself(const struct action *a, const char *player) {
  return strcmp(a->actor->player, player) == 0;
}

static code kick(const struct action *a) {
  const char *player = a->manage->kick;
  if (is_oneself(a, player)) return invalid(a->reply, "to go oneself, leave");
  if (!room_member(a->room, player) && !spectators_find(a->room, player)) return CODE(NO_SUCH_MEMBER);
  code result = ask_kind(a);
  return result == CODE(OK) ? manage_kick(a->room, player) : result;
}

static code ban(const struct action *a) {
  const char *player = a->manage->ban;
  const char *fault = is_oneself(a, player) ? "to go oneself, leave" : ban_fault(a->room, player);
  if (fault) return invalid(a->reply, fault);
  code result = ask_kind(a);
  return result == CODE(OK) ? manage_ban(a->room, player, a->reply) : result;
}

static code unban(const struct action *a) {
  code result = ask_kind(a);
  if (result != CODE(OK)) return result;
  room_unban(a->room, a->manage->unban);
  room_touch_facts(a->room);
  return result;
}

static code hand_over(const struct action *a) {
  struct member *next = room_member(a->room, a->manage->host);
  if (!next) return CODE(NO_SUCH_MEMBER);
  code result = ask_kind(a);
  if (result == CODE(OK) && next != a->actor) room_hand_over(a->room, next);
  return result;
}

/* ---- oneself ---- */

static code change_profile(const struct action *a) {
  struct room *room = a->room;
  struct bytes profile = bytes_of(a->manage->profile.data, a->manage->profile.len);
  if (!room->kind->profile) return invalid(a->reply, "profiles of this kind do not change");
  if (profile.len > PROFILE_MAX_BYTES) return invalid(a->reply, "profile too long");
  code result = room->kind->profile(room, a->actor, profile, a->reply);
  if (result != CODE(OK)) return result;
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  buf_clear(&a->actor->profile);
  buf_append_bytes(&a->actor->profile, profile);
  Heya__V1__Member changed = member_to_proto(a->actor);
  event.body_case = HEYA__V1__EVENT__BODY_CHANGED;
  event.changed = &changed;
  group_send(room, (struct audience){0}, &event);
  room_touch_facts(room);
  return result;
}

/* ---- the table ---- */

static const struct {
  code (*apply)(const struct action *);
  bool for_everybody; /* not only for the host */
} actions[] = {
    [HEYA__V1__MANAGE__BODY_LOCK] = {lock, false},
    [HEYA__V1__MANAGE__BODY_CHANGE] = {change, false},
    [HEYA__V1__MANAGE__BODY_KICK] = {kick, false},
    [HEYA__V1__MANAGE__BODY_BAN] = {ban, false},
    [HEYA__V1__MANAGE__BODY_UNBAN] = {unban, false},
    [HEYA__V1__MANAGE__BODY_HOST] = {hand_over, false},
    [HEYA__V1__MANAGE__BODY_PROFILE] = {change_profile, true},
};

code manage_apply(struct room *room, struct member *actor, const Heya__V1__Manage *manage, struct kind_reply *reply) {
  struct action action = {.room = room, .actor = actor, .manage = manage, .reply = reply};
  size_t body = (size_t)manage->body_case;
  if (body >= sizeof actions / sizeof *actions || !actions[body].apply)
    return invalid(reply, "manage: nothing to do");
  if (!actions[body].for_everybody && room->host != actor) return CODE(NOT_HOST);
  return actions[body].apply(&action);
}
