/* A file system that fails, for one process: the n-th call that changes something below a folder ends in an error, or in the
 * process's death. Loaded by LD_PRELOAD; tests/attacks/faults.rs compiles it.
 *
 *   FAULT_UNDER  folder (absolute, no links) below which calls count
 *   FAULT_AT     the call that fails, from 1; 0: none
 *   FAULT_AS     an errno as a number, or "kill"
 *   FAULT_LOG    file to which every counted call is appended, a line each
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long calls = 0;

static int counts(const char *path) {
  const char *under = getenv("FAULT_UNDER");
  return under && path && strncmp(path, under, strlen(under)) == 0;
}

/* Whether this call fails. Returns 1 with errno set, or does not return. */
static int fails(const char *what, const char *path) {
  if (!counts(path)) return 0;
  long n = __sync_add_and_fetch(&calls, 1);
  const char *log = getenv("FAULT_LOG");
  if (log) {
    char line[4096];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", n, what, path);
    int fd = (int)(long)((long (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0) {
      ((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, line, length);
      close(fd);
    }
  }
  const char *at = getenv("FAULT_AT");
  if (!at || atol(at) != n) return 0;
  const char *as = getenv("FAULT_AS");
  if (as && strcmp(as, "kill") == 0) kill(getpid(), SIGKILL);
  errno = as ? atoi(as) : EIO;
  return 1;
}

/* The path of an open file. */
static const char *of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, size - 1);
  if (n < 0) return NULL;
  path[n] = 0;
  return path;
}

#define REAL(type, name) static type (*real)() = NULL; if (!real) real = (type (*)())dlsym(RTLD_NEXT, name)

int rename(const char *from, const char *to) {
  REAL(int, "rename");
  return fails("rename", to) ? -1 : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir");
  return fails("mkdir", path) ? -1 : real(path, mode);
}

int unlink(const char *path) {
  REAL(int, "unlink");
  return fails("unlink", path) ? -1 : real(path);
}

int rmdir(const char *path) {
  REAL(int, "rmdir");
  return fails("rmdir", path) ? -1 : real(path);
}

int unlinkat(int folder, const char *name, int flags) {
  REAL(int, "unlinkat");
  char path[4096];
  return fails("unlinkat", folder == AT_FDCWD ? name : of(folder, path, sizeof path)) ? -1 : real(folder, name, flags);
}

int fsync(int fd) {
  REAL(int, "fsync");
  char path[4096];
  return fails("fsync", of(fd, path, sizeof path)) ? -1 : real(fd);
}

int fdatasync(int fd) {
  REAL(int, "fdatasync");
  char path[4096];
  return fails("fdatasync", of(fd, path, sizeof path)) ? -1 : real(fd);
}

ssize_t write(int fd, const void *bytes, size_t n) {
  REAL(ssize_t, "write");
  char path[4096];
  return fails("write", of(fd, path, sizeof path)) ? -1 : real(fd, bytes, n);
}

#define OPEN(name)                                                              \
  int name(const char *path, int flags, ...) {                                  \
    REAL(int, #name);                                                           \
    va_list more;                                                               \
    va_start(more, flags);                                                      \
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;                         \
    va_end(more);                                                               \
    return flags & O_CREAT && fails(#name, path) ? -1 : real(path, flags, mode); \
  }

OPEN(open)
OPEN(open64)
