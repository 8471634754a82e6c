/* See gateway/listing.h. */
#include "gateway/listing.h"

#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/list_query.h"
#include "gateway/listed.h"
#include "gateway/session.h"
#include "gateway/uplink.h"
#include "proto/pb.h"
#include "proto/utf8.h"

#include <string.h>
#include <utlist.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

_Static_assert(LISTING_LIMIT_MAX < SHORTLIST_MAX, "a page, and one more room");

/* One that is not answered yet: the store has been asked for a page. */
struct listing {
  struct listing *prev, *next; /* in sessions->lists */
  struct sessions *sessions;
  uint64_t conn;
  uint32_t request;
  uint64_t examined; /* rooms looked at so far */
  bool incomplete;   /* there are some that could not be */
  struct list_query query;
  struct shortlist found; /* with a sort one more than asked for, to know whether there is another page */
};

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

/* The arena of answers has no limit. */
static Heya__V1__RoomInfo *room_info(struct arena *arena, const struct store_list_row *row) {
  Heya__V1__RoomInfo *info = arena_alloc(arena, sizeof *info);
  heya__v1__room_info__init(info);
  info->room = pb_text(row->room);
  info->status = status_of(row->status);
  info->host = pb_text(row->host);
  info->members = row->members;
  info->max_members = row->max_members;
  info->kept = row->kept;
  info->title = pb_text(row->title);
  info->password = row->password;
  info->spectators = row->spectators;
  info->properties = arena_alloc(arena, row->n_properties * sizeof(Heya__V1__Property *));
  for (size_t i = 0; i < row->n_properties; i++) {
    Heya__V1__Property *property = arena_alloc(arena, sizeof *property);
    heya__v1__property__init(property);
    property->name = pb_text(row->properties[i].name);
    property->value = pb_text(row->properties[i].value);
    info->properties[info->n_properties++] = property;
  }
  return info;
}

static void answer_rooms(struct session *session, const struct listing *listing, const char *after, bool partial) {
  struct arena *arena = &session->sessions->out;
  Heya__V1__Rooms body = HEYA__V1__ROOMS__INIT;
  body.rooms = arena_alloc(arena, listing->found.n * sizeof(Heya__V1__RoomInfo *));
  for (size_t i = 0; i < listing->found.n; i++)
    body.rooms[body.n_rooms++] = room_info(arena, &listing->found.rooms[i]->row);
  body.after = pb_text(after);
  body.partial = partial;
  body.incomplete = listing->incomplete;
  Heya__V1__ServerMessage answer = HEYA__V1__SERVER_MESSAGE__INIT;
  answer.request = listing->request;
  answer.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ROOMS;
  answer.rooms = &body;
  session_send(session, &answer);
}

/* All rooms were looked at, or as many as may be (`partial`). */
static void answer_sorted(struct session *session, struct listing *listing, bool partial) {
  char after[ORDER_CURSOR_BYTES] = "";
  uint32_t limit = listing->query.limit;
  if (listing->found.n > limit)
    order_cursor_print(&listing->query.order, &listing->found.rooms[limit - 1]->place, after);
  shortlist_cut(&listing->found, limit);
  answer_rooms(session, listing, after, partial);
}

/* `rest` is where the store would go on; "" at the end. */
static void answer_unsorted(struct session *session, struct listing *listing, const char *rest) {
  answer_rooms(session, listing, rest, rest[0] && listing->found.n < listing->query.limit);
}

static void refuse(struct session *session, uint32_t request, Heya__V1__Error__Code code) {
  uint32_t retry_after_ms = code == CODE(BUSY) ? UPLINK_RETRY_AFTER_MS : 0;
  session_refuse(session, request, &(struct refusal){.code = code, .retry_after_ms = retry_after_ms});
}

/* ---- pages of the store ---- */

static void end(struct listing *listing, struct session *session) {
  struct sessions *sessions = listing->sessions;
  DL_DELETE(sessions->lists, listing);
  sessions->n_lists--;
  if (listing->query.scans) sessions->n_scans--;
  if (session) session->lists--;
  if (session && listing->query.scans) session->scans = false;
  shortlist_cut(&listing->found, 0);
  free(listing);
}

/* Takes what matches. True when an unsorted listing has its fill: `rest` is then where the next one begins. */
static bool take_rows(struct listing *listing, const struct store_list_page *page, char rest[LISTING_AFTER_MAX + 1]) {
  const struct list_query *query = &listing->query;
  bool sorted = query->order.n > 0;
  for (size_t i = 0; i < page->n; i++) {
    struct listed room;
    struct order_place place;
    if (!listed_read(&room, query->kind, &page->rows[i]) || !filter_matches(&query->filter, &room.facts)) continue;
    order_place_of(&query->order, &room.facts, room.row.created_ms, &room.room, &place);
    if (query->has_begin && order_compare(&query->order, &place, &query->begin) <= 0) continue;
    shortlist_offer(&listing->found, sorted ? query->limit + 1 : query->limit, &query->order, &place, &room);
    if (sorted || listing->found.n < query->limit || i + 1 == page->n) continue;
    list_query_position(&page->rows[i], rest);
    return true;
  }
  return !sorted && listing->found.n >= query->limit;
}

/* Where the store goes on is text of Redis's: what could not be asked for is taken as the end. */
static const char *rest_of(const struct store_list_page *page) {
  size_t len = strlen(page->after);
  return len <= LISTING_AFTER_MAX && utf8_is_text(page->after, len, UTF8_ONE_LINE) ? page->after : "";
}

static bool may_go_on(const struct listing *listing) {
  return listing->examined < (listing->query.scans ? LISTING_SCAN_EXAMINED_MAX : LISTING_PLAIN_EXAMINED_MAX);
}

static void ask_store(struct listing *listing);

static void on_rows(struct session *session, struct listing *listing, const struct store_list_page *page) {
  char rest[LISTING_AFTER_MAX + 1];
  listing->examined += page->examined;
  listing->incomplete = listing->incomplete || page->incomplete;
  listing->sessions->metrics->list_examined += page->examined;
  snprintf(rest, sizeof rest, "%s", rest_of(page));
  bool full = take_rows(listing, page, rest);
  if (!full && rest[0] && page->examined > 0 && may_go_on(listing)) {
    memcpy(listing->query.after, rest, sizeof rest);
    ask_store(listing);
    return;
  }
  if (listing->query.order.n > 0) {
    answer_sorted(session, listing, rest[0] != '\0');
  } else {
    answer_unsorted(session, listing, rest);
  }
  end(listing, session);
}

static void on_page(void *arg, enum store_result result, const struct store_list_page *page) {
  struct listing *listing = arg;
  struct session *session = sessions_find(listing->sessions, listing->conn);
  if (result == STORE_OK && session && !session->ended) {
    on_rows(session, listing, page);
    return;
  }
  if (session && result != STORE_OK)
    refuse(session, listing->request, result == STORE_LOST || result == STORE_FULL ? CODE(BUSY) : CODE(INTERNAL));
  end(listing, session);
}

static void ask_store(struct listing *listing) {
  struct store *store = listing->sessions->store;
  struct property where[LISTING_WHERE_MAX];
  uint32_t wanted = listing->query.limit - (uint32_t)listing->found.n; /* of a plain one, which is not full yet */
  uint32_t limit = listing->query.scans ? LISTING_SCAN_ROWS : wanted;
  struct store_list question = list_query_ask(&listing->query, limit, where);
  store->ops->list(store, &question, on_page, listing);
}

/* ---- the question ---- */

static bool is_busy(const struct session *session, bool scans) {
  const struct sessions *sessions = session->sessions;
  if (session->lists >= SESSION_LISTS_MAX || sessions->n_lists >= LISTING_TOTAL_MAX) return true;
  return scans && (session->scans || sessions->n_scans >= LISTING_SCANS_MAX);
}

static void start(struct session *session, struct listing *listing) {
  struct sessions *sessions = session->sessions;
  DL_APPEND(sessions->lists, listing);
  sessions->n_lists++;
  session->lists++;
  if (listing->query.scans) {
    sessions->n_scans++;
    session->scans = true;
  }
  sessions->metrics->lists++;
  ask_store(listing);
}

void listing_start(struct session *session, uint32_t request, const Heya__V1__List *list) {
  char fault[LIST_FAULT_BYTES];
  if (!kind_is_valid(list->kind, strlen(list->kind))) {
    refuse(session, request, CODE(UNKNOWN_KIND));
    return;
  }
  struct listing *listing = xcalloc(1, sizeof *listing);
  listing->sessions = session->sessions;
  listing->conn = session->number;
  listing->request = request;
  if (!list_query_read(&listing->query, list, fault)) {
    session_refuse(session, request, &(struct refusal){.code = CODE(BAD_MESSAGE), .text = fault});
    free(listing);
  } else if (is_busy(session, listing->query.scans)) {
    refuse(session, request, CODE(BUSY));
    free(listing);
  } else {
    start(session, listing);
  }
}

void listing_close(struct sessions *sessions) {
  struct listing *listing, *next;
  DL_FOREACH_SAFE(sessions->lists, listing, next) end(listing, NULL);
}
