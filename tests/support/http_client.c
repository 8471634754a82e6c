/* Plain sockets with deadlines; nothing is parsed beyond the status. */
#include "tests/support/http_client.h"

#include "common/buf.h"
#include "common/mem.h"
#include "tests/support/wait.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET_MS    5000
#define BYTES_MAX (16u << 20)

int tcp_connect(const char *address, int receive_bytes) {
  char host[64];
  const char *colon = strrchr(address, ':');
  assert(colon && (size_t)(colon - address) < sizeof host); /* HOST:PORT */
  snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  bool numeric = inet_pton(AF_INET, host, &peer.sin_addr) == 1;
  assert(numeric);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  assert(fd >= 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (receive_bytes) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  int error = connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    socklen_t len = sizeof error;
    error = ETIMEDOUT;
    if (wait_writable(fd, wait_deadline(GET_MS))) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
  }
  if (error == 0) return fd;
  close(fd);
  return -1;
}

bool tcp_send(int fd, struct bytes data, uint64_t deadline) {
  const char *at = data.data;
  for (size_t left = data.len; left > 0;) {
    ssize_t n = send(fd, at, left, MSG_NOSIGNAL);
    if (n > 0) {
      at += n;
      left -= (size_t)n;
    } else if (errno != EAGAIN || !wait_writable(fd, deadline)) {
      return false;
    }
  }
  return true;
}

static void read_to_end(int fd, struct buf *in, uint64_t deadline) {
  while (in->len < BYTES_MAX) {
    ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, 0);
    if (n > 0) in->len += (size_t)n;
    if (n == 0 || (n < 0 && (errno != EAGAIN || !wait_readable(fd, deadline)))) return;
  }
}

static void split(struct http_response *response, struct buf *in) {
  const char *text = buf_str(in), *end = strstr(text, "\r\n\r\n");
  size_t head = end ? (size_t)(end - text) : in->len;
  response->head = xmemdup(text, head);
  response->body = xmemdup(text + (end ? head + 4 : head), end ? in->len - head - 4 : 0);
  if (strncmp(text, "HTTP/1.", 7) == 0 && in->len > 12) response->status = (unsigned)strtoul(text + 9, NULL, 10);
}

void http_raw(struct http_response *response, const char *address, struct bytes request, uint64_t ms) {
  *response = (struct http_response){0};
  struct buf in = {0};
  int fd = tcp_connect(address, 0);
  if (fd >= 0) {
    uint64_t deadline = wait_deadline(ms);
    tcp_send(fd, request, deadline); /* an early answer may come with the connection closed half-way */
    read_to_end(fd, &in, deadline);
    close(fd);
  }
  split(response, &in);
  buf_close(&in);
}

void http_get(struct http_response *response, const char *address, const char *path) {
  struct buf request = {0};
  buf_printf(&request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, address);
  http_raw(response, address, buf_bytes(&request), GET_MS);
  buf_close(&request);
}

void http_response_close(struct http_response *response) {
  free(response->head);
  free(response->body);
  *response = (struct http_response){0};
}

double http_metric(const char *address, const char *name) {
  struct http_response response;
  http_get(&response, address, "/metrics");
  double value = -1;
  size_t len = strlen(name);
  for (const char *line = response.body; line && *line;) {
    if (strncmp(line, name, len) == 0 && (line[len] == ' ' || line[len] == '{')) {
      const char *space = strchr(line + len, ' ');
      if (space) value = strtod(space, NULL);
      break;
    }
    line = strchr(line, '\n');
    if (line) line++;
  }
  http_response_close(&response);
  return value;
}
