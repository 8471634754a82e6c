/* Gathers command arguments; see common/redis_args.h. Pure. */
#include "common/redis_args.h"

#include "common/mem.h"
#include "common/redis_reply.h"

void redis_args_close(struct redis_args *args) {
  free(args->argv);
  free(args->argvlen);
  buf_close(&args->numbers);
  *args = (struct redis_args){0};
}

void redis_args_clear(struct redis_args *args) {
  args->n = 0;
  buf_clear(&args->numbers);
}

void redis_args_call(struct redis_args *args, const char *function) {
  redis_args_clear(args);
  redis_args_text(args, "FCALL");
  redis_args_text(args, function);
  redis_args_text(args, "0");
}

static void add(struct redis_args *args, const char *data, size_t len) {
  if (args->n == args->cap) {
    args->cap = args->cap ? args->cap * 2 : 64;
    args->argv = xrealloc(args->argv, args->cap * sizeof *args->argv);
    args->argvlen = xrealloc(args->argvlen, args->cap * sizeof *args->argvlen);
  }
  args->argv[args->n] = data;
  args->argvlen[args->n++] = len;
}

void redis_args_bytes(struct redis_args *args, struct bytes bytes) {
  add(args, bytes.len ? bytes.data : "", bytes.len);
}

void redis_args_text(struct redis_args *args, const char *text) {
  add(args, text, strlen(text));
}

void redis_args_copy(struct redis_args *args, struct bytes bytes) {
  buf_append_bytes(&args->numbers, bytes);
  add(args, NULL, bytes.len);
}

void redis_args_u64(struct redis_args *args, uint64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  redis_args_copy(args, bytes_of(digits + at, sizeof digits - at));
}

void redis_args_bool(struct redis_args *args, bool value) {
  redis_args_text(args, value ? "1" : "0");
}

void redis_args_stream_id(struct redis_args *args, struct stream_id id) {
  char text[STREAM_ID_TEXT];
  size_t len = stream_id_print(id, text);
  redis_args_copy(args, bytes_of(text, len));
}

void redis_args_finish(struct redis_args *args) {
  size_t offset = 0;
  for (size_t i = 0; i < args->n; i++) {
    if (args->argv[i]) continue;
    args->argv[i] = args->numbers.data ? (const char *)args->numbers.data + offset : "";
    offset += args->argvlen[i];
  }
}
