/* bus_ask WAY NAME PATH ACCOUNT COUNT: calls GetAccessToken on the session bus and prints how long answers took.
 *
 *   WAY  open: on one connection; connect: on a new one for each call
 *
 * Prints p50 and p99 in nanoseconds. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "times.h"

static sd_bus *connect_to_bus(void) {
    sd_bus *bus;
    if (sd_bus_open_user(&bus) < 0)
        errx(1, "no bus");
    return bus;
}

static void ask(sd_bus *bus, char **argv) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    const char *token;
    if (sd_bus_call_method(bus, argv[2], argv[3], "dev.ostler.Ostler1.Manager", "GetAccessToken", &error, &reply,
                           "sa{sv}", argv[4], 0) < 0 ||
        sd_bus_message_read(reply, "s", &token) < 0)
        errx(1, "%s: %s", error.name, error.message);
    sd_bus_message_unref(reply);
}

int main(int argc, char **argv) {
    if (argc != 6 || (strcmp(argv[1], "open") != 0 && strcmp(argv[1], "connect") != 0))
        errx(64, "usage: bus_ask open|connect NAME PATH ACCOUNT COUNT");
    int connects = strcmp(argv[1], "connect") == 0;
    size_t count = strtoul(argv[5], NULL, 10);
    struct times times = times_for(count);
    sd_bus *bus = connects ? NULL : connect_to_bus();
    if (!connects)
        ask(bus, argv);
    for (size_t turn = 0; turn < count; turn++) {
        long long begun = now();
        if (connects)
            bus = connect_to_bus();
        ask(bus, argv);
        if (connects)
            sd_bus_flush_close_unref(bus);
        times_add(&times, now() - begun);
    }
    if (!connects)
        sd_bus_flush_close_unref(bus);
    printf("p50 %.0f\np99 %.0f\n", times_at(&times, 0.5), times_at(&times, 0.99));
    return 0;
}
