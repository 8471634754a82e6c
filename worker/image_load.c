/* Bytes to a room, with every value checked: an image has been in Redis, where anybody may have changed it. A load
 * function returns false at the first value that no room could have saved, and the room is thrown away. See
 * worker/image.h. */
#include "common/mem.h"
#include "proto/codec.h"
#include "proto/image.pb-c.h"
#include "worker/image.h"
#include "worker/kinds/registry.h"
#include "worker/spectators.h"

/* Times and event numbers beyond it are nonsense, and Redis's functions would refuse the commit they get into. */
#define NUMBER_MAX (UINT64_C(1) << 52)

static bool copy_text(char *out, size_t size, const char *text) {
  return (size_t)snprintf(out, size, "%s", text) < size;
}

static bool load_window(struct member *member, const Heya__Image__Member *image) {
  member->window.last = image->last_number;
  for (size_t i = 0; i < image->n_outcomes; i++) {
    const Heya__Image__Outcome *outcome = image->outcomes[i];
    if (!session_restore(&member->window, outcome->number, outcome->code, outcome->message,
                         bytes_of(outcome->result.data, outcome->result.len))) {
      return false;
    }
  }
  return true;
}

/* A member or spectator, who is in the room no other time; NULL if he makes no sense. The caller owns him. */
static struct member *load_person(struct room *room, const Heya__Image__Member *image) {
  if (!player_is_valid(image->player, strlen(image->player))) return NULL;
  if (!display_name_is_valid(image->name, strlen(image->name))) return NULL;
  if (room_member(room, image->player) || spectators_find(room, image->player)) return NULL;
  if (!instance_is_valid(image->instance, strlen(image->instance))) return NULL;
  bool bound = image->gateway[0] != '\0';
  if (bound && !process_id_is_valid(image->gateway, strlen(image->gateway))) return NULL;
  if (bound == (image->away_until_ms != 0) || image->away_until_ms > NUMBER_MAX) return NULL;

  struct member *member =
      member_create(image->player, image->name, bytes_of(image->profile.data, image->profile.len));
  if (!copy_text(member->session, sizeof member->session, image->session) || !load_window(member, image)) {
    member_destroy(member);
    return NULL;
  }
  if (bound) {
    struct binding binding = {
        .outlet = effects_outlet(room->effects, image->gateway), .conn = image->conn, .attempt = image->attempt};
    member_bind(member, binding, 0);
  }
  member_note_client(member, image->instance, image->connection);
  member->away_until_ms = image->away_until_ms;
  member->line_changed = false;
  return member;
}

static bool load_member(struct room *room, const Heya__Image__Member *image) {
  struct member *member = load_person(room, image);
  if (!member) return false;
  if (room->n_members == room->cap_members) {
    room->cap_members = room->cap_members ? 2 * room->cap_members : 4;
    room->members = xrealloc(room->members, room->cap_members * sizeof(struct member *));
  }
  room->members[room->n_members++] = member;
  HASH_ADD_STR(room->by_player, player, member);
  return true;
}

static bool load_spectator(struct room *room, const Heya__Image__Member *image) {
  struct member *spectator = load_person(room, image);
  if (!spectator) return false;
  spectators_add(room, spectator);
  return !member_is_away(spectator);
}

static bool load_banned(struct room *room, const Heya__Image__Room *image) {
  if (image->n_banned > ROOM_BANNED_MAX) return false;
  for (size_t i = 0; i < image->n_banned; i++) {
    if (!player_is_valid(image->banned[i], strlen(image->banned[i]))) return false;
    if (!room_ban(room, image->banned[i])) return false;
  }
  return true;
}

/* The kind may have let more watch once. */
static bool load_host_matters(struct room *room, const Heya__Image__Room *image) {
  room->host_locked = image->host_locked;
  return !config_take(&room->config, image->config, UINT32_MAX) && load_banned(room, image);
}

/* Numbers of a player grow by one from his last one that was executed, as in the room that was saved. */
static bool load_queue(struct room *room, const Heya__Image__Room *image) {
  for (size_t i = 0; i < image->n_queue; i++) {
    const Heya__Image__Queued *item = image->queue[i];
    const struct member *member = room_member(room, item->player);
    if (!member || item->number != member->window.last + queue_count(&room->queue, item->player) + 1) return false;
    struct queued *waiting = queue_add(&room->queue, item->player, item->number, item->request,
                                       bytes_of(item->payload.data, item->payload.len));
    if (!waiting) return false;
    waiting->manage = item->manage;
  }
  return true;
}

static bool load_frames(struct room *room, const Heya__Image__Room *image) {
  if (image->tick_hz > FRAMES_HZ_MAX || image->frame > NUMBER_MAX) return false;
  if (image->tick_hz == 0 && (image->frame || image->n_queue)) return false;
  if (image->tick_hz && image->frame / image->tick_hz > NUMBER_MAX / 1000) return false; /* begins at a sane time */
  room->frames = (struct frames){.hz = image->tick_hz, .base_ms = image->created_ms, .done = image->frame};
  room->approximate = image->approximate;
  if (room->frames.done) room->clock_ms = frames_begin_us(&room->frames, room->frames.done) / 1000;
  return room->frames.hz == 0 || room->kind->tick != NULL;
}

static bool load_timers(struct room *room, const Heya__Image__Room *image) {
  if (image->n_timers > ROOM_TIMERS_MAX || (image->n_timers && !room->kind->timer)) return false;
  for (size_t i = 0; i < image->n_timers; i++) {
    const Heya__Image__Timer *timer = image->timers[i];
    if (timer->at_ms == 0) return false;
    for (size_t j = 0; j < room->n_timers; j++) {
      if (room->timers[j].id == timer->id) return false;
    }
    room->timers[room->n_timers++] = (struct room_timer){.id = timer->id, .at_ms = timer->at_ms};
  }
  return true;
}

static bool load_results(struct room *room, const Heya__Image__Room *image) {
  room->results = xcalloc(image->n_results, sizeof *room->results);
  for (size_t i = 0; i < image->n_results; i++) {
    struct room_result *result = &room->results[room->n_results++];
    if (!copy_text(result->player, sizeof result->player, image->results[i]->player)) return false;
    if (!copy_text(result->text, sizeof result->text, image->results[i]->text)) return false;
  }
  return true;
}

static bool load_seats(struct room *room, const Heya__Image__Room *image) {
  if (image->n_members + image->n_reserved > room->max_members) return false;
  for (size_t i = 0; i < image->n_reserved; i++) {
    const Heya__Image__Reserved *seat = image->reserved[i];
    if (!player_is_valid(seat->player, strlen(seat->player)) || room_member(room, seat->player)) return false;
    if (seat->until_ms == 0 || seat->until_ms > NUMBER_MAX || seats_are_kept_for(&room->seats, seat->player))
      return false;
    seats_keep(&room->seats, seat->player, seat->until_ms);
  }
  return true;
}

static bool load_lobby(struct room *room, const Heya__Image__Room *image) {
  struct room_id lobby;
  room->told_free = image->told_free;
  room->asked = image->asked;
  if (image->lobby[0] == '\0') return true;
  if (!room_id_parse(image->lobby, strlen(image->lobby), &lobby)) return false;
  memcpy(room->lobby, lobby.id, sizeof room->lobby);
  return true;
}

static const char *fill(struct room *room, const Heya__Image__Room *image) {
  if (!copy_text(room->incarnation, sizeof room->incarnation, image->incarnation) || !*room->incarnation) {
    return "bad incarnation";
  }
  room->created_ms = image->created_ms;
  room->seq = image->seq;
  room->event_epoch = image->event_epoch;
  room->max_members = image->max_members;
  room->locked = image->locked;
  room->expire_at_ms = image->expire_at_ms;
  room->deadline_ms = image->deadline_ms;
  room->round = image->round;
  if (image->derived != room->derived) return "derived or not differs from its id";
  if (image->created_ms > NUMBER_MAX || image->seq > NUMBER_MAX) return "bad number";
  if (image->expire_at_ms > NUMBER_MAX || image->deadline_ms > NUMBER_MAX) return "bad time";
  if (room->max_members == 0) return "bad max_members"; /* the kind's limit may have been higher once */
  buf_append(&room->options, image->options.data, image->options.len);
  if (image->n_members > room->max_members) return "too many members";
  for (size_t i = 0; i < image->n_members; i++) {
    if (!load_member(room, image->members[i])) return "bad member";
  }
  for (size_t i = 0; i < image->n_spectators; i++) {
    if (!load_spectator(room, image->spectators[i])) return "bad spectator";
  }
  if (!load_host_matters(room, image)) return "bad configuration or list of the banned";
  if (image->host[0]) room->host = room_member(room, image->host);
  if ((room->n_members == 0) != (room->host == NULL)) return "bad host";
  if ((room->n_members == 0) != (room->expire_at_ms != 0)) return "bad expiry";
  if (!load_seats(room, image)) return "bad reserved seat";
  if (!load_lobby(room, image)) return "bad lobby";
  if (!load_frames(room, image)) return "bad frames";
  if (!load_queue(room, image)) return "bad queue";
  if (!load_timers(room, image)) return "bad timer";
  if (!load_results(room, image)) return "bad result line";
  if (room->is_shell) return NULL;
  if (!room->kind->load(room, bytes_of(image->state.data, image->state.len))) return "bad state of its kind";
  return NULL;
}

static struct room *load(const struct kind_registry *kinds, struct effects *effects, const char *id,
                         struct bytes bytes, bool is_shell, const char **reason, bool *foreign) {
  struct room_id parsed;
  ProtobufCMessage *message;
  *foreign = false;
  *reason = "bad room id";
  if (!room_id_parse(id, strlen(id), &parsed)) return NULL;
  const struct kind *kind = kind_find(kinds, parsed.kind);
  *foreign = kind == NULL;
  *reason = "unknown kind";
  if (!kind) return NULL;
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__image__room__descriptor, &effects->scratch,
                                          bytes.data, bytes.len, &message);
  *reason = codec_result_text(result);
  if (result != CODEC_OK) return NULL;
  const Heya__Image__Room *image = (const Heya__Image__Room *)message;
  *foreign = image->schema > IMAGE_SCHEMA;
  *reason = "schema or id differs";
  if (image->schema != IMAGE_SCHEMA || strcmp(image->id, id) != 0) return NULL;

  struct room *room = room_create(kind, effects, &parsed);
  room->is_shell = is_shell;
  *reason = fill(room, image);
  if (!*reason) return room;
  room_destroy(room);
  return NULL;
}

struct room *image_load(const struct kind_registry *kinds, struct effects *effects, const char *id,
                        struct bytes image, const char **reason, bool *foreign) {
  return load(kinds, effects, id, image, false, reason, foreign);
}

struct room *image_load_shell(const struct kind_registry *kinds, struct effects *effects, const char *id,
                              struct bytes image, const char **reason, bool *foreign) {
  return load(kinds, effects, id, image, true, reason, foreign);
}
