/* client SOCKET ACCOUNT: the least program that prints a token. It asks, and looks for the token in the answer. */
#include "floor.h"

#include <stdio.h>

#define METHOD "{\"method\":\"dev.ostler.Ostler1.GetToken\",\"parameters\":{\"account\":\"%s\"}}"
#define KEY "\"access_token\":\""

int main(int argc, char **argv) {
    if (argc != 3)
        errx(64, "usage: client SOCKET ACCOUNT");
    char question[1024], answer[1 << 16];
    int length = snprintf(question, sizeof question, METHOD, argv[2]);
    if (length < 0 || (size_t)length >= sizeof question)
        errx(64, "%s: too long a name", argv[2]);
    int stream = connect_to(argv[1]);
    write_all(stream, question, (size_t)length + 1);
    size_t filled = 0;
    do {
        ssize_t count = read(stream, answer + filled, sizeof answer - filled);
        if (count <= 0)
            errx(1, "no answer");
        filled += (size_t)count;
    } while (answer[filled - 1] != 0);
    char *token = strstr(answer, KEY), *end = token == NULL ? NULL : strchr(token + strlen(KEY), '"');
    if (end == NULL)
        errx(1, "no token: %s", answer);
    *end = '\n';
    token += strlen(KEY);
    size_t rest = (size_t)(end + 1 - token);
    return write(STDOUT_FILENO, token, rest) == (ssize_t)rest ? 0 : 1;
}
