// An agent for tests: `agent MODE [NUMBER [MILLISECONDS]]`.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *self;

static void be(char *mode, int bare) {
  char *none[] = {NULL}, *args[] = {self, mode, NULL};
  if (bare) {
    setsid();
    if (fork() > 0) _exit(0);
    for (int fd = 0; fd < 64; fd++) close(fd);
  }
  if (fork() == 0) execve(self, args, none);
}

static void print(const char *format, int number) {
  char line[32];
  int length = snprintf(line, sizeof line, format, number);
  if (write(1, line, length) != length) exit(9);
}

// Numbered lines, one every few milliseconds; with no number, until there is a file `stop`, and then how
// many they were.
static void write_lines(int count, int pause) {
  int n = 0;
  while (count ? n < count : access("stop", F_OK) != 0) {
    print("%d\n", ++n);
    usleep(1000 * pause);
  }
  if (!count) print("lines: %d\n", n);
}

// Each process lives a moment and leaves a child in its place.
static void run_away(void) {
  for (;;) {
    usleep(150000);
    if (fork() > 0) _exit(0);
    setsid();
  }
}

static void bomb(void) {
  for (;;)
    if (fork() < 0) usleep(2000);
}

int main(int argc, char **argv) {
  char *mode = argc > 1 ? argv[1] : "idle";
  self = argv[0];
  signal(SIGCHLD, SIG_IGN);
  if (!strcmp(mode, "write")) {
    write_lines(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 10);
    return 0;
  }
  if (!strcmp(mode, "echo")) {
    char text[4096];
    for (ssize_t count; (count = read(0, text, sizeof text)) > 0;)
      if (write(1, text, count) != count) return 9;
    return 0;
  }
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  if (!strcmp(mode, "bomb")) bomb();
  if (!strcmp(mode, "run_away")) run_away();
  if (!strcmp(mode, "hostile")) {
    be("stubborn", 0);
    for (int hidden = 0; hidden < 2; hidden++)
      if (fork() == 0) {
        be(hidden ? "run_away" : "stubborn", 1);
        _exit(0);
      }
    usleep(100000);
    if (write(1, "ready\n", 6) != 6) return 9;
  }
  for (;;) pause();
}
