/* heya-bench SCENARIO [OPTION]...: see tests/load/options.c for the options, tests/load/bench.c for the scenarios. */
#include "tests/load/bench.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_help(void) {
  struct buf text = {0};
  option_print_help(&load_option_set, &text);
  fputs(buf_str(&text), stdout);
  buf_close(&text);
  bench_print_scenarios();
}

static int run(int argc, char **argv) {
  struct load_options options = {0};
  struct option_report report = {0};
  struct buf text = {0};
  int status = 0;
  const char *scenario = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
  if (scenario) argc--, argv++; /* takes the place of the program's name, which is skipped */
  switch (option_parse(&load_option_set, &options, argc, argv, environ, &report)) {
  case OPTION_OK:
    if (scenario) {
      status = bench_main(scenario, &options);
    } else {
      fputs("heya-bench: which scenario? (--help names them)\n", stderr);
      status = 2;
    }
    break;
  case OPTION_HELP: print_help(); break;
  case OPTION_VERSION: printf("heya-bench %s\n", load_option_set.version); break;
  case OPTION_PRINT:
    option_print_example(&load_option_set, &text);
    fputs(buf_str(&text), stdout);
    break;
  case OPTION_REFUSED:
    fprintf(stderr, "heya-bench: %s (--help tells more)\n", report.error);
    status = 2;
    break;
  }
  buf_close(&text);
  option_report_close(&report);
  option_close(&load_option_set, &options);
  return status;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  return run(argc, argv);
}
