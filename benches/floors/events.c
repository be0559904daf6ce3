/* events SOCKET LENGTH: the least that a server of many clients can cost. One thread waits for all of them with
 * epoll(7). */
#include "floor.h"

#include <sys/epoll.h>

int main(int argc, char **argv) {
    if (argc != 3)
        errx(64, "usage: events SOCKET LENGTH");
    size_t length = strtoul(argv[2], NULL, 10);
    char *answer = answer_of(length), question[4096];
    int listener = listen_at(argv[1]), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener}, happened[64];
    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted) < 0)
        err(1, "epoll");
    for (;;) {
        int count = epoll_wait(poll, happened, 64, -1);
        for (int at = 0; at < count; at++) {
            int stream = happened[at].data.fd;
            if (stream == listener) {
                wanted.data.fd = accept(listener, NULL, NULL);
                if (wanted.data.fd < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, wanted.data.fd, &wanted) < 0)
                    err(1, "accept");
            } else if (read(stream, question, sizeof question) > 0) {
                write_all(stream, answer, length);
            } else {
                close(stream);
            }
        }
    }
}
