/* Listings with a filter, a sort and pages, by a session on a fake store that answers from an index of rooms which
 * come and go between pages: as heya1_list does (proto/heya.lua), newest first. */
#include "gateway/listing.h"
#include "proto/pb.h"
#include "tests/support/fake_gateway.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define ROOMS_MAX  8000
#define SEEN_MAX   8000

struct room {
  char id[32], level[16];
  uint64_t created_ms;
  uint32_t members;
  bool gone;
  struct property properties[1];
};

static struct fake_gateway world;
static struct fake_client *ann;
static struct room rooms[ROOMS_MAX]; /* the newest last */
static size_t n_rooms;
static unsigned calls; /* of the store, by the last request */

static void start(void) {
  static const struct gateway_config base = FAKE_GATEWAY_CONFIG;
  struct gateway_config config = base;
  config.sessions.rate_per_s = 0;
  fake_gateway_create(&world, &config);
  fake_gateway_open(&world);
  ann = fake_gateway_client(&world, "ann");
  n_rooms = 0;
}

static void stop(void) {
  fake_client_free(ann);
  fake_gateway_destroy(&world);
}

TestSuite(listing, .init = start, .fini = stop);

/* Four rooms of each millisecond. `level` "": it has none. */
static void add(const char *level, uint32_t members) {
  struct room *room = &rooms[n_rooms];
  *room = (struct room){.created_ms = 1000 + n_rooms / 4, .members = members};
  snprintf(room->id, sizeof room->id, "live/r%05zu", n_rooms++);
  snprintf(room->level, sizeof room->level, "%s", level);
  room->properties[0] = (struct property){"level", room->level};
}

static void add_many(size_t n) {
  char level[16];
  for (size_t i = 0; i < n; i++) {
    snprintf(level, sizeof level, "%zu", i * 7919 % 97);
    add(i % 10 == 3 ? "" : level, (uint32_t)(i % 4) + 1);
  }
}

/* ---- the store ---- */

static bool is_behind(const struct room *room, const char *after) {
  unsigned long long created_ms = 0;
  char id[64] = "";
  if (sscanf(after, "%llu %63s", &created_ms, id) != 2) return true;
  return room->created_ms != created_ms ? room->created_ms < created_ms : strcmp(room->id, id) < 0;
}

static void answer_call(void) {
  struct store_list_row rows[512];
  char after[64] = "", asked[256];
  size_t n = 0;
  uint32_t limit = world.store->list.limit;
  snprintf(asked, sizeof asked, "%s", world.store->list.after);
  for (size_t i = n_rooms; i-- > 0;) {
    const struct room *room = &rooms[i];
    if (room->gone || !is_behind(room, asked)) continue;
    if (n == limit) {
      snprintf(after, sizeof after, "%llu %s", (unsigned long long)rows[n - 1].created_ms, rows[n - 1].room);
      break;
    }
    rows[n++] = (struct store_list_row){.room = room->id,
                                        .status = "open",
                                        .host = "bob",
                                        .members = room->members,
                                        .max_members = 4,
                                        .created_ms = room->created_ms,
                                        .properties = room->properties,
                                        .n_properties = room->level[0] ? 1 : 0};
  }
  calls++;
  fake_store_list(world.store, STORE_OK, rows, n, after);
}

/* ---- the client ---- */

static void ask(const char *filter, const char *sort, const char *after, uint32_t limit) {
  Heya__V1__List body = HEYA__V1__LIST__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  body.kind = pb_text("live");
  body.filter = pb_text(filter);
  body.sort = pb_text(sort);
  body.after = pb_text(after);
  body.limit = limit;
  message.request = 5;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LIST;
  message.list = &body;
  fake_client_say(ann, &message);
}

/* Valid until the next message is heard. */
static const Heya__V1__Rooms *list(const char *filter, const char *sort, const char *after, uint32_t limit) {
  ask(filter, sort, after, limit);
  calls = 0;
  while (world.store->list.n) answer_call();
  const Heya__V1__ServerMessage *answer = fake_client_hear(ann);
  cr_assert(answer && answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ROOMS, "no rooms");
  cr_assert_eq(answer->request, 5);
  return answer->rooms;
}

static void shows(const Heya__V1__Rooms *found, const char *expected) {
  char text[1024] = "";
  for (size_t i = 0; i < found->n_rooms; i++) {
    strcat(text, found->rooms[i]->room + strlen("live/r"));
    strcat(text, " ");
  }
  cr_assert_str_eq(text, expected);
}

/* All pages of `limit`, `between` being called after each. How often each room was shown. */
static void page_through(const char *filter, const char *sort, uint32_t limit, void (*between)(void), unsigned *seen,
                         size_t *order) {
  char after[1024] = "";
  size_t n = 0;
  memset(seen, 0, ROOMS_MAX * sizeof *seen);
  do {
    const Heya__V1__Rooms *found = list(filter, sort, after, limit);
    cr_assert(found->n_rooms <= limit);
    for (size_t i = 0; i < found->n_rooms; i++) {
      size_t room = strtoul(found->rooms[i]->room + strlen("live/r"), NULL, 10);
      cr_assert(n < SEEN_MAX);
      if (order) order[n] = room;
      n++;
      seen[room]++;
    }
    snprintf(after, sizeof after, "%s", found->after);
    if (between) between();
  } while (after[0]);
}

/* ---- the tests ---- */

Test(listing, a_filter_is_looked_for_page_by_page_until_the_answer_is_full) {
  for (int i = 0; i < 1000; i++) add(i % 100 == 5 ? "50" : "1", 1);
  const Heya__V1__Rooms *found = list("level >= 50", "", "", 3);
  shows(found, "00905 00805 00705 ");
  cr_assert_eq(calls, 3);
  cr_assert_not(found->partial);
  found = list("level >= 50", "", found->after, 100);
  cr_assert_eq(found->n_rooms, 7);
  cr_assert_str_eq(found->after, "");
  cr_assert_not(found->partial);
}

Test(listing, a_kept_seat_is_not_free) {
  struct store_list_row row = {
      .room = "live/a", .status = "open", .host = "bob", .members = 2, .max_members = 5, .kept = 2};
  ask("free == 1", "", "", 0);
  fake_store_list(world.store, STORE_OK, &row, 1, "");
  const Heya__V1__Rooms *found = fake_client_hear(ann)->rooms;
  cr_assert(found->n_rooms == 1 && found->rooms[0]->kept == 2);
  row.kept = UINT32_MAX; /* Redis may say anything */
  ask("free == 0", "", "", 0);
  fake_store_list(world.store, STORE_OK, &row, 1, "");
  cr_assert_eq(fake_client_hear(ann)->rooms->n_rooms, 1);
}

Test(listing, what_players_look_for_can_be_filtered_and_sorted) {
  struct store_list_row rows[] = {
      {.room = "live/r00000", .status = "open", .host = "bob", .title = "late show", .spectators = 3},
      {.room = "live/r00001", .status = "locked", .host = "bob", .title = "an evening", .password = true},
      {.room = "live/r00002", .status = "open", .host = "bob", .title = "", .spectators = 12}};
  static const char *const asked[][3] = {{"password == 0", "", "00000 00002 "},
                                         {"password == 1 and locked == 1", "", "00001 "},
                                         {"locked == 0", "-spectators", "00002 00000 "},
                                         {"title == 'late show'", "", "00000 "},
                                         {"title != 'late show'", "", "00001 "},
                                         {"spectators >= 3", "", "00000 00002 "},
                                         {"", "title", "00001 00000 00002 "},
                                         {"", "-password,title", "00001 00000 00002 "}};
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    ask(asked[i][0], asked[i][1], "", 0);
    fake_store_list(world.store, STORE_OK, rows, 3, "");
    shows(fake_client_hear(ann)->rooms, asked[i][2]);
  }
}

Test(listing, without_filter_and_sort_the_store_is_asked_for_no_more_than_wanted) {
  add_many(300);
  const Heya__V1__Rooms *found = list("", "", "", 100);
  cr_assert_eq(found->n_rooms, 100);
  cr_assert_eq(calls, 1);
  cr_assert_str_eq(found->after, "1050 live/r00200");
}

/* As with `where`, by which the store leaves out rooms that it examined. */
Test(listing, short_pages_of_the_store_make_one_answer) {
  struct store_list_row row = {.room = "live/b", .status = "open", .host = "bob", .created_ms = 9};
  ask("", "", "", 3);
  fake_store_list(world.store, STORE_OK, &row, 1, "9 live/b");
  cr_assert_eq(world.store->list.limit, 2);
  cr_assert_str_eq(world.store->list.after, "9 live/b");
  row.room = "live/a";
  fake_store_list(world.store, STORE_OK, &row, 1, "9 live/a");
  fake_store_list(world.store, STORE_OK, NULL, 0, "");
  const Heya__V1__Rooms *found = fake_client_hear(ann)->rooms;
  cr_assert_eq(found->n_rooms, 2);
  cr_assert_str_eq(found->rooms[1]->room, "live/a");
  cr_assert(found->after[0] == '\0' && !found->partial);
}

Test(listing, a_store_that_does_not_get_on_is_not_asked_for_ever) {
  struct store_list_row rows[100];
  for (size_t i = 0; i < 100; i++)
    rows[i] = (struct store_list_row){.room = "live/a:b", .status = "open", .host = ""};
  ask("", "", "", 0);
  for (calls = 0; world.store->list.n; calls++) fake_store_list(world.store, STORE_OK, rows, 100, "9 live/a:b");
  cr_assert_eq(calls, LISTING_PLAIN_EXAMINED_MAX / 100);
  const Heya__V1__Rooms *found = fake_client_hear(ann)->rooms;
  cr_assert(found->partial && strcmp(found->after, "9 live/a:b") == 0);
  ask("", "", "", 0);
  fake_store_list(world.store, STORE_OK, NULL, 0, "9 live/a:b");
  cr_assert(fake_client_hear(ann)->rooms->partial, "nothing examined");
}

Test(listing, a_filter_that_finds_little_stops_and_says_where_to_go_on) {
  unsigned requests = 0;
  char after[64] = "";
  for (int i = 0; i < ROOMS_MAX; i++) add(i == 10 ? "50" : "1", 1);
  for (;; requests++) {
    const Heya__V1__Rooms *found = list("level == 50", "", after, 1);
    cr_assert(calls <= LISTING_SCAN_EXAMINED_MAX / LISTING_SCAN_ROWS);
    if (found->n_rooms) break;
    cr_assert(found->partial && found->after[0]);
    snprintf(after, sizeof after, "%s", found->after);
  }
  cr_assert_eq(requests, 1);
}

Test(listing, a_sort_shows_the_first_of_all_rooms) {
  static const char *const levels[] = {"3", "10", "x", "", "10.0", "-1", "3", "9"};
  for (int i = 0; i < 8; i++) add(levels[i], (uint32_t)i % 4 + 1);
  shows(list("", "level", "", 0), "00005 00006 00000 00007 00004 00001 00002 00003 ");
  shows(list("", "-level", "", 0), "00002 00004 00001 00007 00006 00000 00005 00003 ");
  shows(list("level > 0", "-members,level", "", 0), "00007 00006 00001 00000 00004 ");
  shows(list("", "free,-created_ms", "", 3), "00007 00003 00006 ");
}

Test(listing, a_sort_over_too_many_rooms_looks_at_the_newest) {
  for (int i = 0; i < ROOMS_MAX; i++) add(i == 10 || i == ROOMS_MAX - 4000 ? "50" : "1", 1);
  const Heya__V1__Rooms *found = list("", "-level", "", 2);
  shows(found, "04000 07999 ");
  cr_assert(found->partial);
  cr_assert_eq(calls, LISTING_SCAN_EXAMINED_MAX / LISTING_SCAN_ROWS);
}

Test(listing, pages_together_show_each_match_once_and_in_order) {
  static unsigned seen[ROOMS_MAX];
  static size_t order[SEEN_MAX], again[SEEN_MAX];
  static const char *const sorts[] = {"", "level", "-level,members", "members,-level,created_ms,name"};
  add_many(1000);
  for (size_t s = 0; s < sizeof sorts / sizeof *sorts; s++) {
    for (uint32_t limit = 7; limit <= 100; limit += 31) {
      page_through("members < 4", sorts[s], limit, NULL, seen, limit == 7 ? order : again);
      for (size_t i = 0; i < n_rooms; i++) cr_assert_eq(seen[i], rooms[i].members < 4, "%s: %zu", sorts[s], i);
      if (limit > 7) cr_assert_arr_eq(order, again, 750 * sizeof *order, "%s", sorts[s]);
    }
  }
}

/* A new room, a room gone, a room changed: with each page. Of those with index 0 mod 3 none changes. */
static void churn(void) {
  static unsigned turn;
  char level[16];
  for (int i = 0; i < 20; i++) {
    struct room *room = &rooms[(++turn * 7919u) % n_rooms];
    size_t index = (size_t)(room - rooms);
    if (index % 3 == 1) room->gone = true;
    snprintf(level, sizeof level, "%u", turn % 97);
    if (index % 3 == 2) memcpy(room->level, level, sizeof level);
    if (n_rooms < 3000) add(level, 1);
  }
}

Test(listing, pages_neither_repeat_nor_skip_rooms_that_stay_while_others_come_and_go) {
  static unsigned seen[ROOMS_MAX];
  static const char *const sorts[] = {"", "level", "-level", "-members,level", "name"};
  for (size_t s = 0; s < sizeof sorts / sizeof *sorts; s++) {
    n_rooms = 0;
    add_many(1200);
    page_through("", sorts[s], 13, churn, seen, NULL);
    for (size_t i = 0; i < 1200; i += 3)
      cr_assert_eq(seen[i], 1, "%s: room %zu is shown %u times", sorts[s], i, seen[i]);
  }
}

/* Its cursor is behind a room that is not there any more. */
Test(listing, a_page_goes_on_behind_a_room_that_is_gone) {
  for (int i = 0; i < 6; i++) add("5", 1);
  const Heya__V1__Rooms *found = list("level == 5", "level", "", 2);
  shows(found, "00005 00004 ");
  rooms[4].gone = rooms[3].gone = true;
  shows(list("level == 5", "level", found->after, 2), "00002 00001 ");
}

static void refused(const char *filter, const char *sort, const char *after, const char *text) {
  ask(filter, sort, after, 0);
  cr_assert_eq(world.store->list.n, 0, "%s", text);
  cr_assert_str_eq(fake_client_hears_error(ann, 5, CODE(BAD_MESSAGE))->message, text);
}

Test(listing, what_does_not_parse_is_refused_with_the_place) {
  char longest[700];
  memset(longest, 'A', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  refused("level ==", "", "", "filter: at 8: expected a value after ==");
  refused(longest, "", "", "filter: at 512: longer than 512 bytes");
  refused("", "level,", "", "sort: at 6: expected a name, or - and a name");
  refused("", "", "x", "after: not from an earlier answer of this listing");
  refused("", "", "12", "after: not from an earlier answer of this listing");
  refused("", "", "123456789012345678901 live/a", "after: not from an earlier answer of this listing");
  refused("", "level", "12 live/a", "after: not from an earlier answer of this listing");
  refused("", "level", longest, "after: not from an earlier answer of this listing");
  refused("", "", longest, "after: not from an earlier answer of this listing");
}

Test(listing, a_cursor_is_good_for_its_sort_only) {
  char after[512];
  for (int i = 0; i < 4; i++) add("5", 1);
  snprintf(after, sizeof after, "%s", list("", "level", "", 2)->after);
  refused("", "-level", after, "after: not from an earlier answer of this listing");
  refused("", "", after, "after: not from an earlier answer of this listing");
  cr_assert_eq(list("", "level", after, 2)->n_rooms, 2);
}

Test(listing, of_one_connection_one_at_a_time_may_have_a_filter_or_a_sort) {
  ask("free > 0", "", "", 0);
  ask("", "level", "", 0);
  fake_client_hears_error(ann, 5, CODE(BUSY));
  ask("", "", "", 0);
  cr_assert_eq(world.store->list.n, 2);
  fake_store_list(world.store, STORE_OK, NULL, 0, "");
  cr_assert_not_null(fake_client_hear(ann));
  ask("", "level", "", 0);
  cr_assert_eq(world.store->list.n, 2);
  fake_store_set_ready(world.store, false);
  fake_client_hears_error(ann, 5, CODE(BUSY));
  fake_client_hears_error(ann, 5, CODE(BUSY));
}

Test(listing, of_a_gateway_some_at_a_time_may_have_a_filter_or_a_sort) {
  struct fake_client *others[LISTING_SCANS_MAX], *eve = ann;
  for (int i = 0; i < LISTING_SCANS_MAX; i++) {
    ann = others[i] = fake_gateway_client(&world, "bob");
    ask("", "level", "", 0);
  }
  ann = eve;
  ask("", "level", "", 0);
  fake_client_hears_error(ann, 5, CODE(BUSY));
  for (int i = 0; i < LISTING_SCANS_MAX; i++) fake_client_free(others[i]);
  while (world.store->list.n) answer_call();
  list("", "level", "", 0);
}

Test(listing, ends_between_pages_when_the_client_or_the_store_is_gone) {
  struct fake_client *first = ann;
  add_many(1000);
  ask("", "level", "", 0);
  answer_call();
  cr_assert_eq(world.store->list.n, 1, "there is more");
  fake_store_list(world.store, STORE_LOST, NULL, 0, NULL);
  fake_client_hears_error(ann, 5, CODE(BUSY));
  ask("", "level", "", 0);
  answer_call();
  fake_client_close(first);
  answer_call();
  cr_assert_eq(world.store->list.n, 0, "nobody waits for it");
  ann = fake_gateway_client(&world, "eve");
  ask("", "level", "", 0);
  answer_call(); /* and is never answered again */
  fake_client_free(first);
}

Test(listing, rows_that_make_no_sense_are_left_out) {
  struct property many[40];
  for (size_t i = 0; i < 40; i++) many[i] = (struct property){i % 2 ? "level" : "Bad", "7"};
  struct store_list_row rows[] = {
      {.room = "live/a",
       .status = "open, or so it is said",
       .host = "\xff",
       .title = "two\nlines",
       .properties = many,
       .n_properties = 40},
      {.room = "chat/b", .status = "open", .host = "bob", .properties = many, .n_properties = 40},
      {.room = "live/c:members", .status = "open", .host = "bob", .properties = many, .n_properties = 40}};
  ask("level == 7", "host", "", 0);
  fake_store_list(world.store, STORE_OK, rows, 3, "");
  const Heya__V1__Rooms *found = fake_client_hear(ann)->rooms;
  cr_assert_eq(found->n_rooms, 1);
  cr_assert_str_eq(found->rooms[0]->host, "");
  cr_assert_str_eq(found->rooms[0]->title, "");
  cr_assert_eq(found->rooms[0]->status, HEYA__V1__STATUS__CLOSED);
  cr_assert_eq(found->rooms[0]->n_properties, 20); /* and the cap is 24 */
}
