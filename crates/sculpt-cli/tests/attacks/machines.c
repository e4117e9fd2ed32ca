/* Another machine, for one process and its children: a file system without locks, a clock that is off, and a record of which nodes it
 * finished. Loaded by LD_PRELOAD; tests/attacks/machines.rs compiles it.
 *
 *   MACHINE_CLOCK  seconds by which its wall clock is wrong
 *   MACHINE_LOG    file to which every name is appended, a line each, that a done marker of a node takes
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define REAL(type, name) static type (*real)() = NULL; if (!real) real = (type (*)())dlsym(RTLD_NEXT, name)

/* As a network file system that is mounted without locks. */
int flock(int fd, int operation) {
  (void)fd;
  (void)operation;
  errno = ENOLCK;
  return -1;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  REAL(int, "clock_gettime");
  int result = real(clock, time);
  const char *off = getenv("MACHINE_CLOCK");
  if (result == 0 && off && clock == CLOCK_REALTIME) time->tv_sec += atol(off);
  return result;
}

int rename(const char *from, const char *to) {
  REAL(int, "rename");
  const char *log = getenv("MACHINE_LOG");
  const char *name = strrchr(to, '/');
  if (log && name && strcmp(name, "/done.json") == 0) {
    char line[4096];
    int length = snprintf(line, sizeof line, "%s\n", to);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0) {
      ssize_t written = write(fd, line, length);
      (void)written;
      close(fd);
    }
  }
  return real(from, to);
}
