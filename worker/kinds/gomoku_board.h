/* A board of gomoku: stones placed by turns, and whether the last one made a row that wins.
 *
 * Pure rules, a plain value without pointers: no room, no players, no time. Black moves first. In the free style a
 * row of five or more wins, in the exact one only a row of five, for both colours; nothing else is forbidden.
 */
#ifndef HEYA_WORKER_KINDS_GOMOKU_BOARD_H
#define HEYA_WORKER_KINDS_GOMOKU_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define GOMOKU_SIZE_MIN  9
#define GOMOKU_SIZE_MAX  19
#define GOMOKU_CELLS_MAX (GOMOKU_SIZE_MAX * GOMOKU_SIZE_MAX)
#define GOMOKU_ROW       5                    /* stones that win */
#define GOMOKU_LINE_MAX  (2 * GOMOKU_ROW - 1) /* four on either side, and the stone that joins them */

enum gomoku_colour { GOMOKU_BLACK, GOMOKU_WHITE, GOMOKU_NOBODY };

struct gomoku_point {
  uint8_t x, y; /* from 0 */
};

struct gomoku_line {
  uint32_t count; /* 0: none; else GOMOKU_ROW or more */
  struct gomoku_point points[GOMOKU_LINE_MAX];
};

struct gomoku_board {
  uint32_t size; /* GOMOKU_SIZE_MIN to GOMOKU_SIZE_MAX */
  bool exact;
  uint32_t move_count;
  struct gomoku_point moves[GOMOKU_CELLS_MAX];      /* in the order in which they were made */
  uint8_t stones[GOMOKU_SIZE_MAX][GOMOKU_SIZE_MAX]; /* [y][x], an enum gomoku_colour each */
};

enum gomoku_placed { GOMOKU_PLACED, GOMOKU_OFF_BOARD, GOMOKU_TAKEN };

/* An empty board. */
void gomoku_board_init(struct gomoku_board *board, uint32_t size, bool exact);

/* A stone of the colour whose turn it is. Anything but GOMOKU_PLACED leaves the board as it was. Whether the game is
 * over already is the caller's to know. */
enum gomoku_placed gomoku_board_place(struct gomoku_board *board, uint32_t x, uint32_t y);

/* Whose turn it is, as long as the game goes on. */
enum gomoku_colour gomoku_board_turn(const struct gomoku_board *board);
enum gomoku_colour gomoku_other(enum gomoku_colour colour);

/* Whether the last stone stands in a row that wins. The line is that row from one end to the other, or empty; of
 * several rows the first in the order across, down, down to the right, down to the left. The line has room for what a
 * game can reach: one that went on after a win may have longer rows, which are cut short. */
bool gomoku_board_is_won(const struct gomoku_board *board, struct gomoku_line *line);
bool gomoku_board_is_full(const struct gomoku_board *board);

#endif
