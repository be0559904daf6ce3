/* spawn COUNT PROGRAM [ARGUMENT...]: runs a program so often, one after the other, and prints how long it took from
 * the start to the end (p50, p99) and how much processor time it used on average, in nanoseconds. */
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "times.h"

extern char **environ;

static long long nanos(struct timeval time) { return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL; }

int main(int argc, char **argv) {
    if (argc < 3)
        errx(64, "usage: spawn COUNT PROGRAM [ARGUMENT...]");
    size_t count = strtoul(argv[1], NULL, 10);
    struct times times = times_for(count);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    long long used = 0;
    for (size_t turn = 0; turn < count; turn++) {
        pid_t child;
        int status;
        struct rusage usage;
        long long begun = now();
        if (posix_spawn(&child, argv[2], &quiet, NULL, argv + 2, environ) != 0 || wait4(child, &status, 0, &usage) < 0)
            err(1, "%s", argv[2]);
        times_add(&times, now() - begun);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            errx(1, "%s failed", argv[2]);
        used += nanos(usage.ru_utime) + nanos(usage.ru_stime);
    }
    printf("p50 %.0f\np99 %.0f\ncpu %.0f\n", times_at(&times, 0.5), times_at(&times, 0.99),
           (double)used / (double)count);
    return 0;
}
