/* bus_server LENGTH: the smallest service on the session bus that answers like GetAccessToken, with a token of so
 * many bytes. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

static char *token;

static int get_access_token(sd_bus_message *call, void *nothing, sd_bus_error *error) {
    (void)nothing;
    (void)error;
    const char *account;
    int result = sd_bus_message_read(call, "s", &account);
    if (result < 0)
        return result;
    return sd_bus_reply_method_return(call, "ssxa{sv}", token, "Bearer", (int64_t)time(NULL) + 3600, 0);
}

static const sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetAccessToken", "sa{sv}", "ssxa{sv}", get_access_token, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

int main(int argc, char **argv) {
    if (argc != 2)
        errx(64, "usage: bus_server LENGTH");
    size_t length = strtoul(argv[1], NULL, 10);
    token = calloc(length + 1, 1);
    if (token == NULL)
        err(1, "no memory");
    memset(token, 'x', length);
    sd_bus *bus;
    if (sd_bus_open_user(&bus) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, "/floor", "dev.ostler.Ostler1.Manager", methods, NULL) < 0 ||
        sd_bus_request_name(bus, "test.Floor", 0) < 0)
        errx(1, "no bus");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int result = sd_bus_process(bus, NULL);
        if (result < 0 || (result == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
            return 1;
    }
}
