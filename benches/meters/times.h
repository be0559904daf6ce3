/* Times of one run, in nanoseconds, and what of them is told. */
#ifndef TIMES_H
#define TIMES_H

#include <err.h>
#include <stdlib.h>
#include <time.h>

struct times {
    long long *each;
    size_t count;
};

static inline long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static inline struct times times_for(size_t count) {
    struct times times = {.each = calloc(count, sizeof(long long))};
    if (count == 0 || times.each == NULL)
        errx(64, "a count has to be a number");
    return times;
}

static inline void times_add(struct times *times, long long time) { times->each[times->count++] = time; }

static int times_compare(const void *left, const void *right) {
    long long a = *(const long long *)left, b = *(const long long *)right;
    return (a > b) - (a < b);
}

/* Below which that part of them lies. */
static inline double times_at(struct times *times, double part) {
    qsort(times->each, times->count, sizeof *times->each, times_compare);
    size_t at = (size_t)((double)times->count * part);
    return (double)times->each[at < times->count ? at : times->count - 1];
}

#endif
