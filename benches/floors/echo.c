/* echo SOCKET LENGTH: the least that an answer on an open connection can cost. A thread for each connection
 * answers each read with so many bytes. */
#include "floor.h"

#include <pthread.h>

static size_t length;
static char *answer;

static void *serve(void *stream_of) {
    int stream = (int)(long)stream_of;
    char question[4096];
    while (read(stream, question, sizeof question) > 0)
        write_all(stream, answer, length);
    close(stream);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3)
        errx(64, "usage: echo SOCKET LENGTH");
    length = strtoul(argv[2], NULL, 10);
    answer = answer_of(length);
    int listener = listen_at(argv[1]);
    for (;;) {
        int stream = accept(listener, NULL, NULL);
        pthread_t thread;
        if (stream < 0 || pthread_create(&thread, NULL, serve, (void *)(long)stream) != 0)
            err(1, "accept");
        pthread_detach(thread);
    }
}
