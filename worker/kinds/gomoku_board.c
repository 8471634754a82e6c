/* The rules of gomoku (gomoku_board.h). Only rows through the last stone are looked at: any other one was there
 * before, and would have ended the game then. */
#include "worker/kinds/gomoku_board.h"

#include <string.h>

struct direction {
  int dx, dy;
};

static const struct direction directions[] = {{1, 0}, {0, 1}, {1, 1}, {-1, 1}};

void gomoku_board_init(struct gomoku_board *board, uint32_t size, bool exact) {
  *board = (struct gomoku_board){.size = size, .exact = exact};
  memset(board->stones, GOMOKU_NOBODY, sizeof board->stones);
}

enum gomoku_placed gomoku_board_place(struct gomoku_board *board, uint32_t x, uint32_t y) {
  if (x >= board->size || y >= board->size) return GOMOKU_OFF_BOARD;
  if (board->stones[y][x] != GOMOKU_NOBODY) return GOMOKU_TAKEN;
  board->stones[y][x] = (uint8_t)gomoku_board_turn(board);
  board->moves[board->move_count++] = (struct gomoku_point){.x = (uint8_t)x, .y = (uint8_t)y};
  return GOMOKU_PLACED;
}

enum gomoku_colour gomoku_board_turn(const struct gomoku_board *board) {
  return board->move_count % 2 == 0 ? GOMOKU_BLACK : GOMOKU_WHITE;
}

enum gomoku_colour gomoku_other(enum gomoku_colour colour) {
  return colour == GOMOKU_BLACK ? GOMOKU_WHITE : GOMOKU_BLACK;
}

/* The stone `steps` away from `from`; GOMOKU_NOBODY off the board. */
static uint8_t stone_at(const struct gomoku_board *board, struct gomoku_point from, struct direction way, int steps) {
  int x = from.x + steps * way.dx, y = from.y + steps * way.dy, size = (int)board->size;
  return x >= 0 && y >= 0 && x < size && y < size ? board->stones[y][x] : GOMOKU_NOBODY;
}

/* How many stones of the same colour follow on one side. */
static int run(const struct gomoku_board *board, struct gomoku_point from, struct direction way, int sign) {
  int steps = 0;
  while (stone_at(board, from, way, sign * (steps + 1)) == board->stones[from.y][from.x]) steps++;
  return steps;
}

static struct gomoku_line line_from(struct gomoku_point last, struct direction way, int first, int count) {
  struct gomoku_line line = {.count = 0};
  for (int i = 0; i < count && line.count < GOMOKU_LINE_MAX; i++) {
    int x = last.x + (first + i) * way.dx, y = last.y + (first + i) * way.dy;
    line.points[line.count++] = (struct gomoku_point){.x = (uint8_t)x, .y = (uint8_t)y};
  }
  return line;
}

bool gomoku_board_is_won(const struct gomoku_board *board, struct gomoku_line *line) {
  *line = (struct gomoku_line){.count = 0};
  if (board->move_count == 0) return false;
  struct gomoku_point last = board->moves[board->move_count - 1];
  for (size_t i = 0; i < sizeof directions / sizeof *directions; i++) {
    int before = run(board, last, directions[i], -1), count = before + 1 + run(board, last, directions[i], 1);
    if (board->exact ? count != GOMOKU_ROW : count < GOMOKU_ROW) continue;
    *line = line_from(last, directions[i], -before, count);
    return true;
  }
  return false;
}

bool gomoku_board_is_full(const struct gomoku_board *board) {
  return board->move_count == board->size * board->size;
}
