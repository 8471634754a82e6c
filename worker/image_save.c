/* A room to bytes: proto structs that point into the room and the partition's scratch arena, packed once. What is
 * added here is checked in worker/image_load.c. See worker/image.h. */
#include "proto/image.pb-c.h"
#include "worker/image.h"

static void *scratch(struct room *room, size_t count, size_t size) {
  return arena_take(&room->effects->scratch, count * size);
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

struct bytes image_save(struct room *room, struct arena *out) {
  Heya__Image__Room image = HEYA__IMAGE__ROOM__INIT;
  struct buf *state = &room->effects->saved;
  buf_clear(state);
  room->kind->save(room, state);
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
  image.state = (ProtobufCBinaryData){.len = state->len, .data = state->data};
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
  uint8_t *bytes = arena_take(out, size);
  heya__image__room__pack(&image, bytes);
  return bytes_of(bytes, size);
}
