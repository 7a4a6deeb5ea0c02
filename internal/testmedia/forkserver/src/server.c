// A library that is preloaded into a program and makes a fork server of it: the program
// loads its libraries once, and then waits for requests instead of running main. For each
// request it forks, and the child runs main with the arguments, environment, standard
// files and working directory of the client (client.c).
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 64, FILES = 4, LARGEST = 1 << 17 };

typedef int main_fn(int, char **, char **);
static main_fn *real_main;

// A run is a child with its client. ended becomes readable when the child has ended.
struct run { int client, ended; pid_t pid; };
static struct run runs[MOST];
static int count;

// Memory of a program with threads is not safe to fork.
static int has_threads(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/task");
  if (!d) return 1;
  while (readdir(d)) n++;
  closedir(d);
  return n != 3; // ".", "..", and the thread itself
}

// take splits n strings that lie one after the other.
static char **take(char **at, char *end, uint32_t n) {
  char **list = calloc(n + 1, sizeof *list);
  for (uint32_t i = 0; i < n && *at < end; i++, *at += strlen(*at) + 1) list[i] = *at;
  return list;
}

// become runs main for the request: the numbers of arguments and of variables, and these.
static int become(char *request, ssize_t size, int *files) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  uint32_t numbers[2];
  memcpy(numbers, request, sizeof numbers);
  char *at = request + sizeof numbers, *end = request + size;
  char **args = take(&at, end, numbers[0]);
  environ = take(&at, end, numbers[1]);
  for (int i = 0; i < count; i++) {
    close(runs[i].client);
    close(runs[i].ended);
  }
  if (fchdir(files[3])) return 126;
  for (int i = 0; i < 3; i++) dup2(files[i], i);
  for (int i = 0; i < FILES; i++) close(files[i]);
  return real_main(numbers[0], args, environ);
}

static void begin(int listener) {
  static char request[LARGEST + 1];
  int client = accept4(listener, 0, 0, SOCK_CLOEXEC), files[FILES];
  char control[CMSG_SPACE(sizeof files)];
  struct iovec data = {request, LARGEST};
  struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(client, &m, MSG_CMSG_CLOEXEC);
  struct cmsghdr *c = size > 8 ? CMSG_FIRSTHDR(&m) : 0;
  if (!c || c->cmsg_len != CMSG_LEN(sizeof files) || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    close(client); // it runs the program by itself
    return;
  }
  memcpy(files, CMSG_DATA(c), sizeof files);
  request[size] = 0;
  pid_t pid = fork();
  if (pid == 0) {
    close(listener);
    close(client);
    exit(become(request, size, files));
  }
  for (int i = 0; i < FILES; i++) close(files[i]);
  if (pid < 0) {
    close(client);
    return;
  }
  runs[count++] = (struct run){client, (int)syscall(SYS_pidfd_open, pid, 0), pid};
}

// finish tells the client how its child has ended. A client that has gone was killed, and
// so is its child.
static void finish(int i) {
  int status;
  kill(runs[i].pid, SIGKILL);
  waitpid(runs[i].pid, &status, 0);
  send(runs[i].client, &status, sizeof status, MSG_NOSIGNAL);
  close(runs[i].client);
  close(runs[i].ended);
  runs[i] = runs[--count];
}

static int serve(int argc, char **argv, char **envp) {
  const char *path = getenv("FORK_SERVER");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!path) return real_main(argc, argv, envp);
  if (strlen(path) >= sizeof address.sun_path || has_threads()) return 1;
  strcpy(address.sun_path, path);
  int probe = (int)syscall(SYS_pidfd_open, getpid(), 0);
  int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  unlink(path);
  if (probe < 0 || listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, MOST)) return 1;
  close(probe);
  if (write(1, "ready", 5) != 5) return 1;
  for (;;) {
    struct pollfd wait[2 + 2 * MOST] = {{.fd = 0, .events = POLLIN}, {.fd = count < MOST ? listener : -1, .events = POLLIN}};
    for (int i = 0; i < count; i++) {
      wait[2 + 2 * i] = (struct pollfd){.fd = runs[i].ended, .events = POLLIN};
      wait[3 + 2 * i] = (struct pollfd){.fd = runs[i].client, .events = POLLIN};
    }
    int were = count;
    if (poll(wait, 2 + 2 * were, -1) < 0) continue;
    if (wait[0].revents) break; // the test has ended
    for (int i = were - 1; i >= 0; i--)
      if (wait[2 + 2 * i].revents || wait[3 + 2 * i].revents) finish(i);
    if (wait[1].revents) begin(listener);
  }
  unlink(path);
  while (count) finish(0);
  return 0;
}

int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack) {
  __typeof__(__libc_start_main) *real = (__typeof__(real))dlsym(RTLD_NEXT, "__libc_start_main");
  real_main = main;
  return real(serve, argc, argv, init, fini, rtld_fini, stack);
}
