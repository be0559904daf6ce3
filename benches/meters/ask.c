/* ask WAY SOCKET QUESTION COUNT CLIENTS: asks a server and prints how long answers took.
 *
 *   WAY       open: each client on one connection; connect: a new connection for each question
 *   QUESTION  a file; answers end with a NUL if it does, else they begin with their length (ssh-agent's protocol)
 *
 * Prints p50, p99 and p999 in nanoseconds, and how many answers came in a second. */
#include "../floors/floor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "times.h"

enum way { OPEN, CONNECT };

static enum way way;
static const char *path;
static char question[4096];
static size_t question_length;
static pthread_barrier_t begin;

static size_t read_some(int stream, char *buffer, size_t room) {
    ssize_t count = read(stream, buffer, room);
    if (count <= 0)
        errx(1, "%s: no answer", path);
    return (size_t)count;
}

static void ask(int stream) {
    char answer[1 << 16];
    write_all(stream, question, question_length);
    size_t filled = 0;
    if (question[question_length - 1] == 0) {
        do
            filled += read_some(stream, answer + filled, sizeof answer - filled);
        while (answer[filled - 1] != 0);
        /* an error would be measured as if it were an answer */
        if (filled > 8 && memcmp(answer, "{\"error\"", 8) == 0)
            errx(1, "%s: %s", path, answer);
    } else {
        unsigned length;
        do
            filled += read_some(stream, answer + filled, sizeof answer - filled);
        while (filled < sizeof length || (memcpy(&length, answer, sizeof length), filled < ntohl(length) + sizeof length));
    }
}

static void *client(void *times_of) {
    struct times *times = times_of;
    size_t count = times->count;
    times->count = 0;
    int stream = way == OPEN ? connect_to(path) : -1;
    if (way == OPEN)
        ask(stream);
    pthread_barrier_wait(&begin);
    for (size_t turn = 0; turn < count; turn++) {
        long long begun = now();
        if (way == CONNECT)
            stream = connect_to(path);
        ask(stream);
        if (way == CONNECT)
            close(stream);
        times_add(times, now() - begun);
    }
    if (way == OPEN)
        close(stream);
    return NULL;
}

static void read_question(const char *file_path) {
    int file = open(file_path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? -1 : read(file, question, sizeof question);
    if (count <= 0)
        err(1, "%s", file_path);
    close(file);
    question_length = (size_t)count;
}

int main(int argc, char **argv) {
    if (argc != 6 || (strcmp(argv[1], "open") != 0 && strcmp(argv[1], "connect") != 0))
        errx(64, "usage: ask open|connect SOCKET QUESTION COUNT CLIENTS");
    way = strcmp(argv[1], "open") == 0 ? OPEN : CONNECT;
    path = argv[2];
    read_question(argv[3]);
    size_t count = strtoul(argv[4], NULL, 10), clients = strtoul(argv[5], NULL, 10);
    struct times *each = calloc(clients, sizeof *each), all = times_for(count * clients);
    pthread_t *threads = calloc(clients, sizeof *threads);
    if (each == NULL || threads == NULL)
        err(1, "no memory");
    pthread_barrier_init(&begin, NULL, (unsigned)clients + 1);
    for (size_t at = 0; at < clients; at++) {
        each[at] = times_for(count);
        each[at].count = count;
        if (pthread_create(&threads[at], NULL, client, &each[at]) != 0)
            errx(1, "no thread");
    }
    pthread_barrier_wait(&begin);
    long long begun = now();
    for (size_t at = 0; at < clients; at++)
        pthread_join(threads[at], NULL);
    double seconds = (double)(now() - begun) / 1e9;
    for (size_t at = 0; at < clients; at++)
        for (size_t turn = 0; turn < each[at].count; turn++)
            times_add(&all, each[at].each[turn]);
    printf("p50 %.0f\np99 %.0f\np999 %.0f\na_second %.0f\n", times_at(&all, 0.5), times_at(&all, 0.99),
           times_at(&all, 0.999), (double)all.count / seconds);
    return 0;
}
