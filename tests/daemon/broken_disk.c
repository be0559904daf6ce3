/* A disk that fails on order and forgets what was never synced, for one program (LD_PRELOAD).
 *
 * While the file that DISK_ORDER names exists, each of its lines is "CALL FILE ERRNO UNTIL": CALL (write, truncate,
 * allocate, sync, map, open or rename) on FILE (db, wal, shm, reserve, keys or marks) fails with that number
 *
 *     always       as long as the line is there
 *     given-up     as long as the reserve holds any room
 *     once:N       one time, after N calls that work
 *
 * and each failure is a line in the file that DISK_LOG names.
 *
 * While the file that DISK_HOLD names exists, the thread "store" waits where it reads the database.
 *
 * In the directory that DISK_TRUTH names are, for the database and its log, the bytes that would be found after a
 * power cut (NAME), and a byte for each page that is in memory only (NAME.dirty). A sync takes such pages over. One
 * that fails marks them clean all the same, as Linux does: the next one does not take them over unless they were
 * written anew. The kernel's memory outlives a program, and so do both files. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define PAGE 4096
/* 256 MiB */
#define PAGES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const FILES[][2] = {
    {"/ostler.db", "db"},    {"/ostler.db-wal", "wal"}, {"/ostler.db-shm", "shm"},
    {"/ostler.db.reserve", "reserve"}, {"/keys.toml", "keys"},   {"/keys.toml.new", "keys"},
    {"/marks", "marks"},
};

/* What a file is called in an order. */
static const char *name_of(const char *path) {
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        size_t end = strlen(FILES[i][0]);
        if (length >= end && !strcmp(path + length - end, FILES[i][0])) return FILES[i][1];
    }
    return NULL;
}

static const char *path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return path;
}

static int has_room(void) {
    const char *reserve = getenv("DISK_RESERVE");
    struct stat kept;
    return reserve && !stat(reserve, &kept) && kept.st_size > 0;
}

/* Whether one more call is to fail: one that works takes one off the number in the line. */
static int is_turn(const char *order, const char *line, int left) {
    char text[128];
    if (left == 0) {
        unlink(order);
        return 1;
    }
    int length = snprintf(text, sizeof text, "%.*s:%d\n", (int)(strrchr(line, ':') - line), line, left - 1);
    int fd = REAL(open)(order, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd >= 0) {
        if (REAL(write)(fd, text, length) != length) abort();
        close(fd);
    }
    return 0;
}

static void tell(const char *call, const char *file, int number) {
    const char *log = getenv("DISK_LOG");
    int fd = log ? REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0) return;
    char text[64];
    int length = snprintf(text, sizeof text, "%s %s %d\n", call, file, number);
    if (REAL(write)(fd, text, length) != length) abort();
    close(fd);
}

/* Whether a call fails by order; `errno` says with what. */
static int refused_at(const char *path, const char *call) {
    const char *order = getenv("DISK_ORDER"), *file = path ? name_of(path) : NULL;
    if (!order || !file) return 0;
    int fd = REAL(open)(order, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[1024], *rest = text;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length < 0 ? 0 : length] = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char of_call[16], of_file[16], until[32];
        int number = 0, left = 0;
        if (sscanf(line, "%15s %15s %d %31s", of_call, of_file, &number, until) != 4) continue;
        if (strcmp(of_call, call) || strcmp(of_file, file)) continue;
        if (!strcmp(until, "given-up") && !has_room()) continue;
        if (sscanf(until, "once:%d", &left) == 1 && !is_turn(order, line, left)) continue;
        tell(call, file, number);
        errno = number;
        return 1;
    }
    return 0;
}

static int refused(int fd, const char *call) {
    char path[4096];
    int before = errno;
    pthread_mutex_lock(&lock);
    int refused = refused_at(path_of(fd, path, sizeof path), call);
    pthread_mutex_unlock(&lock);
    if (!refused) errno = before;
    return refused;
}

/* ---- what a power cut would leave ---- */

struct truth {
    char path[4096];
    int bytes;
    unsigned char *dirty;
};
static struct truth truths[4];

/* The truth about an open file, if it is one that is kept account of. */
static struct truth *truth_of(int fd, char *path, size_t size) {
    const char *directory = getenv("DISK_TRUTH");
    if (!directory || !path_of(fd, path, size)) return NULL;
    const char *name = name_of(path);
    if (!name || (strcmp(name, "db") && strcmp(name, "wal"))) return NULL;
    int free = -1;
    for (int i = 0; i < 4; i++) {
        if (!strcmp(truths[i].path, path)) return &truths[i];
        if (!truths[i].path[0] && free < 0) free = i;
    }
    if (free < 0) abort();
    struct truth *truth = &truths[free];
    char place[4200];
    snprintf(place, sizeof place, "%s/%s.dirty", directory, strrchr(path, '/') + 1);
    int known = !access(place, F_OK);
    int dirty = REAL(open)(place, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    *strrchr(place, '.') = 0;
    truth->bytes = REAL(open)(place, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dirty < 0 || truth->bytes < 0 || REAL(ftruncate)(dirty, PAGES)) abort();
    truth->dirty = REAL(mmap)(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, dirty, 0);
    close(dirty);
    if (truth->dirty == MAP_FAILED) abort();
    strcpy(truth->path, path);
    struct stat now;
    if (fstat(fd, &now)) abort();
    /* what was there before anybody kept account of it is taken for durable */
    if (!known) {
        char page[PAGE];
        for (off_t at = 0; at < now.st_size; at += PAGE) {
            ssize_t length = REAL(pread)(fd, page, PAGE, at);
            if (length < 0 || REAL(pwrite)(truth->bytes, page, length, at) != length) abort();
        }
    }
    return truth;
}

static void written(int fd, off_t from, off_t to) {
    char path[4096];
    int before = errno;
    pthread_mutex_lock(&lock);
    struct truth *truth = truth_of(fd, path, sizeof path);
    if (truth && to > from) {
        if (to > (off_t)PAGES * PAGE) abort();
        memset(truth->dirty + from / PAGE, 1, (to - 1) / PAGE - from / PAGE + 1);
    }
    pthread_mutex_unlock(&lock);
    errno = before;
}

/* All pages are clean now; those that were not are on the disk, if the sync succeeded. */
static void synced(int fd, int succeeded) {
    char path[4096], page[PAGE];
    int before = errno;
    pthread_mutex_lock(&lock);
    struct truth *truth = truth_of(fd, path, sizeof path);
    struct stat now;
    if (truth) {
        if (fstat(fd, &now)) abort();
        for (off_t at = 0; succeeded && at < now.st_size; at += PAGE) {
            if (!truth->dirty[at / PAGE]) continue;
            ssize_t length = REAL(pread)(fd, page, PAGE, at);
            if (length < 0 || REAL(pwrite)(truth->bytes, page, length, at) != length) abort();
        }
        if (succeeded && REAL(ftruncate)(truth->bytes, now.st_size)) abort();
        memset(truth->dirty, 0, PAGES);
    }
    pthread_mutex_unlock(&lock);
    errno = before;
}

/* ---- the calls ---- */

ssize_t pread(int fd, void *bytes, size_t count, off_t at) {
    const char *hold = getenv("DISK_HOLD");
    char path[4096], thread[16] = "";
    prctl(PR_GET_NAME, thread);
    if (hold && !strcmp(thread, "store") && path_of(fd, path, sizeof path)) {
        const char *name = name_of(path);
        while (name && !strcmp(name, "db") && !access(hold, F_OK)) usleep(1000);
    }
    return REAL(pread)(fd, bytes, count, at);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t at) { return pread(fd, bytes, count, at); }

ssize_t write(int fd, const void *bytes, size_t count) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at >= 0 && refused(fd, "write")) return -1;
    ssize_t done = REAL(write)(fd, bytes, count);
    if (at >= 0 && done > 0) written(fd, at, at + done);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    if (refused(fd, "write")) return -1;
    ssize_t done = REAL(pwrite)(fd, bytes, count, at);
    if (done > 0) written(fd, at, at + done);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return pwrite(fd, bytes, count, at); }

int ftruncate(int fd, off_t size) {
    struct stat before;
    if (refused(fd, "truncate")) return -1;
    if (fstat(fd, &before)) return -1;
    int failed = REAL(ftruncate)(fd, size);
    if (!failed) written(fd, before.st_size, size);
    return failed;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int fdatasync(int fd) {
    int failed = refused(fd, "sync") ? -1 : REAL(fdatasync)(fd);
    synced(fd, !failed);
    return failed;
}

int fsync(int fd) {
    int failed = refused(fd, "sync") ? -1 : REAL(fsync)(fd);
    synced(fd, !failed);
    return failed;
}

void *mmap(void *near, size_t size, int may, int how, int fd, off_t at) {
    return fd >= 0 && refused(fd, "map") ? MAP_FAILED : REAL(mmap)(near, size, may, how, fd, at);
}

void *mmap64(void *near, size_t size, int may, int how, int fd, off64_t at) { return mmap(near, size, may, how, fd, at); }

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (flags & O_CREAT) {
        int before = errno;
        pthread_mutex_lock(&lock);
        int refused = refused_at(path, "open");
        pthread_mutex_unlock(&lock);
        if (refused) return -1;
        errno = before;
    }
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open(path, flags, mode);
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int refused = refused_at(to, "rename");
    pthread_mutex_unlock(&lock);
    return refused ? -1 : REAL(rename)(from, to);
}

/* A file that is gone has no truth, and the next one of its name begins anew. That its end is durable at once costs
 * nothing: its pages are in the database by then. */
int unlink(const char *path) {
    int failed = REAL(unlink)(path);
    const char *directory = getenv("DISK_TRUTH"), *name = name_of(path);
    if (failed || !directory || !name || (strcmp(name, "db") && strcmp(name, "wal"))) return failed;
    char place[4200];
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 4; i++) {
        if (strcmp(truths[i].path, path)) continue;
        close(truths[i].bytes);
        munmap(truths[i].dirty, PAGES);
        truths[i].path[0] = 0;
    }
    snprintf(place, sizeof place, "%s/%s", directory, strrchr(path, '/') + 1);
    REAL(unlink)(place);
    strcat(place, ".dirty");
    REAL(unlink)(place);
    pthread_mutex_unlock(&lock);
    return failed;
}

/* ---- fallocate(2), which the daemon does not call by way of the C library ---- */

/* In an argument that the call does not have; who knows it gets through. */
#define PASS 0x6f73746cL

static void trapped(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    ucontext_t *at = context;
#if defined(__x86_64__)
    greg_t *const of = at->uc_mcontext.gregs;
    long fd = of[REG_RDI], how = of[REG_RSI], from = of[REG_RDX], size = of[REG_R10];
#elif defined(__aarch64__)
    __u64 *const of = (void *)at->uc_mcontext.regs;
    long fd = of[0], how = of[1], from = of[2], size = of[3];
#endif
    long result = refused(fd, "allocate") ? -1 : syscall(SYS_fallocate, fd, how, from, size, 0L, PASS);
    if (result < 0) result = -errno;
#if defined(__x86_64__)
    of[REG_RAX] = result;
#elif defined(__aarch64__)
    of[0] = result;
#endif
}

__attribute__((constructor)) static void trap(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PASS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        abort();
}
