/* Seats and bindings. The outlet counts who is bound to it, so that a dead gateway's members are found. */
#include "worker/member.h"
#include "common/mem.h"
#include "worker/kind.h"

struct member *member_create(const char *player, const char *name, struct bytes profile) {
  struct member *member = xcalloc(1, sizeof *member);
  snprintf(member->player, sizeof member->player, "%s", player);
  snprintf(member->name, sizeof member->name, "%s", *name ? name : player);
  buf_append_bytes(&member->profile, profile);
  member->line_changed = true;
  return member;
}

void member_destroy(struct member *member) {
  if (!member) return;
  member_unbind(member);
  session_reset(&member->window);
  buf_close(&member->profile);
  free(member);
}

void member_bind(struct member *member, struct binding binding, uint64_t time_ms) {
  member_unbind(member);
  member->binding = binding;
  member->away_until_ms = 0;
  member->line_changed = true;
  if (!binding.outlet) return;
  binding.outlet->bound++;
  if (binding.outlet->last_bound_ms < time_ms) binding.outlet->last_bound_ms = time_ms;
}

void member_unbind(struct member *member) {
  if (member->binding.outlet) member->binding.outlet->bound--;
  member->binding = (struct binding){0};
}

bool member_is_bound_to(const struct member *member, struct binding binding) {
  return member->binding.outlet == binding.outlet && member->binding.conn == binding.conn &&
         member->binding.attempt == binding.attempt;
}

void member_note_client(struct member *member, const char *instance, uint32_t connection) {
  snprintf(member->instance, sizeof member->instance, "%s", instance);
  member->connection = connection;
}

bool member_has_newer_client(const struct member *member, const char *instance, uint32_t connection) {
  return *instance && strcmp(member->instance, instance) == 0 && member->connection > connection;
}

Heya__V1__Member member_to_proto(struct member *member) {
  Heya__V1__Member proto = HEYA__V1__MEMBER__INIT;
  proto.player = member->player;
  proto.name = member->name;
  proto.away = member_is_away(member);
  proto.profile = (ProtobufCBinaryData){.len = member->profile.len, .data = member->profile.data};
  return proto;
}

const char *member_player(const struct member *member) {
  return member->player;
}

const char *member_name(const struct member *member) {
  return member->name;
}

struct bytes member_profile(const struct member *member) {
  return buf_bytes(&member->profile);
}

bool member_is_away(const struct member *member) {
  return member->binding.outlet == NULL;
}
