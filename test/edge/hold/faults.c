/* Preloaded into the store's process. While the file $FAULTS/<name> exists:
 *   sync-fails   fdatasync returns EIO
 *   sync-hangs   fdatasync waits
 * Every fdatasync that succeeds appends a byte to $FAULTS/syncs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int is_on(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("FAULTS"), name);
  return access(path, F_OK) == 0;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  while (is_on("sync-hangs")) usleep(5000);
  if (is_on("sync-fails")) {
    errno = EIO;
    return -1;
  }
  int result = real(fd);
  char path[4096];
  snprintf(path, sizeof path, "%s/syncs", getenv("FAULTS"));
  int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (log >= 0) {
    if (write(log, ".", 1) < 0) result = result;
    close(log);
  }
  return result;
}
