/* Fields and lines are built as text in an arena that lives until the commit is sent. */
#include "worker/record.h"
#include "common/mem.h"
#include "worker/image.h"
#include <inttypes.h>
#include <stdarg.h>

#define PROPERTIES_MAX 16 /* of a kind */
#define FIELDS_MAX     (24 + PROPERTIES_MAX + CONFIG_PROPERTIES_MAX)

/* What `describe` of a kind writes into. */
struct describe {
  struct arena *arena;
  struct commit_field *fields;
  size_t n_fields;
  size_t n_properties;
  struct buf names; /* "live_id phase" */
};

static struct bytes keep(struct arena *arena, struct bytes bytes) {
  void *copy = arena_copy(arena, bytes);
  if (!copy) mem_exhausted(bytes.len);
  return bytes_of(copy, bytes.len);
}

static void add_field(struct describe *d, const char *name, struct bytes value) {
  d->fields[d->n_fields++] = (struct commit_field){.name = bytes_of_str(name), .value = value};
}

static void add_text(struct describe *d, const char *name, const char *value) {
  add_field(d, name, bytes_of_str(value));
}

static void add_number(struct describe *d, const char *name, uint64_t value) {
  char *text = arena_take(d->arena, 24);
  snprintf(text, 24, "%" PRIu64, value);
  add_text(d, name, text);
}

static void add_property(struct describe *d, const char *name, const char *value) {
  char field[PROPERTY_NAME_MAX + 3];
  snprintf(field, sizeof field, "p:%s", name);
  add_field(d, keep(d->arena, bytes_of_str(field)).data, keep(d->arena, bytes_of_str(value)));
  if (d->names.len) buf_append_char(&d->names, ' ');
  buf_append_str(&d->names, name);
}

void describe_property(struct describe *d, const char *name, const char *format, ...) {
  char value[PROPERTY_VALUE_MAX + 1];
  if (d->n_properties == PROPERTIES_MAX || !property_name_is_valid(name, strlen(name))) return;
  va_list args;
  va_start(args, format);
  room_print_text(value, sizeof value, format, args);
  va_end(args);
  add_property(d, name, value);
  d->n_properties++;
}

static bool is_described(const struct describe *d, size_t first, const char *name) {
  char field[PROPERTY_NAME_MAX + 3];
  snprintf(field, sizeof field, "p:%s", name);
  for (size_t i = first; i < d->n_fields; i++) {
    if (bytes_equal_str(d->fields[i].name, field)) return true;
  }
  return false;
}

/* The host's, beside those of the kind, which begin at field `first`. */
static void add_config_properties(struct describe *d, size_t first, const struct config *config) {
  for (size_t i = 0; i < config->n_properties; i++) {
    const struct config_property *property = &config->properties[i];
    if (!is_described(d, first, property->name)) add_property(d, property->name, property->value);
  }
}

static const char *status_text(const struct room *room) {
  switch (room_status(room)) {
  case HEYA__V1__STATUS__OPEN: return "open";
  case HEYA__V1__STATUS__LOCKED: return "locked";
  case HEYA__V1__STATUS__EMPTY: return "empty";
  default: return "closed";
  }
}

static void add_facts(struct room *room, struct describe *d) {
  add_text(d, "kind", room->kind->name);
  add_text(d, "name", strchr(room->id, '/') + 1);
  add_text(d, "status", status_text(room));
  add_text(d, "host", room->host ? room->host->player : "");
  add_number(d, "members", room->n_members);
  add_number(d, "max_members", room->max_members);
  add_number(d, "kept", room->seats.n);
  add_number(d, "spectators", room->n_spectators);
  add_text(d, "title", room->config.title);
  add_number(d, "password", room->config.password[0] != '\0');
  add_number(d, "private", room->config.is_private);
  add_number(d, "partition", room->effects->partition);
  add_number(d, "created_ms", room->created_ms);
  add_text(d, "incarnation", room->incarnation);
}

static uint64_t hash_bytes(uint64_t hash, struct bytes bytes) { /* FNV-1a, with a step between values */
  const unsigned char *data = bytes.data;
  for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ data[i]) * 0x100000001b3u;
  return (hash ^ 0xff) * 0x100000001b3u;
}

/* What the kind and the host say of the room, if it says anything else than in the last record. */
static void add_properties(struct room *room, struct describe *d) {
  size_t first = d->n_fields;
  uint64_t hash = 0xcbf29ce484222325u;
  if (room->kind->describe) room->kind->describe(room, d);
  add_config_properties(d, first, &room->config);
  for (size_t i = first; i < d->n_fields; i++) {
    hash = hash_bytes(hash_bytes(hash, d->fields[i].name), d->fields[i].value);
  }
  if (hash == room->described && !room->changes.whole) {
    d->n_fields = first;
    return;
  }
  room->changes.described = hash;
  add_field(d, "properties", keep(d->arena, buf_bytes(&d->names)));
}

static void record_fields(struct room *room, struct arena *arena, struct commit_room *out) {
  struct describe d = {.arena = arena, .fields = arena_take(arena, FIELDS_MAX * sizeof(struct commit_field))};
  if (room->changes.facts || room->changes.whole) add_facts(room, &d);
  add_properties(room, &d);
  if (room->frames.hz) add_number(&d, "frame", room->frames.done);
  char *event = arena_take(arena, 48);
  snprintf(event, 48, "%" PRIu64 "-%" PRIu64, room->event_epoch, room->seq);
  add_text(&d, "event", event);
  add_field(&d, "image", image_save(room, arena));
  buf_close(&d.names);
  out->fields = d.fields;
  out->n_fields = d.n_fields;
}

static struct bytes member_line(const struct room *room, const struct member *member, struct arena *arena) {
  struct buf line = {0};
  buf_printf(&line, "%s%s name=%s session=%s", member_is_away(member) ? "away" : "here",
             room->host == member ? " host" : "", member->name, member->session);
  if (member->binding.outlet) buf_printf(&line, " gateway=%s", member->binding.outlet->gateway);
  if (member->away_until_ms) buf_printf(&line, " until=%" PRIu64, member->away_until_ms);
  struct bytes kept = keep(arena, buf_bytes(&line));
  buf_close(&line);
  return kept;
}

static void record_members(struct room *room, struct arena *arena, struct commit_room *out) {
  const struct room_changes *changes = &room->changes;
  out->members = arena_take(arena, (room->n_members + changes->n_removed + 1) * sizeof *out->members);
  for (size_t i = 0; i < room->n_members; i++) {
    struct member *member = room->members[i];
    if (!changes->whole && !member->line_changed) continue;
    out->members[out->n_members++] =
        (struct commit_field){.name = bytes_of_str(member->player), .value = member_line(room, member, arena)};
  }
  for (size_t i = 0; !changes->whole && i < changes->n_removed; i++) {
    if (room_member(room, changes->removed[i])) continue; /* came back since */
    out->members[out->n_members++] = (struct commit_field){.name = bytes_of_str(changes->removed[i])};
  }
}

static void record_results(struct room *room, struct arena *arena, struct commit_room *out) {
  if (!room->changes.results && !room->changes.whole) return;
  out->clear_results = true;
  out->results = arena_take(arena, (room->n_results + 1) * sizeof *out->results);
  out->n_results = room->n_results;
  for (size_t i = 0; i < room->n_results; i++) {
    out->results[i] = (struct commit_field){.name = bytes_of_str(room->results[i].player),
                                            .value = bytes_of_str(room->results[i].text)};
  }
}

static void record_log(struct room *room, struct arena *arena, struct commit_room *out) {
  const struct backlog *backlog = &room->backlog;
  out->log = arena_take(arena, (backlog->unwritten + 1) * sizeof *out->log);
  for (size_t i = backlog->n - backlog->unwritten; i < backlog->n; i++) {
    const struct backlog_event *event = &backlog->events[i];
    out->log[out->n_log++] = (struct commit_log_entry){.seq = event->seq,
                                                       .to = bytes_of_str(event->to ? event->to : "*"),
                                                       .message = bytes_of(event->message, event->len)};
  }
}

void record_room(struct room *room, struct arena *arena, struct commit_room *out) {
  bool facts = room->changes.whole || room->changes.facts;
  *out = (struct commit_room){
      .id = room->id,
      .kind = room->kind->name,
      .whole = room->changes.whole,
      .expire_at_ms = room->expire_at_ms ? room->expire_at_ms + RECORD_EXPIRE_MARGIN_MS : 0,
      .deadline = room->changes.deadline,
      .deadline_ms = room->deadline_ms,
      .round = room->round,
      .unlisted = facts && room->config.is_private,
      .listed_ms = facts && !room->config.is_private ? room->created_ms : 0,
  };
  if (out->whole) out->deadline = room->deadline_ms ? COMMIT_DEADLINE_SET : COMMIT_DEADLINE_KEEP;
  effects_enter(room->effects, UINT32_MAX, room->id); /* STORE_BLAME_ALL */
  record_fields(room, arena, out);
  effects_leave(room->effects);
  record_members(room, arena, out);
  record_results(room, arena, out);
  record_log(room, arena, out);
}
