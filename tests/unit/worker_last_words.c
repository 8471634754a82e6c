/* Promises of the last words: exactly the command that Redis understands, whatever the numbers; said by the handler
 * of a crash within a kind's code and by nobody else; and the process dies as it would have. */
#include "tests/support/tmpdir.h"
#include "tests/support/wait.h"
#include "worker/last_words.h"

#include <criterion/criterion.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(last_words, .timeout = 20);

/* ---- the command ---- */

static void expect_words(const char *data, size_t len, const char *const *words, size_t n) {
  redisReader *reader = redisReaderCreate();
  void *parsed = NULL;
  cr_assert_eq(redisReaderFeed(reader, data, len), REDIS_OK);
  cr_assert(redisReaderGetReply(reader, &parsed) == REDIS_OK && parsed, "%.*s", (int)len, data);
  const redisReply *command = parsed;
  cr_assert_eq(command->type, REDIS_REPLY_ARRAY);
  cr_assert_eq(command->elements, n);
  for (size_t i = 0; i < n; i++) cr_assert_str_eq(command->element[i]->str, words[i]);
  freeReplyObject(parsed);
  cr_assert(redisReaderGetReply(reader, &parsed) == REDIS_OK && !parsed, "there is more than one command");
  redisReaderFree(reader);
}

static void expect_command(const char *prefix, const char *worker, const struct scene *scene,
                           const char *const numbers[4]) {
  struct last_words_head head;
  char out[LAST_WORDS_MAX];
  last_words_prepare(&head, prefix, worker);
  size_t len = last_words_format(&head, scene, out);
  cr_assert_gt(len, 0);
  const char *words[] = {"FCALL",    "heya1_blame", "0",        prefix,     numbers[0], worker,
                         numbers[1], "1",           numbers[2], numbers[3], scene->room};
  expect_words(out, len, words, sizeof words / sizeof *words);
}

Test(last_words, are_one_command) {
  struct scene scene = {0};
  scene_enter(&scene, 3, 7, (struct stream_id){1795318097443, 12}, 5, "chat/lounge");
  cr_assert(scene.playing);
  expect_command("heya:", "w-1", &scene, (const char *const[]){"3", "7", "1795318097443-12", "5"});
}

Test(last_words, hold_the_smallest_and_the_largest) {
  struct scene scene = {0};
  char room[ROOM_ID_MAX + 1], prefix[33], worker[41];
  scene_enter(&scene, 0, 0, (struct stream_id){0, 0}, 0, "a/b");
  expect_command("", "w", &scene, (const char *const[]){"0", "0", "0-0", "0"});
  memset(room, 'x', ROOM_ID_MAX);
  memset(prefix, 'p', 32);
  memset(worker, 'w', 40);
  room[ROOM_ID_MAX] = prefix[32] = worker[40] = '\0';
  scene_enter(&scene, UINT32_MAX, UINT64_MAX, (struct stream_id){UINT64_MAX, UINT64_MAX}, UINT32_MAX, room);
  expect_command(prefix, worker, &scene,
                 (const char *const[]){"4294967295", "18446744073709551615",
                                       "18446744073709551615-18446744073709551615", "4294967295"});
}

Test(last_words, that_do_not_fit_are_not_said) {
  struct last_words_head head;
  struct scene scene = {0};
  char out[LAST_WORDS_MAX], long_prefix[LAST_WORDS_MAX];
  memset(long_prefix, 'p', sizeof long_prefix - 1);
  long_prefix[sizeof long_prefix - 1] = '\0';
  last_words_prepare(&head, long_prefix, "w-1");
  cr_assert_eq(last_words_format(&head, &scene, out), 0);
}

/* ---- the scene ---- */

Test(last_words, a_scene_is_over_when_it_is_left) {
  struct scene scene = {0};
  scene_enter(&scene, 1, 1, (struct stream_id){1, 1}, 1, "chat/a");
  scene_enter(&scene, 1, 1, (struct stream_id){1, 1}, 2, "chat/b");
  cr_assert_str_eq(scene.room, "chat/b");
  scene_leave(&scene);
  cr_assert_not(scene.playing);
  scene_enter(NULL, 1, 1, (struct stream_id){1, 1}, 1, "chat/a");
  scene_leave(NULL);
}

/* ---- the handler, in a child whose "Redis" is a socket of ours ---- */

struct stage {
  struct tmpdir dir;
  char url[128];
  int listener;
};

static void stage_open(struct stage *stage) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  tmpdir_create(&stage->dir);
  snprintf(address.sun_path, sizeof address.sun_path, "%s/redis", stage->dir.path);
  snprintf(stage->url, sizeof stage->url, "unix://%s", address.sun_path);
  stage->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  cr_assert(stage->listener >= 0 && bind(stage->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
            listen(stage->listener, 1) == 0);
}

static void read_through_null(void) {
  volatile int *volatile address = NULL;
  *address = 1;
}
__attribute__((no_sanitize("undefined"))) static void divide_by_zero(void) {
  volatile int many = 7, zero = 0;
  many = many / zero;
}
static void fail_an_assertion(void) {
  abort();
}
/* One shard. */
static struct last_words *open_words(struct ev_loop *loop, const char *url, const struct scene *scene, char *error,
                                     size_t error_size) {
  char *items[] = {(char *)(uintptr_t)url};
  return last_words_open(loop, &(struct option_list){.items = items, .count = 1}, "heya:", "w-1", scene, NULL, error,
                         error_size);
}

static void be_killed(void) {
  raise(SIGKILL);
}

/* The child: connects, goes on the scene if there is one, and crashes. */
_Noreturn static void play(const struct option_list *redis, bool in_scene, void (*crash)(void)) {
  struct scene scene = {0};
  char error[128];
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  for (int i = 1; i < 32; i++) signal(i, SIG_DFL); /* the test's own */
  struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
  struct last_words *words = last_words_open(loop, redis, "heya:", "w-1", &scene, NULL, error, sizeof error);
  if (!words) _exit(99);
  for (int i = 0; i < 3; i++) ev_run(loop, EVRUN_ONCE); /* the retry timer, the connection */
  if (in_scene) scene_enter(&scene, 3, 7, (struct stream_id){1000, 2}, 4, "chat/a");
  crash();
  _exit(98);
}

/* How it ended, and what it said. */
static int watch(bool in_scene, void (*crash)(void), char *said, size_t size) {
  struct stage stage;
  int status;
  size_t len = 0;
  stage_open(&stage);
  pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    char *urls[] = {stage.url};
    play(&(struct option_list){.items = urls, .count = 1}, in_scene, crash);
  }
  int connection = accept(stage.listener, NULL, NULL);
  for (ssize_t n; (n = read(connection, said + len, size - 1 - len)) > 0;) len += (size_t)n;
  said[len] = '\0';
  cr_assert_eq(waitpid(child, &status, 0), child);
  close(connection);
  close(stage.listener);
  tmpdir_remove(&stage.dir);
  cr_assert(WIFSIGNALED(status), "it ended with %d", WEXITSTATUS(status));
  return WTERMSIG(status);
}

static void expect_said(int signal_expected, void (*crash)(void)) {
  char said[1024];
  static const char *const words[] = {"FCALL", "heya1_blame", "0",      "heya:", "3",     "w-1",
                                      "7",     "1",           "1000-2", "4",     "chat/a"};
  cr_assert_eq(watch(true, crash, said, sizeof said), signal_expected);
  expect_words(said, strlen(said), words, sizeof words / sizeof *words);
}

Test(last_words, are_said_by_a_crash_which_ends_the_process_as_ever) {
  expect_said(SIGSEGV, read_through_null);
  expect_said(SIGABRT, fail_an_assertion);
  expect_said(SIGFPE, divide_by_zero);
}

/* Of partition 3, so to the second of two. */
Test(last_words, go_to_the_redis_of_the_partition) {
  struct stage stages[2];
  char said[1024];
  size_t len = 0;
  int status;
  for (int i = 0; i < 2; i++) stage_open(&stages[i]);
  pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    char *urls[] = {stages[0].url, stages[1].url};
    struct option_list both = {.items = urls, .count = 2};
    play(&both, true, read_through_null);
  }
  int first = accept(stages[0].listener, NULL, NULL), second = accept(stages[1].listener, NULL, NULL);
  cr_assert_eq(read(first, said, sizeof said), 0);
  for (ssize_t n; (n = read(second, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
  said[len] = '\0';
  cr_assert(strstr(said, "chat/a"), "%s", said);
  cr_assert_eq(waitpid(child, &status, 0), child);
  for (int i = 0; i < 2; i++) {
    close(stages[i].listener);
    tmpdir_remove(&stages[i].dir);
  }
  close(first);
  close(second);
}

Test(last_words, are_not_said_outside_of_a_scene) {
  char said[1024];
  cr_assert_eq(watch(false, read_through_null, said, sizeof said), SIGSEGV);
  cr_assert_str_eq(said, "");
}

Test(last_words, are_not_said_by_the_killed) {
  char said[1024];
  cr_assert_eq(watch(true, be_killed, said, sizeof said), SIGKILL);
  cr_assert_str_eq(said, "");
}

Test(last_words, need_a_url) {
  struct scene scene = {0};
  char error[128] = "";
  cr_assert_null(open_words(NULL, "ftp://x", &scene, error, sizeof error));
  cr_assert(error[0]);
}

Test(last_words, when_closed_leave_signals_as_they_were) {
  struct scene scene = {0};
  struct sigaction before, after;
  char error[128];
  struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
  sigaction(SIGFPE, NULL, &before);
  struct last_words *words = open_words(loop, "unix:///nowhere/at.all", &scene, error, sizeof error);
  sigaction(SIGFPE, NULL, &after);
  cr_assert_neq(after.sa_sigaction, before.sa_sigaction);
  last_words_close(words);
  last_words_close(NULL);
  sigaction(SIGFPE, NULL, &after);
  cr_assert_eq(after.sa_sigaction, before.sa_sigaction);
  ev_loop_destroy(loop);
}
