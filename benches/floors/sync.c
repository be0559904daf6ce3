/* sync FILE COUNT: what the disk takes for a commit. A page of 4 KiB is written in place, or appended, and synced.
 * Prints the median of each in nanoseconds. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../meters/times.h"

enum { PAGE = 4096 };

static double median_sync(int file, size_t count, int append) {
    char page[PAGE];
    memset(page, 'x', sizeof page);
    struct times times = times_for(count);
    for (size_t turn = 0; turn < count; turn++) {
        page[0] = (char)turn;
        off_t at = append ? (off_t)(turn + 1) * PAGE : 0;
        long long begun = now();
        if (pwrite(file, page, sizeof page, at) != PAGE || fdatasync(file) < 0)
            err(1, "write");
        times_add(&times, now() - begun);
    }
    return times_at(&times, 0.5);
}

int main(int argc, char **argv) {
    if (argc != 3)
        errx(64, "usage: sync FILE COUNT");
    int file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        err(1, "%s", argv[1]);
    size_t count = strtoul(argv[2], NULL, 10);
    double in_place = median_sync(file, count, 0);
    double appended = median_sync(file, count, 1);
    printf("in_place %.0f\nappended %.0f\n", in_place, appended);
    unlink(argv[1]);
    return 0;
}
