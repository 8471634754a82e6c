/* Formatting without malloc or stdio, and the handlers. */
#include "worker/last_words.h"
#include "common/mem.h"
#include "common/redis_link.h"
#include "proto/keys.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 2000
#define STACK_BYTES        65536

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define N_SIGNALS (sizeof signals / sizeof *signals)

struct voice {
  struct redis_link *link;
  volatile int fd; /* of the link; -1: it is not up */
};

struct last_words {
  const struct scene *scene;
  struct last_words_head head;
  struct voice *voices; /* owned; one per shard */
  uint32_t n_voices;
  void *stack; /* owned */
  struct sigaction before[N_SIGNALS];
};

/* Who speaks for the process. A handler is given nothing else that it could know him by. */
static struct last_words *volatile speaker;

/* ---- text ---- */

struct line {
  char *at, *end;
};

static void put(struct line *line, const char *text, size_t len) {
  if ((size_t)(line->end - line->at) < len) {
    line->end = line->at; /* nothing more fits, and what does not fit is noticed */
    return;
  }
  memcpy(line->at, text, len);
  line->at += len;
}

static void put_text(struct line *line, const char *text) {
  put(line, text, strlen(text));
}

static size_t print_number(uint64_t number, char out[20]) {
  char digits[20];
  size_t n = 0;
  do digits[n++] = (char)('0' + number % 10);
  while (number /= 10);
  for (size_t i = 0; i < n; i++) out[i] = digits[n - 1 - i];
  return n;
}

static void put_number(struct line *line, uint64_t number) {
  char text[20];
  put(line, text, print_number(number, text));
}

/* An argument of a command, in Redis's protocol (RESP). */
static void put_argument(struct line *line, const char *text, size_t len) {
  put_text(line, "$");
  put_number(line, len);
  put_text(line, "\r\n");
  put(line, text, len);
  put_text(line, "\r\n");
}

static void put_text_argument(struct line *line, const char *text) {
  put_argument(line, text, strlen(text));
}

static void put_number_argument(struct line *line, uint64_t number) {
  char text[20];
  put_argument(line, text, print_number(number, text));
}

static void put_id_argument(struct line *line, struct stream_id id) {
  char text[41];
  size_t n = print_number(id.ms, text);
  text[n++] = '-';
  n += print_number(id.seq, text + n);
  put_argument(line, text, n);
}

void last_words_prepare(struct last_words_head *head, const char *prefix, const char *worker) {
  struct line line = {head->text, head->text + sizeof head->text};
  put_text(&line, "*11\r\n");
  put_text_argument(&line, "FCALL");
  put_text_argument(&line, FUNCTION_BLAME);
  put_text_argument(&line, "0");
  put_text_argument(&line, prefix);
  head->len = line.at == line.end ? 0 : (size_t)(line.at - head->text);
  snprintf(head->worker, sizeof head->worker, "%s", worker);
}

size_t last_words_format(const struct last_words_head *head, const struct scene *scene, char out[LAST_WORDS_MAX]) {
  struct line line = {out, out + LAST_WORDS_MAX};
  put(&line, head->text, head->len);
  put_number_argument(&line, scene->partition);
  put_text_argument(&line, head->worker);
  put_number_argument(&line, scene->epoch);
  put_text_argument(&line, "1");
  put_id_argument(&line, scene->entry);
  put_number_argument(&line, scene->index);
  put_text_argument(&line, scene->room);
  return head->len == 0 || line.at == line.end ? 0 : (size_t)(line.at - out);
}

/* ---- the handler ---- */

static void print_last_line(const struct scene *scene, bool said) {
  char text[LAST_WORDS_MAX];
  struct line line = {text, text + sizeof text};
  put_text(&line, "heya-worker: crashed in the code of a kind: room ");
  put_text(&line, scene->room);
  put_text(&line, ", partition ");
  put_number(&line, scene->partition);
  put_text(&line, ", entry ");
  put_number(&line, scene->entry.ms);
  put_text(&line, "-");
  put_number(&line, scene->entry.seq);
  put_text(&line, ", index ");
  put_number(&line, scene->index);
  put_text(&line, said ? "; Redis was told\n" : "; Redis could not be told\n");
  ssize_t written = write(STDERR_FILENO, text, (size_t)(line.at - text));
  (void)written;
}

static void speak(const struct last_words *words) {
  char text[LAST_WORDS_MAX];
  size_t len = last_words_format(&words->head, words->scene, text);
  int fd = words->voices[words->scene->partition % words->n_voices].fd;
  bool said = fd >= 0 && len > 0 && send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
  print_last_line(words->scene, said);
}

static void on_crash(int number, siginfo_t *info, void *context) {
  struct last_words *words = speaker;
  int saved_errno = errno;
  (void)context;
  speaker = NULL;
  if (words && words->scene->playing) speak(words);
  for (size_t i = 0; words && i < N_SIGNALS; i++) sigaction(signals[i], &words->before[i], NULL);
  errno = saved_errno;
  /* What the processor raised comes again by itself, at the same instruction. */
  if (info->si_code <= 0) raise(number);
}

/* ---- life ---- */

static void on_up(void *arg) {
  struct voice *voice = arg;
  voice->fd = redis_link_fd(voice->link);
}

static void on_down(void *arg) {
  struct voice *voice = arg;
  voice->fd = -1;
}

/* A stack that overflowed is one of the ways to crash. */
static void handle_signals(struct last_words *words) {
  struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  words->stack = xmalloc(STACK_BYTES);
  sigaltstack(&(stack_t){.ss_sp = words->stack, .ss_size = STACK_BYTES}, NULL);
  sigfillset(&action.sa_mask);
  speaker = words;
  for (size_t i = 0; i < N_SIGNALS; i++) sigaction(signals[i], &action, &words->before[i]);
}

static bool urls_parse(const struct option_list *redis, struct redis_url *urls, char *error, size_t error_size) {
  for (size_t i = 0; i < redis->count; i++) {
    if (!redis_url_parse(redis->items[i], &urls[i], error, error_size)) return false;
  }
  return true;
}

struct last_words *last_words_open(struct ev_loop *loop, const struct option_list *redis, const char *prefix,
                                   const char *worker, const struct scene *scene, struct log *log, char *error,
                                   size_t error_size) {
  struct redis_link_options options = {
      .name = "last words", .connect_timeout_ms = CONNECT_TIMEOUT_MS, .on_up = on_up, .on_down = on_down};
  struct redis_url *urls = xcalloc(redis->count, sizeof *urls);
  struct last_words *words = NULL;
  if (urls_parse(redis, urls, error, error_size)) {
    words = xcalloc(1, sizeof *words);
    words->scene = scene;
    words->n_voices = (uint32_t)redis->count;
    words->voices = xcalloc(redis->count, sizeof *words->voices);
    last_words_prepare(&words->head, prefix, worker);
    for (uint32_t i = 0; i < words->n_voices; i++) {
      struct voice *voice = &words->voices[i];
      voice->fd = -1;
      options.url = urls[i];
      options.arg = voice;
      voice->link = redis_link_create(loop, &options, log);
    }
    handle_signals(words);
  }
  free(urls);
  return words;
}

void last_words_close(struct last_words *words) {
  if (!words) return;
  for (size_t i = 0; i < N_SIGNALS; i++) sigaction(signals[i], &words->before[i], NULL);
  speaker = NULL;
  sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
  for (uint32_t i = 0; i < words->n_voices; i++) redis_link_destroy(words->voices[i].link);
  free(words->voices);
  free(words->stack);
  free(words);
}
