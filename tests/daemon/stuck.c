/* A mount that is stuck, for one program (LD_PRELOAD): while the file that STUCK_ORDER names exists, whoever touches
 * something below STUCK_PATH is not let go. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void touch(const char *path) {
    const char *below = getenv("STUCK_PATH"), *order = getenv("STUCK_ORDER");
    if (!path || !below || !order || strncmp(path, below, strlen(below))) return;
    while (syscall(SYS_faccessat, AT_FDCWD, order, F_OK) == 0) usleep(1000);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    touch(path);
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

DIR *opendir(const char *path) {
    touch(path);
    DIR *(*next)(const char *) = dlsym(RTLD_NEXT, "opendir");
    return next(path);
}

int statx(int at, const char *path, int flags, unsigned int mask, struct statx *found) {
    touch(path);
    return syscall(SYS_statx, at, path, flags, mask, found);
}
