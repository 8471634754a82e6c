/* Promises of room.state as bytes: one encoding a state, and nothing else is read. */
#include "worker/lua/script_sandbox.h"
#include "worker/lua/script_state.h"
#include "worker/lua/script_vm.h"

#include <criterion/criterion.h>
#include <lauxlib.h>
#include <lualib.h>

#define LIMITS ((struct script_limits){.budget = 10000000, .memory = 16u << 20})

struct job {
  const char *script; /* returns the table to write */
  struct bytes bytes; /* or what is to be read */
  struct buf out;     /* what was written, or what was read and written again */
  bool read;
};

/* The arrays of the sandbox are marked by a table in its registry. */
static int write_it(lua_State *L) {
  struct job *job = lua_touserdata(L, 1);
  script_sandbox_push(L);
  if (luaL_loadstring(L, job->script)) lua_error(L);
  lua_call(L, 0, 1);
  script_state_append(L, -1, &job->out);
  return 0;
}

static int read_it(lua_State *L) {
  struct job *job = lua_touserdata(L, 1);
  script_sandbox_push(L);
  int top = lua_gettop(L);
  job->read = script_state_push(L, job->bytes);
  if (lua_gettop(L) != top + job->read) luaL_error(L, "left %d on the stack", lua_gettop(L) - top);
  if (job->read) script_state_append(L, -1, &job->out);
  return 0;
}

static bool run(lua_CFunction body, struct job *job, char error[SCRIPT_ERROR_MAX]) {
  struct script_vm vm;
  cr_assert(script_vm_open(&vm, LIMITS));
  bool done = script_vm_run(&vm, body, job, error);
  script_vm_close(&vm);
  return done;
}

static struct buf written(const char *script) {
  struct job job = {.script = script};
  char error[SCRIPT_ERROR_MAX];
  cr_assert(run(write_it, &job, error), "%s: %s", script, error);
  return job.out;
}

/* Whether the bytes are read; they are then written again as they were. */
static bool reads(struct bytes bytes) {
  struct job job = {.bytes = bytes};
  char error[SCRIPT_ERROR_MAX];
  cr_assert(run(read_it, &job, error), "%s", error);
  if (job.read) cr_assert(bytes_equal(buf_bytes(&job.out), bytes));
  buf_close(&job.out);
  return job.read;
}

#define BYTES(text) bytes_of(text, sizeof(text) - 1)

static void expect(const char *script, struct bytes bytes) {
  struct buf out = written(script);
  cr_assert(bytes_equal(buf_bytes(&out), bytes), "%s", script);
  cr_assert(reads(bytes), "%s", script);
  buf_close(&out);
}

Test(worker_lua_state, has_one_encoding_for_a_state) {
  expect("return {}", BYTES("{\0\0"));
  expect("return array()", BYTES("[\0\0"));
  expect("return {true, false}", BYTES("{\2tf\0"));
  expect("return {0, -1, 1, 64, 2^53}", BYTES("{\5i\0i\1i\2i\x80\1i\x80\x80\x80\x80\x80\x80\x80\x20\0"));
  expect("return {a = 'b'}", BYTES("{\0\1s\1as\1b"));
  expect("return {b = 1, a = 2, [0] = 3, [-1.5] = 4, [''] = 5}",
         BYTES("{\0\5d\0\0\0\0\0\0\xf8\xbfi\x08i\0i\6s\0i\x0as\1ai\4s\1bi\2"));
  expect("return {[1] = 'x', [3] = 'z'}", BYTES("{\1s\1x\1i\6s\1z"));
  expect("return {0.5, 1/0}", BYTES("{\2d\0\0\0\0\0\0\xe0\x3f"
                                    "d\0\0\0\0\0\0\xf0\x7f\0"));
  expect("return {-0.0 * 1, 0/0}", BYTES("{\2d\0\0\0\0\0\0\0\x80"
                                         "d\0\0\0\0\0\0\xf8\x7f\0"));
  expect("return {{}, {array{1}}}", BYTES("{\2{\0\0{\1[\1i\2\0\0\0"));
}

Test(worker_lua_state, does_not_depend_on_how_a_table_came_to_be) {
  struct buf one = written("local t = {} for i = 1, 50 do t['k' .. i] = i t[i] = i end return t");
  struct buf other = written("local t = {} for i = 50, 1, -1 do t[i] = i t['k' .. i] = i t['x' .. i] = 1 end\n"
                             "for i = 1, 50 do t['x' .. i] = nil end return t");
  cr_assert(bytes_equal(buf_bytes(&one), buf_bytes(&other)));
  buf_close(&one);
  buf_close(&other);
}

Test(worker_lua_state, reads_nothing_else) {
  const struct bytes others[] = {
      BYTES(""),
      BYTES("t"),                                              /* no table */
      BYTES("{\0"),                                            /* cut short */
      BYTES("{\0\0t"),                                         /* something behind */
      BYTES("{\x80\0\0"),                                      /* not the shortest number */
      BYTES("{\xff\xff\xff\xff\x0f\0"),                        /* more values than bytes */
      BYTES("{\0\xff\xff\xff\xff\x0f"),                        /* the same */
      BYTES("{\0\2s\1bts\1at"),                                /* keys not in order */
      BYTES("{\0\2s\1ats\1at"),                                /* twice */
      BYTES("{\0\2s\1ati\4t"),                                 /* texts before numbers */
      BYTES("{\0\1i\2t"),                                      /* 1 belongs to the sequence */
      BYTES("{\1t\1i\2t"),                                     /* the same key again */
      BYTES("{\1t\1i\4t"),                                     /* and so would 2 */
      BYTES("{\0\1tt"),                                        /* a key that is true */
      BYTES("{\0\1{\0\0t"),                                    /* or a table */
      BYTES("{\0\1d\0\0\0\0\0\0\xf8\x7ft"),                    /* or NaN */
      BYTES("{\0\1d\0\0\0\0\0\0\0\x80t"),                      /* or -0 */
      BYTES("{\1d\0\0\0\0\0\0\xf0\x3f\0"),                     /* 1 as a double */
      BYTES("{\1d\1\0\0\0\0\0\xf8\x7f\0"),                     /* another NaN */
      BYTES("{\1d\0\0\0\0\0\0\xf8\xff\0"),                     /* and one more */
      BYTES("{\1i\x82\x80\x80\x80\x80\x80\x80\x20\0"),         /* beyond 2^53 */
      BYTES("{\1i\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\0"), /* beyond 64 bits */
      BYTES("{\1s\5abc\0"),                                    /* a text cut short */
      BYTES("{\1n\0"),                                         /* no such tag */
      BYTES("{\1z\0"),
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) cr_assert_not(reads(others[i]), "%zu", i);
}

Test(worker_lua_state, is_bounded_in_depth_and_size) {
  struct buf deep = {0};
  for (int levels = SCRIPT_STATE_DEPTH_MAX; levels <= SCRIPT_STATE_DEPTH_MAX + 1; levels++) {
    buf_clear(&deep);
    for (int i = 1; i < levels; i++) buf_append(&deep, "{\1", 2);
    buf_append(&deep, "{\0\0", 3);
    for (int i = 1; i < levels; i++) buf_append_char(&deep, 0);
    cr_assert_eq(reads(buf_bytes(&deep)), levels == SCRIPT_STATE_DEPTH_MAX);
  }
  buf_clear(&deep);
  for (int i = 0; i < 500000; i++) buf_append(&deep, "{\1", 2);
  cr_assert_not(reads(buf_bytes(&deep)));
  buf_close(&deep);

  struct job job = {.script = "local t = {} for i = 1, 40 do t = {t, t} end return t"};
  char error[SCRIPT_ERROR_MAX];
  cr_assert_not(run(write_it, &job, error));
  cr_assert_not_null(strstr(error, "nested too deep"), "%s", error);
  buf_clear(&job.out);
  job.script = "local t = {} for i = 1, 30 do t = {t, t} end return t";
  cr_assert_not(run(write_it, &job, error));
  cr_assert_not_null(strstr(error, "more than 1 MiB"), "%s", error);
  buf_clear(&job.out);
  job.script = "local t = {} t.t = t return t";
  cr_assert_not(run(write_it, &job, error));
  buf_close(&job.out);
}

/* 16-byte cells of memory for a byte of input: the cap stops what the count does not. */
Test(worker_lua_state, of_many_small_tables_fits_or_is_refused) {
  struct buf wide = {0};
  buf_append(&wide, "{\x80\x80\x10", 4); /* 262144 empty tables */
  for (int i = 0; i < 262144; i++) buf_append(&wide, "{\0\0", 3);
  buf_append_char(&wide, 0);
  struct job job = {.bytes = buf_bytes(&wide)};
  char error[SCRIPT_ERROR_MAX];
  bool done = run(read_it, &job, error);
  cr_assert(done || strstr(error, "over --lua-"), "%s", error);
  buf_close(&job.out);
  buf_close(&wide);
}
