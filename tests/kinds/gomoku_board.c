/* Promises of the rules of gomoku: which row wins, in every direction and at every edge. */
#include "worker/kinds/gomoku_board.h"

#include "tests/kinds/messages.h"
#include <criterion/criterion.h>

static const int ways[][2] = {{1, 0}, {0, 1}, {1, 1}, {-1, 1}};
#define WAYS (sizeof ways / sizeof *ways)

static struct gomoku_board board_of(uint32_t size, bool exact) {
  struct gomoku_board board;
  gomoku_board_init(&board, size, exact);
  return board;
}

static bool is_won(const struct gomoku_board *board) {
  struct gomoku_line line;
  return gomoku_board_is_won(board, &line);
}

/* A stone that is not by turns, as if the other colour had moved somewhere. */
static void put(struct gomoku_board *board, enum gomoku_colour colour, int x, int y) {
  board->stones[y][x] = (uint8_t)colour;
}

static bool fits(const struct gomoku_board *board, int x, int y) {
  return x >= 0 && y >= 0 && x < (int)board->size && y < (int)board->size;
}

/* `count` stones of black from x, y on, all but the one at index `last`, which is then placed. */
static struct gomoku_board row_of(uint32_t size, bool exact, int x, int y, const int *way, int count, int last) {
  struct gomoku_board board = board_of(size, exact);
  for (int i = 0; i < count; i++)
    if (i != last) put(&board, GOMOKU_BLACK, x + i * way[0], y + i * way[1]);
  cr_assert_eq(gomoku_board_turn(&board), GOMOKU_BLACK);
  cr_assert_eq(gomoku_board_place(&board, (uint32_t)(x + last * way[0]), (uint32_t)(y + last * way[1])),
               GOMOKU_PLACED);
  return board;
}

static void expect_line(const struct gomoku_board *board, int x, int y, const int *way, uint32_t count) {
  struct gomoku_line line;
  cr_assert(gomoku_board_is_won(board, &line));
  cr_assert_eq(line.count, count, "%u", line.count);
  for (int i = 0; i < (int)count; i++) {
    cr_assert_eq(line.points[i].x, x + i * way[0]);
    cr_assert_eq(line.points[i].y, y + i * way[1]);
  }
}

Test(gomoku_board, is_empty_and_blacks_at_first) {
  struct gomoku_board board = board_of(15, false);
  cr_assert_eq(gomoku_board_turn(&board), GOMOKU_BLACK);
  cr_assert_not(is_won(&board));
  cr_assert_not(gomoku_board_is_full(&board));
}

Test(gomoku_board, takes_stones_by_turns_and_each_point_once) {
  struct gomoku_board board = board_of(9, false);
  cr_assert_eq(gomoku_board_place(&board, 8, 0), GOMOKU_PLACED);
  cr_assert_eq(gomoku_board_turn(&board), GOMOKU_WHITE);
  struct gomoku_board before = board;
  cr_assert_eq(gomoku_board_place(&board, 8, 0), GOMOKU_TAKEN);
  cr_assert_eq(gomoku_board_place(&board, 9, 0), GOMOKU_OFF_BOARD);
  cr_assert_eq(gomoku_board_place(&board, 0, 9), GOMOKU_OFF_BOARD);
  cr_assert_eq(gomoku_board_place(&board, UINT32_MAX, UINT32_MAX), GOMOKU_OFF_BOARD);
  cr_assert_arr_eq(&board, &before, sizeof board);
  cr_assert_eq(gomoku_board_place(&board, 0, 8), GOMOKU_PLACED);
  cr_assert_eq(board.stones[0][8], GOMOKU_BLACK);
  cr_assert_eq(board.stones[8][0], GOMOKU_WHITE);
  cr_assert_eq(board.moves[1].y, 8);
}

/* All rows of five on a board, so those along and into each edge and corner too, each ended by each of its stones. */
Test(gomoku_board, five_win_everywhere_in_every_direction_and_four_do_not) {
  for (uint32_t size = GOMOKU_SIZE_MIN; size <= GOMOKU_SIZE_MAX; size += 5)
    for (int cell = 0; cell < (int)(size * size); cell++)
      for (size_t w = 0; w < WAYS; w++) {
        int x = cell % (int)size, y = cell / (int)size;
        struct gomoku_board empty = board_of(size, false);
        if (!fits(&empty, x + 4 * ways[w][0], y + 4 * ways[w][1])) continue;
        for (int last = 0; last < 5; last++) {
          struct gomoku_board five = row_of(size, last % 2, x, y, ways[w], 5, last);
          expect_line(&five, x, y, ways[w], 5);
          five.stones[y + (last ? 0 : 4) * ways[w][1]][x + (last ? 0 : 4) * ways[w][0]] = GOMOKU_WHITE;
          cr_assert_not(is_won(&five), "four and a stone of the other colour");
        }
      }
}

Test(gomoku_board, a_row_does_not_go_on_at_the_other_edge) {
  struct gomoku_board board = board_of(9, false);
  for (int x = 6; x < 9; x++) put(&board, GOMOKU_BLACK, x, 3);
  put(&board, GOMOKU_BLACK, 0, 4);
  gomoku_board_place(&board, 1, 4);
  cr_assert_not(is_won(&board));
}

Test(gomoku_board, stones_with_a_gap_do_not_win) {
  struct gomoku_board board = board_of(9, false);
  for (int x = 0; x < 6; x++)
    if (x != 2) put(&board, GOMOKU_BLACK, x, 4);
  put(&board, GOMOKU_NOBODY, 5, 4);
  gomoku_board_place(&board, 5, 4);
  cr_assert_not(is_won(&board));
}

Test(gomoku_board, more_than_five_win_in_the_free_style_only) {
  for (size_t w = 0; w < WAYS; w++)
    for (int count = 6; count <= 9; count++) {
      int x = ways[w][0] < 0 ? 8 : 0;
      for (int last = count - 5; last <= 4; last++) {
        struct gomoku_board free_style = row_of(9, false, x, 0, ways[w], count, last);
        expect_line(&free_style, x, 0, ways[w], (uint32_t)count);
        struct gomoku_board exact = row_of(9, true, x, 0, ways[w], count, last);
        cr_assert_not(is_won(&exact), "%d in direction %zu", count, w);
      }
    }
}

Test(gomoku_board, in_the_exact_style_five_beside_an_overline_win) {
  struct gomoku_board board = board_of(9, true);
  for (int i = 1; i < 6; i++) put(&board, GOMOKU_BLACK, i, 0);
  for (int i = 1; i < 5; i++) put(&board, GOMOKU_BLACK, 0, i);
  gomoku_board_place(&board, 0, 0);
  expect_line(&board, 0, 0, ways[1], 5);
}

Test(gomoku_board, whites_row_wins_too) {
  struct gomoku_board board = board_of(15, false);
  for (uint32_t i = 0; i < 5; i++) {
    gomoku_board_place(&board, 2 * i, 14);
    cr_assert_not(is_won(&board));
    gomoku_board_place(&board, 10, 4 + i);
  }
  expect_line(&board, 10, 4, ways[1], 5);
}

/* Pairs of one colour, shifted by two in each row: no five anywhere. */
static enum gomoku_colour pattern(int x, int y) {
  return (x + 2 * y) % 4 < 2 ? GOMOKU_BLACK : GOMOKU_WHITE;
}

Test(gomoku_board, a_full_board_without_five_is_not_won) {
  struct gomoku_board board = board_of(9, false);
  int next[2] = {0, 0};
  for (int move = 0; move < 81; move++) {
    int *cell = &next[gomoku_board_turn(&board)];
    while (pattern(*cell % 9, *cell / 9) != gomoku_board_turn(&board)) ++*cell;
    cr_assert_not(gomoku_board_is_full(&board));
    cr_assert_eq(gomoku_board_place(&board, (uint32_t)*cell % 9, (uint32_t)*cell / 9), GOMOKU_PLACED);
    ++*cell;
    cr_assert_not(is_won(&board), "after %d moves", move + 1);
  }
  cr_assert(gomoku_board_is_full(&board));
}

/* ---- against a slower way of telling ---- */

/* The longest row in this direction that begins at x, y, where none of that colour is before it. */
static int row_at(const struct gomoku_board *board, int x, int y, const int *way) {
  uint8_t colour = board->stones[y][x];
  int px = x - way[0], py = y - way[1], count = 0;
  if (colour == GOMOKU_NOBODY || (fits(board, px, py) && board->stones[py][px] == colour)) return 0;
  for (; fits(board, x, y) && board->stones[y][x] == colour; x += way[0], y += way[1]) count++;
  return count;
}

static bool any_row_wins(const struct gomoku_board *board) {
  for (int cell = 0; cell < (int)(board->size * board->size); cell++)
    for (size_t w = 0; w < WAYS; w++) {
      int count = row_at(board, cell % (int)board->size, cell / (int)board->size, ways[w]);
      if (board->exact ? count == 5 : count >= 5) return true;
    }
  return false;
}

Test(gomoku_board, random_games_end_when_any_row_of_the_whole_board_wins) {
  uint64_t seed = 42;
  int won = 0;
  for (int game = 0; game < 400; game++) {
    struct gomoku_board board = board_of(9 + dice(&seed, 3), game % 2);
    struct gomoku_line line = {.count = 0};
    while (!line.count && !gomoku_board_is_full(&board)) {
      if (gomoku_board_place(&board, dice(&seed, board.size), dice(&seed, board.size)) != GOMOKU_PLACED) continue;
      bool wins = gomoku_board_is_won(&board, &line);
      cr_assert_eq(wins, any_row_wins(&board));
      cr_assert_eq(wins, line.count >= 5);
    }
    won += line.count > 0;
  }
  cr_assert(won > 100 && won < 400, "%d games were won", won);
}
