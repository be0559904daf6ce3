/* A desktop program in C, on sd-bus: asks for a token in each way there is, and for very many of them.
 *
 * client ACCOUNT CALLS: prints "token TOKEN", "written TOKEN", "managed N" and "answered N". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define SERVICE "dev.ostler.Ostler1"
#define ROOT "/dev/ostler/Ostler1"
#define MANAGER SERVICE ".Manager"
#define ACCOUNT SERVICE ".Account"
/* the daemon lets a connection have 128 calls under way */
#define WINDOW 100

static void check(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(-result));
        exit(1);
    }
}

struct crowd {
    const char *account;
    const char *token;
    int under_way, answered, wrong;
};

static int answered(sd_bus_message *reply, void *data, sd_bus_error *error) {
    struct crowd *crowd = data;
    const char *token = NULL;
    (void)error;
    crowd->under_way--;
    crowd->answered++;
    if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "s", &token) < 0 ||
        strcmp(token, crowd->token) != 0)
        crowd->wrong++;
    return 0;
}

int main(int argc, char **argv) {
    sd_bus *bus = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    const char *text = NULL, *type = NULL, *path = NULL;
    int64_t expires = 0;

    if (argc != 3)
        return 2;
    check(sd_bus_open_user(&bus), "the bus");

    check(sd_bus_call_method(bus, SERVICE, ROOT, MANAGER, "GetAccessToken", &error, &reply, "sa{sv}", argv[1], 1,
                             "min_validity", "u", 60),
          "GetAccessToken");
    check(sd_bus_message_read(reply, "ssx", &text, &type, &expires), "its reply");
    char *token = strdup(text);
    printf("token %s\n", token);
    reply = sd_bus_message_unref(reply);

    /* by a socket of our own, which nobody on the bus can read from */
    check(sd_bus_call_method(bus, SERVICE, ROOT, MANAGER, "LookupAccount", &error, &reply, "s", argv[1]), "LookupAccount");
    check(sd_bus_message_read(reply, "o", &path), "its reply");
    int pair[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
    sd_bus_message *written = NULL;
    check(sd_bus_call_method(bus, SERVICE, path, ACCOUNT, "WriteAccessToken", &error, &written, "ha{sv}", pair[1], 0),
          "WriteAccessToken");
    close(pair[1]);
    char buffer[4096];
    ssize_t length = 0, count;
    while ((count = read(pair[0], buffer + length, sizeof buffer - 1 - length)) > 0)
        length += count;
    buffer[length] = 0;
    printf("written %s\n", buffer);
    sd_bus_message_unref(written);
    reply = sd_bus_message_unref(reply);

    check(sd_bus_call_method(bus, SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &error,
                             &reply, ""),
          "GetManagedObjects");
    int objects = 0;
    check(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), "its reply");
    while (sd_bus_message_skip(reply, "{oa{sa{sv}}}") > 0)
        objects++;
    printf("managed %d\n", objects);
    reply = sd_bus_message_unref(reply);

    struct crowd crowd = {argv[1], token, 0, 0, 0};
    int calls = atoi(argv[2]), sent = 0;
    while (crowd.answered < calls) {
        while (sent < calls && crowd.under_way < WINDOW) {
            check(sd_bus_call_method_async(bus, NULL, SERVICE, ROOT, MANAGER, "GetAccessToken", answered, &crowd,
                                           "sa{sv}", crowd.account, 0),
                  "a call");
            crowd.under_way++;
            sent++;
        }
        int progress = sd_bus_process(bus, NULL);
        check(progress, "the bus");
        if (progress == 0)
            check(sd_bus_wait(bus, UINT64_MAX), "waiting");
    }
    printf("answered %d\n", crowd.answered - crowd.wrong);

    /* what is wrong is named */
    int failed = sd_bus_call_method(bus, SERVICE, ROOT, MANAGER, "GetAccessToken", &error, NULL, "sa{sv}", "nobody", 0);
    if (failed >= 0 || !sd_bus_error_has_name(&error, SERVICE ".Error.NoSuchAccount"))
        return 3;
    sd_bus_error_free(&error);
    free(token);
    sd_bus_flush_close_unref(bus);
    return 0;
}
