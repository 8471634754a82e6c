/* Kinds by name. A new built-in kind is one row in `built_in` below (and its source in the Makefile's list). */
#include "worker/kinds/registry.h"

#include "proto/names.h"
#include "worker/kinds/kinds.h"
#include <assert.h>
#include <string.h>

static const struct kind *const built_in[] = {
    &kind_chat, &kind_gomoku, &kind_live, &kind_arena, &kind_skirmish, &kind_lobby,
};

void kind_registry_init(struct kind_registry *registry) {
  *registry = (struct kind_registry){.count = 0};
  for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
    enum kind_added added = kind_registry_add(registry, built_in[i]);
    assert(added == KIND_ADDED);
    (void)added;
  }
}

static bool is_complete(const struct kind *kind) {
  return kind->open && kind->command && kind->save && kind->load && kind->snapshot;
}

static bool has_sane_rate(const struct kind *kind) {
  if (kind->tick_hz == 0) return !kind->lossy;
  return kind->tick && kind->tick_hz <= KIND_TICK_HZ_MAX;
}

static bool has_sane_limits(const struct kind *kind) {
  return has_sane_rate(kind) && kind->max_members >= 1 && kind->max_members <= kind->max_members_limit &&
         kind->state_size <= KIND_STATE_SIZE_MAX;
}

enum kind_added kind_registry_add(struct kind_registry *registry, const struct kind *kind) {
  if (kind->abi != KIND_ABI) return KIND_BAD_ABI;
  if (!kind->name || !kind_is_valid(kind->name, strnlen(kind->name, KIND_MAX + 1))) return KIND_BAD_NAME;
  if (!is_complete(kind)) return KIND_INCOMPLETE;
  if (!has_sane_limits(kind)) return KIND_BAD_LIMITS;
  if (kind_find(registry, kind->name)) return KIND_DUPLICATE;
  if (registry->count == KIND_REGISTRY_MAX) return KIND_FULL;
  registry->kinds[registry->count++] = kind;
  return KIND_ADDED;
}

const struct kind *kind_find(const struct kind_registry *registry, const char *name) {
  for (size_t i = 0; name && i < registry->count; i++)
    if (strcmp(registry->kinds[i]->name, name) == 0) return registry->kinds[i];
  return NULL;
}

const char *kind_added_text(enum kind_added added) {
  switch (added) {
  case KIND_ADDED: return "added";
  case KIND_BAD_ABI: return "built for another version of the kind interface";
  case KIND_BAD_NAME: return "its name is not a kind's name";
  case KIND_INCOMPLETE: return "it lacks a function that every kind must have";
  case KIND_BAD_LIMITS: return "its limits on members, state or rate make no sense";
  case KIND_DUPLICATE: return "its name is taken";
  case KIND_FULL: return "there are too many kinds";
  }
  return "unknown";
}
