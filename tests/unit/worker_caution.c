/* Promises of a worker that takes over where owners died in a row: it notes each step in Redis before it makes it,
 * and commits after each entry; what others do is not its business. */
#include "tests/support/worker_store.h"
#include "worker/image.h"
#include "worker/worker.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ME "w-me"
#define P  0 /* the partition under suspicion */

static struct worker_store *store;
static struct worker *worker;
static struct worker_metrics metrics;
static struct kind_registry kinds;

/* Kind `k` remembers its last call, and asks for a timer. */
static char last_call[64];
static uint32_t timer_after_ms;

static kind_code k_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return HEYA__V1__ERROR__CODE__OK;
}
static kind_code k_join(struct room *room, struct member *member, struct kind_reply *reply) {
  (void)reply;
  snprintf(last_call, sizeof last_call, "join %s", member_player(member));
  if (timer_after_ms) room_timer_set(room, 1, room_time_ms(room) + timer_after_ms);
  return HEYA__V1__ERROR__CODE__OK;
}
static kind_code k_command(struct room *room, struct member *member, struct bytes payload, struct kind_reply *reply) {
  (void)room, (void)member, (void)payload, (void)reply;
  return HEYA__V1__ERROR__CODE__OK;
}
static void k_timer(struct room *room, uint32_t id) {
  (void)room, (void)id;
  snprintf(last_call, sizeof last_call, "timer");
}
static unsigned saves;
static void k_save(struct room *room, struct buf *out) {
  (void)room, (void)out;
  saves++;
}
static bool k_load(struct room *room, struct bytes state) {
  (void)state;
  snprintf(last_call, sizeof last_call, "load %s", room_id(room));
  return true;
}
static void k_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)room, (void)viewer, (void)out;
}

static const struct kind k = {
    .abi = KIND_ABI,
    .name = "k",
    .max_members = 8,
    .max_members_limit = 8,
    .empty_ms = 10000,
    .away_ms = 30000,
    .state_size = 1,
    .open = k_open,
    .join = k_join,
    .command = k_command,
    .timer = k_timer,
    .save = k_save,
    .load = k_load,
    .snapshot = k_snapshot,
};

static void setup(void) {
  struct worker_config config = {.id = ME, .version = "1", .partitions = STORE_PARTITIONS, .lease_ms = 3000};
  store = worker_store_create();
  metrics = (struct worker_metrics){0};
  kind_registry_init(&kinds);
  kind_registry_add(&kinds, &k);
  worker = worker_create(&config, (struct store *[]){&store->store}, &kinds, &metrics, NULL);
  store->workers[0] = (struct store_worker){.id = ME};
  store->n_workers = 1;
}
static void teardown(void) {
  worker_destroy(worker);
  worker_store_destroy(store);
}
TestSuite(caution, .init = setup, .fini = teardown);

/* ---- steps ---- */

static uint32_t others_deaths; /* of owners of the other partitions */

static void see(void) {
  for (int i = 0; !store->renew.callback; i++) {
    cr_assert(i < 100, "no renewal in a long time");
    store->now_ms += 25;
    store->now_us += 25000;
    worker_turn(worker);
  }
  worker_store_view(store);
  worker_turn(worker);
}

/* The claims are granted; so many owners of the partition under suspicion died, and `tail` waits in it. */
static void claim_after(uint32_t deaths, struct stream_id tail) {
  worker_turn(worker);
  worker_store_init(store, STORE_OK, NULL);
  worker_turn(worker);
  see();
  store->found[P] = (struct store_claimed){.deaths = deaths, .tail = tail};
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    if (p != P) store->found[p] = (struct store_claimed){.deaths = others_deaths, .tail = tail};
    worker_store_grant(store, p, ME, (struct stream_id){5, 0});
    if (p != P) worker_store_loaded(store, p, STORE_OK);
  }
}

static void turn_read(void) {
  worker_turn(worker);
  if (!worker->shards[0].wake_wanted || !store->read.callback) return;
  worker_store_read(store, STORE_OK, NULL, 0);
  worker_turn(worker);
}

static void load_nothing(void) {
  worker_store_loaded(store, P, STORE_OK);
  turn_read();
}

static bool reads(uint32_t p) {
  for (size_t i = 0; i < store->read.n; i++) {
    if (store->read.positions[i].partition == p) return true;
  }
  return false;
}

/* The n-th room "k/<number>" of a partition. */
static const char *room_of(uint32_t p, unsigned n) {
  static char rooms[16][16];
  static unsigned next;
  char *room = rooms[next++ % 16];
  for (unsigned i = 0;; i++) {
    int len = snprintf(room, 16, "k/%u", i);
    if (room_partition(room, (size_t)len, STORE_PARTITIONS) == p && n-- == 0) return room;
  }
}

/* An entry with a join for each of these rooms. */
struct told {
  struct store_entry entry;
  uint8_t bytes[512];
};

static void tell_joins(struct told *told, uint32_t p, uint64_t ms, const char *const *rooms, size_t n) {
  Heya__Bus__Batch batch = HEYA__BUS__BATCH__INIT;
  Heya__Bus__Entry entries[4], *pointers[4];
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  char texts[4][2][32];
  join.mode = HEYA__BUS__MODE__JOIN_OR_CREATE;
  for (size_t i = 0; i < n; i++) {
    heya__bus__entry__init(&entries[i]);
    snprintf(texts[i][0], 32, "%s", rooms[i]);
    snprintf(texts[i][1], 32, "p%u", (unsigned)(ms % 1000 * 10 + i));
    entries[i].room = texts[i][0];
    entries[i].player = texts[i][1];
    entries[i].conn = i + 1;
    entries[i].body_case = HEYA__BUS__ENTRY__BODY_JOIN;
    entries[i].join = &join;
    pointers[i] = &entries[i];
  }
  batch.n_entries = n;
  batch.entries = pointers;
  told->entry = (struct store_entry){.partition = p, .id = {ms, 0}, .sender = bytes_of_str("g-1")};
  told->entry.batch = bytes_of(told->bytes, heya__bus__batch__pack(&batch, told->bytes));
}

static void expect_note(const char *room, uint64_t ms, uint32_t index) {
  const struct store_blame *blame = &store->blame[P].blame;
  cr_assert(store->blame[P].callback, "no note");
  cr_assert_str_eq(blame->room, room);
  cr_assert_eq(blame->entry.ms, ms);
  cr_assert_eq(blame->index, index, "index %u", blame->index);
  cr_assert_not(blame->sure);
}

static void commit(void) {
  worker_turn(worker);
  worker_store_commit(store, STORE_OK, NULL);
  turn_read();
}

/* ---- entries ---- */

Test(caution, one_death_is_no_reason) {
  struct told told;
  const char *rooms[] = {room_of(P, 0)};
  claim_after(1, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(&told, P, 1000000, rooms, 1);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  cr_assert_eq(store->blame[P].count, 0);
  cr_assert_str_eq(last_call, "join p0");
}

Test(caution, each_entry_is_noted_before_it_is_applied) {
  struct told told;
  const char *rooms[] = {room_of(P, 0), room_of(P, 1), room_of(P, 0)};
  claim_after(2, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(&told, P, 1000000, rooms, 3);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  for (uint32_t i = 0; i < 3; i++) {
    char before[64], expected[64];
    snprintf(before, sizeof before, "%s", last_call);
    snprintf(expected, sizeof expected, "join p%u", i);
    expect_note(rooms[i], 1000000, i);
    worker_turn(worker);
    cr_assert_str_eq(last_call, before);
    cr_assert_null(store->commit.callback, "half an entry is committed");
    unsigned saved = saves;
    worker_store_blame(store, P, STORE_OK);
    cr_assert_str_eq(last_call, expected);
    cr_assert_eq(saves, saved + 1, "it is not saved while the note stands");
  }
  cr_assert_null(store->blame[P].callback);
  commit();
  cr_assert_eq(store->segments[P].done.ms, 1000000);
}

Test(caution, each_stream_entry_is_committed_before_the_next_is_taken) {
  struct told told[2];
  const char *rooms[] = {room_of(P, 0)};
  claim_after(2, (struct stream_id){1000001, 0});
  load_nothing();
  tell_joins(&told[0], P, 1000000, rooms, 1);
  tell_joins(&told[1], P, 1000001, rooms, 1);
  struct store_entry both[] = {told[0].entry, told[1].entry};
  worker_store_read(store, STORE_OK, both, 2);
  expect_note(rooms[0], 1000000, 0);
  worker_store_blame(store, P, STORE_OK);
  cr_assert_null(store->blame[P].callback);
  worker_turn(worker);
  cr_assert(store->commit.callback);
  cr_assert_not(reads(P), "it is read before its commit");
  commit();
  cr_assert(reads(P));
  cr_assert_eq(store->segments[P].done.ms, 1000000);
  for (size_t i = 0; i < store->read.n; i++) {
    if (store->read.positions[i].partition == P) cr_assert_eq(store->read.positions[i].after.ms, 1000000);
  }
  worker_store_read(store, STORE_OK, &both[1], 1);
  expect_note(rooms[0], 1000001, 0);
  worker_store_blame(store, P, STORE_OK);
  commit();
  cr_assert_eq(store->segments[P].done.ms, 1000001);
}

Test(caution, ends_when_what_waited_is_committed) {
  struct told told;
  const char *rooms[] = {room_of(P, 0)};
  claim_after(2, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(&told, P, 1000000, rooms, 1);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  worker_store_blame(store, P, STORE_OK);
  commit();
  tell_joins(&told, P, 1000002, rooms, 1);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  cr_assert_null(store->blame[P].callback);
  cr_assert_str_eq(last_call, "join p20");
}

Test(caution, other_partitions_are_not_slowed_down) {
  struct told told[2];
  const char *rooms[] = {room_of(P, 0)}, *others[] = {room_of(P + 1, 0)};
  claim_after(2, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(&told[0], P, 1000000, rooms, 1);
  worker_store_read(store, STORE_OK, &told[0].entry, 1);
  worker_turn(worker);
  cr_assert(reads(P + 1) && !reads(P));
  tell_joins(&told[1], P + 1, 1000000, others, 1);
  worker_store_read(store, STORE_OK, &told[1].entry, 1);
  worker_turn(worker);
  cr_assert_eq(store->commit.n, 1);
  cr_assert_eq(store->segments[P + 1].done.ms, 1000000);
  cr_assert_eq(store->segments[P].count, 0);
}

/* Or the death that one room causes would convict a room in each of them. */
Test(caution, of_several_partitions_under_suspicion_only_one_has_a_note_at_a_time) {
  const uint32_t q = P + 1;
  struct told told[2];
  const char *rooms[] = {room_of(P, 0)}, *others[] = {room_of(q, 0)};
  others_deaths = 2;
  claim_after(2, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(&told[0], P, 1000000, rooms, 1);
  tell_joins(&told[1], q, 1000000, others, 1);
  struct store_entry both[] = {told[0].entry, told[1].entry};
  worker_store_read(store, STORE_OK, both, 2);
  expect_note(rooms[0], 1000000, 0);
  cr_assert_null(store->blame[q].callback, "a second note stands");
  worker_store_blame(store, P, STORE_OK);
  worker_turn(worker);
  cr_assert_null(store->blame[q].callback, "the first note stands until its commit");
  commit();
  cr_assert_str_eq(store->blame[q].blame.room, others[0]);
  cr_assert(store->blame[q].callback);
  worker_store_blame(store, q, STORE_OK);
  commit();
  cr_assert_eq(store->segments[q].done.ms, 1000000);
}

Test(caution, who_waits_for_a_turn_gets_it_when_the_other_loses_his_partition) {
  const uint32_t q = P + 1;
  struct told told[2];
  const char *rooms[] = {room_of(P, 0)}, *others[] = {room_of(q, 0)};
  others_deaths = 2;
  claim_after(2, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(&told[0], P, 1000000, rooms, 1);
  tell_joins(&told[1], q, 1000000, others, 1);
  struct store_entry both[] = {told[0].entry, told[1].entry};
  worker_store_read(store, STORE_OK, both, 2);
  cr_assert_null(store->blame[q].callback);
  worker_store_blame(store, P, STORE_DENIED);
  worker_turn(worker);
  cr_assert(store->blame[q].callback);
}

Test(caution, a_timer_is_noted_with_its_room) {
  struct told told;
  const char *rooms[] = {room_of(P, 0)}, *others[] = {room_of(P, 1)};
  timer_after_ms = 10;
  claim_after(2, (struct stream_id){1000020, 0});
  load_nothing();
  tell_joins(&told, P, 1000000, rooms, 1);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  worker_store_blame(store, P, STORE_OK);
  commit();
  tell_joins(&told, P, 1000020, others, 1);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  expect_note(rooms[0], 1000020, 0);
  worker_store_blame(store, P, STORE_OK);
  cr_assert_str_eq(last_call, "timer");
  expect_note(others[0], 1000020, 0);
}

/* ---- loading ---- */

/* The image of a room as the worker itself writes it. */
static void make_image(const char *room, struct buf *out) {
  struct effects effects;
  struct room_id id;
  effects_init(&effects, P, 1);
  room_id_parse(room, strlen(room), &id);
  struct room *made = room_create(&k, &effects, &id);
  snprintf(made->incarnation, sizeof made->incarnation, "1-1.0");
  made->expire_at_ms = 99999999;
  struct arena arena;
  arena_init(&arena, 1024, ARENA_NO_LIMIT);
  buf_append_bytes(out, image_save(made, &arena));
  arena_close(&arena);
  room_destroy(made);
  effects_close(&effects);
}

Test(caution, each_room_is_noted_before_it_is_loaded_and_the_last_note_is_taken_back) {
  const char *rooms[] = {room_of(P, 0), room_of(P, 1)};
  claim_after(2, (struct stream_id){5, 0});
  for (size_t i = 0; i < 2; i++) {
    struct buf image = {0};
    make_image(rooms[i], &image);
    worker_store_room(store, P, rooms[i], buf_bytes(&image));
    buf_close(&image);
  }
  cr_assert_str_eq(last_call, "");
  worker_store_loaded(store, P, STORE_OK);
  for (size_t i = 0; i < 2; i++) {
    char expected[64];
    snprintf(expected, sizeof expected, "load %s", rooms[i]);
    expect_note(rooms[i], 5, STORE_BLAME_ALL);
    cr_assert_str_neq(last_call, expected);
    cr_assert_eq(worker->slots[P].state, SLOT_LOADING);
    worker_store_blame(store, P, STORE_OK);
    cr_assert_str_eq(last_call, expected);
  }
  expect_note("", 5, STORE_BLAME_ALL);
  worker_store_blame(store, P, STORE_OK);
  cr_assert_eq(worker->slots[P].state, SLOT_LIVE);
  cr_assert_eq(repository_count(&worker->slots[P].partition.repository), 2);
  turn_read();
  cr_assert(reads(P));
}

/* ---- what may come between ---- */

static void begin_a_step(struct told *told) {
  const char *rooms[] = {room_of(P, 0), room_of(P, 1)};
  claim_after(2, (struct stream_id){1000000, 0});
  load_nothing();
  tell_joins(told, P, 1000000, rooms, 2);
  worker_store_read(store, STORE_OK, &told->entry, 1);
  cr_assert(store->blame[P].callback);
}

Test(caution, a_note_that_is_refused_costs_the_partition) {
  struct told told;
  begin_a_step(&told);
  worker_store_blame(store, P, STORE_DENIED);
  cr_assert_eq(worker->slots[P].state, SLOT_FREE);
  cr_assert_str_eq(last_call, "");
  see();
  cr_assert(store->claim[P].callback, "it is not claimed again");
}

Test(caution, a_lost_connection_ends_a_step) {
  struct told told;
  begin_a_step(&told);
  worker_store_set_ready(store, false);
  cr_assert_eq(worker->slots[P].state, SLOT_FREE);
  cr_assert_str_eq(last_call, "");
}

Test(caution, a_lost_connection_ends_loading) {
  struct buf image = {0};
  claim_after(2, (struct stream_id){5, 0});
  make_image(room_of(P, 0), &image);
  worker_store_room(store, P, room_of(P, 0), buf_bytes(&image));
  buf_close(&image);
  worker_store_loaded(store, P, STORE_OK);
  worker_store_set_ready(store, false);
  cr_assert_eq(worker->slots[P].state, SLOT_FREE);
  cr_assert_str_eq(last_call, "");
}

Test(caution, an_orderly_end_waits_for_the_entry) {
  struct told told;
  begin_a_step(&told);
  worker_stop(worker);
  see();
  cr_assert_eq(worker->slots[P].state, SLOT_LEAVING);
  cr_assert_null(store->release[P].callback, "it is released in the middle of an entry");
  worker_store_blame(store, P, STORE_OK);
  worker_store_blame(store, P, STORE_OK);
  worker_turn(worker);
  cr_assert_null(store->release[P].callback, "it is released before its commit");
  worker_store_commit(store, STORE_OK, NULL);
  worker_turn(worker);
  cr_assert(store->release[P].callback);
}

/* ---- convictions ---- */

Test(caution, a_convicted_room_is_refused_by_the_one_who_claims) {
  struct told told;
  const char *rooms[] = {room_of(P, 0)};
  claim_after(1, (struct stream_id){5, 0});
  cr_assert_eq(worker->slots[P].partition.n_condemned, 0);
  worker_store_loaded(store, P, STORE_OK);
  turn_read();
  worker_store_set_ready(store, false);
  worker_store_set_ready(store, true);
  worker_turn(worker);
  worker_store_init(store, STORE_OK, NULL);
  worker_turn(worker);
  see();
  store->found[P] = (struct store_claimed){.n_blames = 1, .blames[0] = {.sure = true, .entry = {1000000, 0}}};
  snprintf(store->found[P].blames[0].room, sizeof store->found[P].blames[0].room, "%s", rooms[0]);
  worker_store_grant(store, P, ME, (struct stream_id){5, 0});
  cr_assert_eq(worker->slots[P].partition.n_condemned, 1);
  worker_store_loaded(store, P, STORE_OK);
  turn_read();
  tell_joins(&told, P, 1000000, rooms, 1);
  worker_store_read(store, STORE_OK, &told.entry, 1);
  cr_assert_str_eq(last_call, "");
}
