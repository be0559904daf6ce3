/* A file system with a quota that is used up, for one program (LD_PRELOAD).
 *
 * While the file that QUOTA_ORDER names exists, its text is "CALL ERRNO": writing to the database or its log (CALL is
 * "write" or "sync") fails with that number, as long as the room kept beside the database has not been given up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refused(int fd, const char *call) {
    const char *order = getenv("QUOTA_ORDER"), *reserve = getenv("QUOTA_RESERVE");
    char link[64], path[4096], wanted[16];
    struct stat kept;
    int number = 0;
    if (!order || !reserve) return 0;
    FILE *file = fopen(order, "re");
    if (!file) return 0;
    int found = fscanf(file, "%15s %d", wanted, &number);
    fclose(file);
    if (found != 2 || strcmp(wanted, call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, "/ostler.db") || strstr(path, ".reserve")) return 0;
    if (stat(reserve, &kept) || kept.st_size == 0) return 0;
    errno = number;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
    return refused(fd, "write") ? -1 : REAL(write)(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return refused(fd, "write") ? -1 : REAL(pwrite)(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return refused(fd, "write") ? -1 : REAL(pwrite64)(fd, bytes, count, at);
}

int fdatasync(int fd) { return refused(fd, "sync") ? -1 : REAL(fdatasync)(fd); }

int fsync(int fd) { return refused(fd, "sync") ? -1 : REAL(fsync)(fd); }
