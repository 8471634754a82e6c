/* See gateway/listing.h. */
#include "gateway/listing.h"

#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session.h"
#include "gateway/uplink.h"
#include "proto/pb.h"
#include "proto/utf8.h"

#include <string.h>
#include <utlist.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

/* One that the store has not answered yet. */
struct listing {
  struct listing *prev, *next; /* in sessions->lists */
  struct sessions *sessions;
  uint64_t conn;
  uint32_t request;
};

/* NULL when it is all right, else what is not. */
static const char *fault_of(const Heya__V1__List *list) {
  if (strlen(list->after) > LISTING_AFTER_MAX) return "after: not from an earlier answer";
  if (list->n_where > LISTING_WHERE_MAX) return "where: at most 8 properties";
  for (size_t i = 0; i < list->n_where; i++) {
    const Heya__V1__Property *property = list->where[i];
    if (!property_name_is_valid(property->name, strlen(property->name))) return "where.name: not a property name";
    if (!property_value_is_valid(property->value, strlen(property->value))) return "where.value: at most 64 bytes";
  }
  return NULL;
}

/* ---- the answer ---- */

static Heya__V1__Status status_of(const char *name) {
  static const struct {
    const char *name;
    Heya__V1__Status status;
  } statuses[] = {{"open", HEYA__V1__STATUS__OPEN},
                  {"locked", HEYA__V1__STATUS__LOCKED},
                  {"empty", HEYA__V1__STATUS__EMPTY},
                  {"closed", HEYA__V1__STATUS__CLOSED}};
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
    if (strcmp(name, statuses[i].name) == 0) return statuses[i].status;
  }
  return HEYA__V1__STATUS__CLOSED;
}

/* The i-th element of an array in the arena is initialised and pointed at. The arena of answers has no limit. */
static Heya__V1__RoomInfo *room_info(struct arena *arena, const struct store_list_row *row) {
  Heya__V1__RoomInfo *info = arena_alloc(arena, sizeof *info);
  heya__v1__room_info__init(info);
  info->room = pb_text(row->room);
  info->status = status_of(row->status);
  if (player_is_valid(row->host, strlen(row->host))) info->host = pb_text(row->host);
  info->members = row->members;
  info->max_members = row->max_members;
  info->properties = arena_alloc(arena, row->n_properties * sizeof(Heya__V1__Property *));
  for (size_t i = 0; i < row->n_properties; i++) {
    const struct property *from = &row->properties[i];
    if (!property_name_is_valid(from->name, strlen(from->name))) continue;
    if (!property_value_is_valid(from->value, strlen(from->value))) continue;
    Heya__V1__Property *property = arena_alloc(arena, sizeof *property);
    heya__v1__property__init(property);
    property->name = pb_text(from->name);
    property->value = pb_text(from->value);
    info->properties[info->n_properties++] = property;
  }
  return info;
}

/* Rows come from Redis, where anybody may have written: those that make no sense are left out. */
static void answer_rooms(struct session *session, uint32_t request, const struct store_list_row *rows, size_t n,
                         const char *after) {
  struct arena *arena = &session->sessions->out;
  Heya__V1__Rooms body = HEYA__V1__ROOMS__INIT;
  body.rooms = arena_alloc(arena, n * sizeof(Heya__V1__RoomInfo *));
  for (size_t i = 0; i < n && i < LISTING_LIMIT_MAX; i++) {
    struct room_id room;
    if (!room_id_parse(rows[i].room, strlen(rows[i].room), &room)) continue;
    body.rooms[body.n_rooms++] = room_info(arena, &rows[i]);
  }
  if (after && utf8_is_text(after, strlen(after), UTF8_ONE_LINE)) body.after = pb_text(after);
  Heya__V1__ServerMessage answer = HEYA__V1__SERVER_MESSAGE__INIT;
  answer.request = request;
  answer.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ROOMS;
  answer.rooms = &body;
  session_send(session, &answer);
}

static void on_rows(void *arg, enum store_result result, const struct store_list_page *page) {
  struct listing *listing = arg;
  struct session *session = sessions_find(listing->sessions, listing->conn);
  uint32_t request = listing->request;
  DL_DELETE(listing->sessions->lists, listing);
  listing->sessions->n_lists--;
  free(listing);
  if (!session) return;
  session->lists--;
  switch (result) {
  case STORE_OK: answer_rooms(session, request, page->rows, page->n, page->after); break;
  case STORE_LOST:
  case STORE_FULL:
    session_refuse(session, request, &(struct refusal){.code = CODE(BUSY), .retry_after_ms = UPLINK_RETRY_AFTER_MS});
    break;
  default: session_refuse(session, request, &(struct refusal){.code = CODE(INTERNAL)});
  }
}

/* ---- the question ---- */

static void ask_store(struct session *session, struct listing *listing, const Heya__V1__List *list) {
  struct sessions *sessions = session->sessions;
  struct property where[LISTING_WHERE_MAX];
  uint32_t limit = list->limit ? list->limit : LISTING_LIMIT_DEFAULT;
  if (limit > LISTING_LIMIT_MAX) limit = LISTING_LIMIT_MAX;
  for (size_t i = 0; i < list->n_where; i++) {
    where[i] = (struct property){.name = list->where[i]->name, .value = list->where[i]->value};
  }
  sessions->store->ops->list(sessions->store,
                             &(struct store_list){.kind = list->kind,
                                                  .where = where,
                                                  .n_where = list->n_where,
                                                  .joinable = list->joinable,
                                                  .limit = limit,
                                                  .after = list->after},
                             on_rows, listing);
}

void listing_start(struct session *session, uint32_t request, const Heya__V1__List *list) {
  struct sessions *sessions = session->sessions;
  if (!kind_is_valid(list->kind, strlen(list->kind))) {
    session_refuse(session, request, &(struct refusal){.code = CODE(UNKNOWN_KIND)});
    return;
  }
  const char *fault = fault_of(list);
  if (fault) {
    session_refuse(session, request, &(struct refusal){.code = CODE(BAD_MESSAGE), .text = fault});
    return;
  }
  if (session->lists >= SESSION_LISTS_MAX || sessions->n_lists >= LISTING_TOTAL_MAX) {
    session_refuse(session, request, &(struct refusal){.code = CODE(BUSY), .retry_after_ms = UPLINK_RETRY_AFTER_MS});
    return;
  }
  struct listing *listing = xcalloc(1, sizeof *listing);
  *listing = (struct listing){.sessions = sessions, .conn = session->number, .request = request};
  DL_APPEND(sessions->lists, listing);
  sessions->n_lists++;
  session->lists++;
  sessions->metrics->lists++;
  ask_store(session, listing, list);
}

void listing_close(struct sessions *sessions) {
  struct listing *listing, *next;
  DL_FOREACH_SAFE(sessions->lists, listing, next) {
    DL_DELETE(sessions->lists, listing);
    free(listing);
  }
}
