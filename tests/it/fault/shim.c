/* Lets the writes or syncs of one file, or the clock of one thread, fail while a trigger file exists. Loaded into the server with
 * LD_PRELOAD, so that the real program meets the errors where the kernel would give them.
 *
 * FAULT_FILE: end of the file's path. FAULT_DIR: folder of the triggers `fail-write` (ENOSPC), `fail-sync` (EIO) and `fail-clock`,
 * which holds the name of a thread. Rust panics where a clock fails. The first failure removes `fail-clock`, because the program
 * needs the clock to say what happened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int concerns(int fd) {
    const char *suffix = getenv("FAULT_FILE");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (suffix == NULL || n < (ssize_t)strlen(suffix)) return 0;
    path[n] = 0;
    return strcmp(path + n - strlen(suffix), suffix) == 0;
}

static int triggered(const char *name, int fd) {
    const char *dir = getenv("FAULT_DIR");
    char path[4096];
    if (dir == NULL) return 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0 && concerns(fd);
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *data, size_t n) {
    if (triggered("fail-write", fd)) { errno = ENOSPC; return -1; }
    return REAL("write", ssize_t (*)(int, const void *, size_t))(fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    if (triggered("fail-write", fd)) { errno = ENOSPC; return -1; }
    return REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t))(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    if (triggered("fail-write", fd)) { errno = ENOSPC; return -1; }
    return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(fd, data, n, at);
}

int fsync(int fd) {
    if (triggered("fail-sync", fd)) { errno = EIO; return -1; }
    return REAL("fsync", int (*)(int))(fd);
}

int fdatasync(int fd) {
    if (triggered("fail-sync", fd)) { errno = EIO; return -1; }
    return REAL("fdatasync", int (*)(int))(fd);
}

static int clock_fails(void) {
    const char *dir = getenv("FAULT_DIR");
    char path[4096], wanted[32] = "", name[32] = "";
    if (dir == NULL) return 0;
    snprintf(path, sizeof path, "%s/fail-clock", dir);
    /* The allocator asks for the time too, so nothing here may allocate. */
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t n = read(file, wanted, sizeof wanted - 1);
    close(file);
    if (n <= 0) return 0;
    wanted[n] = 0;
    prctl(PR_GET_NAME, name);
    return strcmp(name, wanted) == 0 && unlink(path) == 0;
}

int clock_gettime(clockid_t id, struct timespec *time) {
    if (clock_fails()) { errno = EINVAL; return -1; }
    return (int)syscall(SYS_clock_gettime, id, time);
}
