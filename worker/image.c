/* Room to proto structs in the scratch arena to bytes; and back with every value checked. */
#include "worker/image.h"
#include "common/mem.h"
#include "proto/codec.h"
#include "proto/image.pb-c.h"
#include "worker/kinds/registry.h"
#include "worker/spectators.h"

#define IMAGE_SCHEMA 1
/* Times and event numbers beyond it are nonsense, and Redis's functions would refuse the commit they get into. */
#define NUMBER_MAX (UINT64_C(1) << 52)

/* ---- save ---- */

static void *scratch(struct room *room, size_t count, size_t size) {
  void *memory = arena_alloc(&room->effects->scratch, (count ? count : 1) * size);
  if (!memory) mem_exhausted(count * size);
  return memory;
}

static void save_outcomes(struct room *room, struct member *member, Heya__Image__Member *out) {
  const struct session_window *window = &member->window;
  Heya__Image__Outcome *outcomes = scratch(room, window->n_noted, sizeof *outcomes);
  out->outcomes = scratch(room, window->n_noted, sizeof *out->outcomes);
  out->n_outcomes = window->n_noted;
  for (size_t i = 0; i < window->n_noted; i++) {
    const struct outcome *noted = &window->noted[i];
    heya__image__outcome__init(&outcomes[i]);
    outcomes[i].number = noted->number;
    outcomes[i].code = noted->code;
    outcomes[i].message = noted->message;
    outcomes[i].result = (ProtobufCBinaryData){.len = noted->result_len, .data = noted->result};
    out->outcomes[i] = &outcomes[i];
  }
}

static void save_member(struct room *room, struct member *member, Heya__Image__Member *out) {
  heya__image__member__init(out);
  out->player = member->player;
  out->name = member->name;
  out->profile = (ProtobufCBinaryData){.len = member->profile.len, .data = member->profile.data};
  out->session = member->session;
  if (member->binding.outlet) out->gateway = member->binding.outlet->gateway;
  out->conn = member->binding.conn;
  out->attempt = member->binding.attempt;
  out->away_until_ms = member->away_until_ms;
  out->last_number = member->window.last;
  out->instance = member->instance;
  out->connection = member->connection;
  save_outcomes(room, member, out);
}

static Heya__Image__Member **save_members(struct room *room, struct member **members, size_t n) {
  Heya__Image__Member *saved = scratch(room, n, sizeof *saved);
  Heya__Image__Member **list = scratch(room, n, sizeof *list);
  for (size_t i = 0; i < n; i++) {
    save_member(room, members[i], &saved[i]);
    list[i] = &saved[i];
  }
  return list;
}

static void save_host_matters(struct room *room, Heya__Image__Room *image) {
  image->config = config_to_proto(&room->config, &room->effects->scratch);
  image->host_locked = room->host_locked;
  image->banned = scratch(room, room->n_banned, sizeof *image->banned);
  image->n_banned = room->n_banned;
  for (size_t i = 0; i < room->n_banned; i++) image->banned[i] = room->banned[i];
}

static void save_timers(struct room *room, Heya__Image__Room *image) {
  Heya__Image__Timer *timers = scratch(room, room->n_timers, sizeof *timers);
  image->timers = scratch(room, room->n_timers, sizeof *image->timers);
  image->n_timers = room->n_timers;
  for (size_t i = 0; i < room->n_timers; i++) {
    heya__image__timer__init(&timers[i]);
    timers[i].id = room->timers[i].id;
    timers[i].at_ms = room->timers[i].at_ms;
    image->timers[i] = &timers[i];
  }
}

static void save_results(struct room *room, Heya__Image__Room *image) {
  Heya__Image__ResultLine *lines = scratch(room, room->n_results, sizeof *lines);
  image->results = scratch(room, room->n_results, sizeof *image->results);
  image->n_results = room->n_results;
  for (size_t i = 0; i < room->n_results; i++) {
    heya__image__result_line__init(&lines[i]);
    lines[i].player = room->results[i].player;
    lines[i].text = room->results[i].text;
    image->results[i] = &lines[i];
  }
}

static void save_queue(struct room *room, Heya__Image__Room *image) {
  Heya__Image__Queued *items = scratch(room, room->queue.n, sizeof *items);
  image->queue = scratch(room, room->queue.n, sizeof *image->queue);
  image->n_queue = room->queue.n;
  for (size_t i = 0; i < room->queue.n; i++) {
    struct queued *waiting = queue_at(&room->queue, i);
    heya__image__queued__init(&items[i]);
    items[i].player = waiting->player;
    items[i].number = waiting->number;
    items[i].request = waiting->request;
    items[i].payload = (ProtobufCBinaryData){.len = waiting->len, .data = waiting->payload};
    items[i].manage = waiting->manage;
    image->queue[i] = &items[i];
  }
}

static void save_seats(struct room *room, Heya__Image__Room *image) {
  const struct seats *seats = &room->seats;
  Heya__Image__Reserved *reserved = scratch(room, seats->n, sizeof *reserved);
  image->reserved = scratch(room, seats->n, sizeof *image->reserved);
  image->n_reserved = seats->n;
  for (size_t i = 0; i < seats->n; i++) {
    heya__image__reserved__init(&reserved[i]);
    reserved[i].player = seats->kept[i].player;
    reserved[i].until_ms = seats->kept[i].until_ms;
    image->reserved[i] = &reserved[i];
  }
}

void image_save(struct room *room, struct buf *out) {
  Heya__Image__Room image = HEYA__IMAGE__ROOM__INIT;
  struct buf state = {0};
  room->kind->save(room, &state);
  image.schema = IMAGE_SCHEMA;
  image.id = room->id;
  image.incarnation = room->incarnation;
  image.created_ms = room->created_ms;
  image.locked = room->locked;
  if (room->host) image.host = room->host->player;
  image.max_members = room->max_members;
  image.seq = room->seq;
  image.event_epoch = room->event_epoch;
  image.expire_at_ms = room->expire_at_ms;
  image.derived = room->derived;
  image.options = (ProtobufCBinaryData){.len = room->options.len, .data = room->options.data};
  image.state = (ProtobufCBinaryData){.len = state.len, .data = state.data};
  image.deadline_ms = room->deadline_ms;
  image.round = room->round;
  image.tick_hz = room->frames.hz;
  image.frame = room->frames.done;
  image.approximate = room->kind->lossy && !room->effects->settling;
  image.lobby = room->lobby;
  image.told_free = room->told_free;
  image.asked = room->asked;
  save_seats(room, &image);
  image.members = save_members(room, room->members, room->n_members);
  image.n_members = room->n_members;
  image.spectators = save_members(room, room->spectators, room->n_spectators);
  image.n_spectators = room->n_spectators;
  save_host_matters(room, &image);
  save_queue(room, &image);
  save_timers(room, &image);
  save_results(room, &image);
  size_t size = heya__image__room__get_packed_size(&image);
  heya__image__room__pack(&image, buf_reserve(out, size));
  out->len += size;
  buf_close(&state);
}

/* ---- load ---- */

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
