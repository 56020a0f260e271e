/* Panics of the runtime inside the library: they become INTERNAL, for the caller only, and print nothing. The
 * runtime panics if the system has no clock, which no real system does. Whether a panic can be caught depends
 * on how the library was linked: on its unwinder, and on the tables that describe its functions. */
#define _GNU_SOURCE
#include "client.h"

#include <dlfcn.h>
#include <errno.h>
#include <time.h>

/* Replaces clock_gettime() for the whole program, including the library. */
typedef int clock_function(clockid_t, struct timespec *);

static _Thread_local bool has_no_clock; /* for clock_gettime() on this thread */

int clock_gettime(clockid_t clock, struct timespec *now) {
    clock_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    if (has_no_clock) {
        errno = EINVAL;
        return -1;
    }
    return real(clock, now);
}

/* A call without a clock: whether it panics, and the panic is caught. */
static bool is_caught(const refold_client *client) {
    refold_error *error = UNREAD_ERROR;
    has_no_clock = true;
    refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, &error);
    has_no_clock = false;
    bool is_internal = CHECK(execution == NULL) && CHECK_ERROR(error, REFOLD_ERROR_INTERNAL, ".rs:");
    refold_error_free(error);
    return is_internal;
}

TEST(panic_in_a_call_becomes_an_internal_error) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    REQUIRE(client != NULL);
    for (int i = 0; i < 1000 && is_caught(client); i++)
        continue;
    must_complete(client);
    server_stop(server);
}
