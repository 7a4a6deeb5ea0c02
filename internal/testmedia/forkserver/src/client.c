// What tests start in place of a program: it has the fork server of the test (server.c) run
// the program, and ends as that does. If there is no server, it becomes the program.
#define _GNU_SOURCE
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 4, LARGEST = 1 << 17 };

static char request[LARGEST], folder[4096];
static size_t size = 2 * sizeof(uint32_t);

// put adds strings to the request. It returns their number, or -1 if they are too long.
static int put(char **list) {
  int n = 0;
  for (; list[n]; n++) {
    size_t length = strlen(list[n]) + 1;
    if (size + length > LARGEST) return -1;
    memcpy(request + size, list[n], length);
    size += length;
  }
  return n;
}

// ask has the server run the program. It reports whether it did.
static int ask(char **argv, int *status) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  // The test has started us, and the server is named after it.
  int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/%d", folder, getppid());
  if (s < 0 || n >= (int)sizeof address.sun_path || connect(s, (struct sockaddr *)&address, sizeof address)) return 0;
  uint32_t numbers[2] = {(uint32_t)put(argv), (uint32_t)put(environ)};
  if ((int)numbers[0] < 0 || (int)numbers[1] < 0) return 0;
  memcpy(request, numbers, sizeof numbers);
  int files[FILES] = {0, 1, 2, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  char control[CMSG_SPACE(sizeof files)] = {0};
  struct iovec data = {request, size};
  struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof files)};
  memcpy(CMSG_DATA(c), files, sizeof files);
  return sendmsg(s, &m, MSG_NOSIGNAL) == (ssize_t)size && recv(s, status, sizeof *status, 0) == sizeof *status;
}

int main(int argc, char **argv) {
  (void)argc;
  ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (n <= 0) return 127;
  dirname(folder);
  int status;
  if (!ask(argv, &status)) {
    strcat(folder, "/program");
    execv(folder, argv);
    perror(folder);
    return 127;
  }
  if (WIFSIGNALED(status)) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  return WEXITSTATUS(status);
}
