/*
 * Faults between any two system calls that write, for a program started with this as LD_PRELOAD.
 *
 *   KVD_FAULT_UNDER  only calls on files below this folder count
 *   KVD_FAULT_AT     the call, from 1, at which the fault happens; 0 or absent: none
 *   KVD_FAULT_ERRNO  0: the process is killed before the call. Else this call and all later ones fail with it,
 *                    but for removals when it is a matter of space
 *   KVD_FAULT_TORN   1: a write is done by half before the process is killed
 *   KVD_FAULT_DELAY  milliseconds that each of these calls, and each reading one, takes longer, as on a slow network share
 *   KVD_FAULT_COUNT  file to which each process adds a line at exit: the number of its calls
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;
static const char *under;
static long at;
static int error_number;
static int torn;
static long delay;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
  const char *value;
  under = getenv("KVD_FAULT_UNDER");
  at = (value = getenv("KVD_FAULT_AT")) ? atol(value) : 0;
  error_number = (value = getenv("KVD_FAULT_ERRNO")) ? atoi(value) : 0;
  torn = (value = getenv("KVD_FAULT_TORN")) ? atoi(value) : 0;
  delay = (value = getenv("KVD_FAULT_DELAY")) ? atol(value) : 0;
}

__attribute__((destructor)) static void finish(void) {
  const char *path = getenv("KVD_FAULT_COUNT");
  long count = calls;
  if (path == NULL || count == 0) return;
  under = NULL;
  FILE *file = fopen(path, "a");
  if (file == NULL) return;
  fprintf(file, "%ld\n", count);
  fclose(file);
}

static int is_below(const char *path) {
  size_t length;
  if (under == NULL || path == NULL) return 0;
  length = strlen(under);
  return strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int path_counts(const char *path) {
  char whole[PATH_MAX];
  size_t used;
  if (under == NULL || path == NULL) return 0;
  if (path[0] == '/') return is_below(path);
  if (getcwd(whole, sizeof whole) == NULL) return 0;
  used = strlen(whole);
  snprintf(whole + used, sizeof whole - used, "/%s", path);
  return is_below(whole);
}

static int file_counts(int file) {
  char link[64], path[PATH_MAX];
  ssize_t length;
  if (under == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

enum fault { NONE, FAIL, KILL };

static void wait_as_on_a_slow_share(void) {
  struct timespec left = {delay / 1000, delay % 1000 * 1000000};
  if (delay == 0) return;
  while (nanosleep(&left, &left) != 0) continue;
}

static enum fault next(int counts, int removes) {
  long call;
  if (!counts) return NONE;
  wait_as_on_a_slow_share();
  call = atomic_fetch_add(&calls, 1) + 1;
  if (at == 0 || call < at) return NONE;
  if (error_number == 0) return call == at ? KILL : NONE;
  if (removes && (error_number == ENOSPC || error_number == EDQUOT)) return NONE;
  errno = error_number;
  return FAIL;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

#define FAULT(counts, removes)          \
  switch (next(counts, removes)) {      \
    case FAIL: return -1;               \
    case KILL: die(); break;            \
    case NONE: break;                   \
  }

ssize_t write(int file, const void *data, size_t size) {
  enum fault fault = next(file_counts(file), 0);
  if (fault == FAIL) return -1;
  if (fault == KILL) {
    if (torn) REAL(write)(file, data, size / 2);
    die();
  }
  return REAL(write)(file, data, size);
}

#define PWRITE(name, offset_type)                                               \
  ssize_t name(int file, const void *data, size_t size, offset_type offset) {   \
    enum fault fault = next(file_counts(file), 0);                              \
    if (fault == FAIL) return -1;                                               \
    if (fault == KILL) {                                                        \
      if (torn) REAL(name)(file, data, size / 2, offset);                       \
      die();                                                                    \
    }                                                                           \
    return REAL(name)(file, data, size, offset);                                \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int count) {
  FAULT(file_counts(file), 0)
  return REAL(writev)(file, parts, count);
}
#define READ(declaration, call)                                       \
  ssize_t declaration {                                               \
    if (delay > 0 && file_counts(file)) wait_as_on_a_slow_share();    \
    return call;                                                      \
  }
READ(read(int file, void *data, size_t size), REAL(read)(file, data, size))
READ(pread(int file, void *data, size_t size, off_t at), REAL(pread)(file, data, size, at))
READ(pread64(int file, void *data, size_t size, off64_t at), REAL(pread64)(file, data, size, at))

int fsync(int file) { FAULT(file_counts(file), 0) return REAL(fsync)(file); }
int fdatasync(int file) { FAULT(file_counts(file), 0) return REAL(fdatasync)(file); }
int ftruncate(int file, off_t size) { FAULT(file_counts(file), 0) return REAL(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { FAULT(file_counts(file), 0) return REAL(ftruncate64)(file, size); }
int rename(const char *from, const char *to) { FAULT(path_counts(to), 0) return REAL(rename)(from, to); }
int link(const char *from, const char *to) { FAULT(path_counts(to), 0) return REAL(link)(from, to); }
int symlink(const char *from, const char *to) { FAULT(path_counts(to), 0) return REAL(symlink)(from, to); }
int unlink(const char *path) { FAULT(path_counts(path), 1) return REAL(unlink)(path); }
int rmdir(const char *path) { FAULT(path_counts(path), 1) return REAL(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { FAULT(path_counts(path), 0) return REAL(mkdir)(path, mode); }

#define OPEN(name)                                                    \
  int name(const char *path, int flags, ...) {                        \
    mode_t mode = 0;                                                  \
    if (flags & (O_CREAT | O_TMPFILE)) {                              \
      va_list rest;                                                   \
      va_start(rest, flags);                                          \
      mode = va_arg(rest, mode_t);                                    \
      va_end(rest);                                                   \
    }                                                                 \
    if (flags & (O_CREAT | O_TRUNC)) FAULT(path_counts(path), 0)      \
    return REAL(name)(path, flags, mode);                             \
  }
OPEN(open)
OPEN(open64)
