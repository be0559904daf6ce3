/* iterative SOCKET LENGTH: the least that a connection can cost. One thread accepts, answers and closes. */
#include "floor.h"

int main(int argc, char **argv) {
    if (argc != 3)
        errx(64, "usage: iterative SOCKET LENGTH");
    size_t length = strtoul(argv[2], NULL, 10);
    char *answer = answer_of(length), question[4096];
    int listener = listen_at(argv[1]);
    for (;;) {
        int stream = accept(listener, NULL, NULL);
        if (stream < 0)
            err(1, "accept");
        while (read(stream, question, sizeof question) > 0)
            write_all(stream, answer, length);
        close(stream);
    }
}
