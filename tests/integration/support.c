/* The test library itself: what the other suites rely on when they say "it did not happen". */
#include "common/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(support, .timeout = 60);

static void shell(struct process *process, const struct tmpdir *dir, const char *script) {
  struct process_args args = {0}, env = {0};
  process_args_append(&args, (const char *[]){"sh", "-c", script, NULL});
  process_args_add(&env, "GREETING=hello");
  process_start(process, "a shell", dir->path, &args, &env);
  process_args_close(&args);
  process_args_close(&env);
}

Test(support, a_process_is_heard_and_its_exit_code_is_known) {
  struct tmpdir dir;
  struct process process;
  char line[64];
  tmpdir_create(&dir);
  shell(&process, &dir, "echo one; echo \"$GREETING two\" >&2; read x; exit 7");
  cr_expect(process_wait_line(&process, "two", 5000, line, sizeof line));
  cr_expect_str_eq(line, "hello two");
  cr_expect_eq(process_wait_exit(&process, 5000), 7);
  cr_expect_not(process_is_running(&process));
  cr_expect_not(process_wait_line(&process, "three", 60000, NULL, 0), "does not wait for one that has ended");
  tmpdir_remove(&dir);
  cr_expect_neq(access(process.log, F_OK), 0);
}

Test(support, a_process_is_stopped_continued_and_killed) {
  struct tmpdir dir;
  struct process process;
  tmpdir_create(&dir);
  shell(&process, &dir, "trap 'echo got it' USR1; echo up; while :; do sleep 0.01; done");
  cr_assert(process_wait_line(&process, "up", 5000, NULL, 0));
  process_stop(&process);
  process_signal(&process, SIGUSR1);
  cr_expect_not(process_wait_line(&process, "got it", 50, NULL, 0));
  process_continue(&process);
  cr_expect(process_wait_line(&process, "got it", 5000, NULL, 0));
  cr_expect_eq(process_wait_exit(&process, 1), -1);
  process_kill(&process);
  cr_expect_eq(process.status, 128 + SIGKILL);
  tmpdir_remove(&dir);
}

Test(support, a_program_that_is_missing_is_seen) {
  struct tmpdir dir;
  struct process process;
  struct process_args args = {0};
  tmpdir_create(&dir);
  process_args_add(&args, "no-such-program");
  process_start(&process, "nothing", dir.path, &args, NULL);
  cr_expect_eq(process_wait_exit(&process, 5000), 127);
  cr_expect_eq(process_count_lines(&process, "cannot run no-such-program"), 1);
  process_args_close(&args);
  tmpdir_remove(&dir);
}

Test(support, redis_is_private_and_survives_its_own_death) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  struct redis_client *redis = cluster_redis(cluster);
  cr_expect_eq(redis_integer(redis, "DBSIZE"), 0);
  redis_do(redis, "SET %s %s", "heya:room:chat/a", "x");
  redis_do(redis, "SET %s %s PX 50000", "heya:room:chat/a:log", "y");
  char *text = redis_string(redis, "GET %s", "heya:room:chat/a");
  cr_expect_str_eq(text, "x");
  free(text);
  cr_expect_null(redis_string(redis, "GET %s", "nothing"));
  cr_expect_eq(cluster_count_keys(cluster, "heya:room:chat/a*"), 2);
  cr_expect_not(cluster_await_no_keys(cluster, "chat/a", 20));
  uint64_t before = redis_now_ms(redis);
  redis_do(redis, "CONFIG SET appendfsync always");
  redis_do(redis, "SET k v");
  process_kill(cluster_redis_process(cluster));
  cluster_restart_redis(cluster);
  redis = cluster_redis(cluster);
  cr_expect_geq(redis_now_ms(redis), before);
  cr_expect_eq(redis_integer(redis, "EXISTS k"), 1);
  cr_expect_lt(redis_integer(redis, "PTTL heya:room:chat/a:log"), 50001);
  char path[TMPDIR_PATH_MAX];
  snprintf(path, sizeof path, "%s", cluster_dir(cluster)->path);
  cluster_stop(cluster);
  cr_expect_neq(access(path, F_OK), 0);
}

/* ---- a WebSocket server of a few lines ---------------------------------------------------------------------------
 */

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* for the nonce of RFC 6455, section 1.3 */

struct echo {
  int listener;
  char address[32];
  pthread_t thread;
};

static size_t take(int fd, void *data, size_t len) {
  ssize_t n = recv(fd, data, len, MSG_WAITALL);
  return n > 0 ? (size_t)n : 0;
}

/* Sends every frame back unmasked, one byte at a time, until the other side closes. */
static void *echo_run(void *arg) {
  struct echo *echo = arg;
  int fd = accept(echo->listener, NULL, NULL), one = 1;
  setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
  struct buf request = {0};
  while (!strstr(buf_str(&request), "\r\n\r\n") && recv(fd, buf_reserve(&request, 1), 1, 0) == 1) request.len++;
  const char *json = strstr(buf_str(&request), "heya.v1.json") ? "heya.v1.json" : "heya.v1.proto";
  bool refuse = strstr(buf_str(&request), "GET /refuse") != NULL;
  buf_close(&request);
  if (refuse)
    dprintf(fd, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
  else
    dprintf(fd,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
            json);
  unsigned char head[6], payload[125];
  while (!refuse && take(fd, head, sizeof head) == sizeof head) {
    size_t len = head[1] & 0x7f;
    if (len > sizeof payload || take(fd, payload, len) != len) break;
    for (size_t i = 0; i < len; i++) payload[i] ^= head[2 + i % 4];
    unsigned char back[127] = {head[0], (unsigned char)len};
    memcpy(back + 2, payload, len);
    for (size_t i = 0; i < len + 2; i++) send(fd, back + i, 1, MSG_NOSIGNAL);
    if ((head[0] & 0x0f) == 8) break;
  }
  close(fd);
  return NULL;
}

static void echo_start(struct echo *echo) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  echo->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert(bind(echo->listener, (struct sockaddr *)&address, len) == 0 && listen(echo->listener, 4) == 0);
  cr_assert(getsockname(echo->listener, (struct sockaddr *)&address, &len) == 0);
  snprintf(echo->address, sizeof echo->address, "127.0.0.1:%u", ntohs(address.sin_port));
  cr_assert(pthread_create(&echo->thread, NULL, echo_run, echo) == 0);
}

static void echo_stop(struct echo *echo) {
  pthread_join(echo->thread, NULL);
  close(echo->listener);
}

static void expect_message(struct wsclient *client, const char *text) {
  struct buf message;
  cr_assert_eq(wsclient_receive(client, wait_deadline(5000), &message), WSCLIENT_MESSAGE);
  cr_expect_str_eq(buf_str(&message), text);
  buf_close(&message);
}

Test(support, a_websocket_client_talks_and_closes) {
  struct echo echo;
  struct buf message;
  echo_start(&echo);
  struct wsclient *client = wsclient_open(echo.address, &(struct wsclient_options){.format = WSCLIENT_JSON}, NULL);
  cr_assert(client);
  cr_expect_eq(wsclient_receive(client, wait_deadline(5), &message), WSCLIENT_TIMEOUT);
  wsclient_send_text(client, "one");
  wsclient_send_text(client, "two");
  expect_message(client, "one");
  expect_message(client, "two");
  cr_expect(wsclient_send_frame(client, 0x81, bytes_of_str("three")));
  expect_message(client, "three");
  cr_expect(wsclient_send_raw(client, bytes_of("\x81\x81\0\0\0\0!", 7)));
  expect_message(client, "!");
  wsclient_close(client, 4000);
  cr_expect_eq(wsclient_wait_close(client, 5000), 4000);
  cr_expect_eq(wsclient_receive(client, wait_deadline(5000), &message), WSCLIENT_CLOSED);
  wsclient_destroy(client);
  echo_stop(&echo);
}

Test(support, a_refused_upgrade_gives_its_status) {
  struct echo echo;
  unsigned status;
  echo_start(&echo);
  cr_expect_null(wsclient_open(echo.address, &(struct wsclient_options){.path = "/refuse"}, &status));
  cr_expect_eq(status, 426);
  echo_stop(&echo);
  cr_expect_null(wsclient_open(echo.address, NULL, &status), "nobody listens any more");
  cr_expect_eq(status, 0);
}
