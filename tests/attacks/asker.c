// What an agent may try to be taken for somebody else: `asker HOW SOCKET FILE LINE [BODY]` sends one
// request to the daemon's socket without any program of ours, and writes the answer to the file.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static int dial(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  int at = socket(AF_UNIX, SOCK_STREAM, 0);
  if (at < 0 || connect(at, (struct sockaddr *)&to, sizeof to)) _exit(9);
  return at;
}

static void ask(int at, const char *file, const char *line, const char *body) {
  static char text[65536];
  int length = snprintf(text, sizeof text,
                        "%s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
                        "content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                        line, strlen(body), body);
  if (write(at, text, length) != length) _exit(8);
  // Whole or not at all: whoever waits for the file reads it at once.
  char part[512];
  snprintf(part, sizeof part, "%s.part", file);
  int out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  for (ssize_t count; (count = read(at, text, sizeof text)) > 0;)
    if (write(out, text, count) != count) _exit(7);
  close(out);
  rename(part, file);
}

// The environment that the system shows is where the program was given it.
static void forget_environment(void) {
  for (char **entry = environ; *entry; entry++) memset(*entry, 0, strlen(*entry));
}

// A process without its parents: it belongs to whoever takes in orphans.
static void lose_parents(void) {
  if (fork() > 0) _exit(0);
  setsid();
  if (fork() > 0) _exit(0);
  while (getppid() == 1) break;
  usleep(20000);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  const char *how = argv[1], *path = argv[2], *file = argv[3], *line = argv[4];
  const char *body = argc > 5 ? argv[5] : "";
  if (!strcmp(how, "hidden")) {
    forget_environment();
    prctl(PR_SET_NAME, "bash");
    lose_parents();
    for (int fd = 0; fd < 64; fd++) close(fd);
  }
  if (!strcmp(how, "unreadable")) prctl(PR_SET_DUMPABLE, 0);
  int at = dial(path);
  // Whoever connected is gone when it comes to the question who that was.
  if (!strcmp(how, "heir") && fork() > 0) _exit(0);
  if (!strcmp(how, "heir")) usleep(200000);
  ask(at, file, line, body);
  return 0;
}
