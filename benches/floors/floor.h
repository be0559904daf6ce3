/* What the floors share: a socket to listen on, and an answer of a given length that ends like Varlink's. */
#ifndef FLOOR_H
#define FLOOR_H

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        errx(64, "%s: too long for a socket", path);
    strcpy(address.sun_path, path);
    return address;
}

static inline int listen_at(const char *path) {
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        err(1, "%s", path);
    /* whoever started this waits for a line */
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        err(1, "standard output");
    return listener;
}

static inline int connect_to(const char *path) {
    struct sockaddr_un address = address_of(path);
    int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0 || connect(stream, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "%s", path);
    return stream;
}

static inline char *answer_of(size_t length) {
    char *answer = malloc(length);
    if (length == 0 || answer == NULL)
        errx(64, "an answer has to have a length");
    memset(answer, 'x', length);
    answer[length - 1] = 0;
    return answer;
}

static inline void write_all(int stream, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = send(stream, bytes, length, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* whoever asked has gone */
        bytes += written;
        length -= (size_t)written;
    }
}

#endif
